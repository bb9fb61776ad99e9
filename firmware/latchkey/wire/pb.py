# SPDX-License-Identifier: Apache-2.0
"""Protobuf wire format (protobuf.dev, "Encoding") over memoryviews, driven by tables.

A table is one flat tuple with three items a field, in ascending order: number, kind, and whether it is a member of
the message's oneof (no message has two that matter here). kind is UINT (varint of at most 32 bits), FIXED32, BYTES,
or the table of a message. Decoding follows only what its table knows, so nesting is bounded by the tables; unknown
fields are skipped, the last of several wins, and a known field of another wire type is refused.
"""

from micropython import const

from latchkey.faults import Fault
from latchkey.scratch import BUFFER as _out

_UINT = const(0)
_BYTES = const(2)
_FIXED32 = const(5)
_ONE_OF = const(0)  # where a decoded message has the number of its oneof's member

# MessageFault_E
_DECODING = const(10)

_OUT = const(1022)  # with its 2-byte length a message is at most 1024 bytes: clients discard longer ones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Table = tuple[Any, ...]
    Fields = dict[int, Any]


class DecodeError(Fault):
    """The bytes are not a message of this table."""

    def __init__(self, why: str) -> None:
        super().__init__(_DECODING, why)


class EncodeError(Exception):
    """The message does not fit a frame."""


class _Reader:
    """One cursor for a whole message tree: positions are small ints, so walking allocates nothing."""

    def __init__(self) -> None:
        self.data = memoryview(b"")
        self.pos = 0

    def varint(self, end: int) -> int:
        data = self.data
        pos = self.pos
        value = shift = 0
        while True:
            if pos >= end or shift > 63:
                raise DecodeError("varint")
            byte = data[pos]
            pos += 1
            if shift < 28:
                value |= (byte & 0x7F) << shift
            elif byte & (0x70 if shift == 28 else 0x7F):
                raise DecodeError("varint")
            else:
                value |= (byte & 0x0F) << 28
            if byte < 0x80:
                self.pos = pos
                return value
            shift += 7

    def skip(self, wire: int, end: int) -> None:
        if wire == _UINT:
            data = self.data
            for pos in range(self.pos, min(end, self.pos + 10)):
                if data[pos] < 0x80:
                    self.pos = pos + 1
                    return
            raise DecodeError("varint")
        if wire == _BYTES:
            length = self.varint(end)
        elif wire == _FIXED32:
            length = 4
        elif wire == 1:
            length = 8
        else:
            raise DecodeError("wire type")
        if length > end - self.pos:
            raise DecodeError("length")
        self.pos += length

    def message(self, table: Table, end: int) -> Fields:
        out: Fields = {}
        while self.pos < end:
            tag = self.varint(end)
            number = tag >> 3
            wire = tag & 7
            if number == 0:
                raise DecodeError("field number")
            for at in range(0, len(table), 3):
                if table[at] == number:
                    break
            else:
                self.skip(wire, end)
                continue
            kind = table[at + 1]
            nested = isinstance(kind, tuple)
            if wire != (_BYTES if nested else kind):
                raise DecodeError("wire type")
            value: Any
            if kind == _UINT:
                value = self.varint(end)
            else:
                start = self.pos
                length = 4
                if wire == _BYTES:
                    length = self.varint(end)
                    start = self.pos
                if length > end - start:
                    raise DecodeError("length")
                if nested:
                    value = self.message(kind, start + length)
                elif wire == _BYTES:
                    value = self.data[start : start + length]
                else:
                    data = self.data
                    value = data[start] | data[start + 1] << 8 | data[start + 2] << 16 | data[start + 3] << 24
                self.pos = start + length
            if table[at + 2]:
                out.pop(out.get(_ONE_OF, 0), None)
                out[_ONE_OF] = number
            out[number] = value
        return out


_reader = _Reader()


def decode(table: Table, data: bytes | bytearray | memoryview) -> Fields:
    """Number to value: int, memoryview into `data`, or dict. 0 maps to the number of the oneof's member.

    Raises DecodeError. Not reentrant: one message at a time, as the router works.
    """
    _reader.data = memoryview(data)
    _reader.pos = 0
    try:
        return _reader.message(table, len(data))
    finally:
        _reader.data = memoryview(b"")


def encode(table: Table, values: Fields) -> bytes:
    """The message with the fields that `values` has (None is absent; a list is a repeated field).

    Written back to front, so that every length is known when its prefix is written. Raises EncodeError.
    """
    start = _message(table, values, _OUT)
    return bytes(memoryview(_out)[start:_OUT])


def _message(table: Table, values: Fields, end: int) -> int:
    for at in range(len(table) - 3, -1, -3):
        value = values.get(table[at])
        if value is None:
            continue
        if isinstance(value, list):
            for i in range(len(value) - 1, -1, -1):
                end = _field(table[at], table[at + 1], value[i], end)
        else:
            end = _field(table[at], table[at + 1], value, end)
    return end


def _field(number: int, kind: int | Table, value: Any, end: int) -> int:
    wire = _BYTES
    pos = end
    if isinstance(kind, tuple):
        pos = _message(kind, value, end)
        pos = _varint(end - pos, pos)
    elif kind == _BYTES:
        pos -= len(value)
        if pos < 0:
            raise EncodeError("too long")
        _out[pos:end] = value
        pos = _varint(end - pos, pos)
    elif kind == _FIXED32:
        wire = _FIXED32
        pos -= 4
        if pos < 0:
            raise EncodeError("too long")
        for i in range(4):
            _out[pos + i] = value >> 8 * i & 0xFF
    else:
        wire = _UINT
        pos = _varint(value, pos)
    return _varint(number << 3 | wire, pos)


def _varint(value: int, pos: int) -> int:
    size = 1
    rest = value >> 7
    while rest:
        size += 1
        rest >>= 7
    pos -= size
    if pos < 0:
        raise EncodeError("too long")
    for i in range(pos, pos + size - 1):
        _out[i] = value & 0x7F | 0x80
        value >>= 7
    _out[pos + size - 1] = value
    return pos
