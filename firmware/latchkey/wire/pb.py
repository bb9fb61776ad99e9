# SPDX-License-Identifier: Apache-2.0
"""Protobuf wire format (protobuf.dev, "Encoding") over memoryviews, driven by tables.

A table is bytes, two a field, in ascending order: number and kind. A member of the message's oneof (no message has two
that matter here) has its number's highest bit set. kind is UINT (a varint: 32 bits, or ten bytes of a negative number,
whose lower 32 bits are taken), FIXED32 or BYTES, and above those three bits what the number has above seven; or it is
MESSAGE, and above that its place in the table: such a table is a tuple of those bytes and the tables of its messages.

Decoding follows only what its table knows, so nesting is bounded by the tables; unknown fields are skipped, groups too;
the last of several wins, and messages merge. It gives what other decoders give, or refuses: larger numbers, groups too
deep, and a known field of another wire type.
"""

from micropython import const

from latchkey.faults import Fault
from latchkey.scratch import BUFFER as _out
from latchkey.wire.schema import MessageFault, Wire

_MESSAGE = const(7)
_DEEPEST = const(32)  # groups within groups
_FIVE_BYTES = const(28)  # the shift of the last byte of a tag or a length
_TEN_BYTES = const(63)


_OUT = const(1022)  # with its 2-byte length a message is at most 1024 bytes: clients discard longer ones

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Table = bytes | tuple[Any, ...]
    Fields = dict[int, Any]


class DecodeError(Fault):
    """The bytes are not a message of this table."""

    def __init__(self, why: str) -> None:
        super().__init__(MessageFault.DECODING, why)


class EncodeError(Exception):
    """The message does not fit a frame."""


class _Reader:
    """One cursor for a whole message tree: positions are small ints, so walking allocates nothing."""

    def __init__(self) -> None:
        self.data = memoryview(b"")
        self.pos = 0

    def varint(self, end: int, last: int) -> int:
        data = self.data
        pos = self.pos
        value = shift = 0
        while True:
            if pos >= end or shift > last:
                raise DecodeError("varint")
            byte = data[pos]
            pos += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.pos = pos
                return value
            shift += 7

    def tag(self, end: int) -> int:
        tag = self.varint(end, _FIVE_BYTES)
        if not 8 <= tag <= 0xFFFFFFFF:
            raise DecodeError("field number")
        return tag

    def length(self, wire: int, end: int) -> int:
        """How many bytes of a field come next."""
        if wire == Wire.LEN:
            length = self.varint(end, _FIVE_BYTES)
        elif wire == Wire.I32:
            length = 4
        elif wire == Wire.I64:
            length = 8
        else:
            raise DecodeError("wire type")
        if length > end - self.pos:
            raise DecodeError("length")
        return length

    def skip(self, tag: int, end: int) -> None:
        """A field that nobody knows; a group with all that is in it, without recursion."""
        groups: list[int] = []
        while True:
            wire = tag & 7
            if wire == Wire.SGROUP:
                if len(groups) >= _DEEPEST:
                    raise DecodeError("groups")
                groups.append(tag)
            elif wire == Wire.EGROUP:
                if not groups or groups.pop() + 1 != tag:
                    raise DecodeError("end of a group")
            elif wire == Wire.VARINT:
                self.varint(end, _TEN_BYTES)
            else:
                length = self.length(wire, end)  # moves the cursor
                self.pos += length
            if not groups:
                return
            tag = self.tag(end)

    def message(self, table: Any, end: int, out: Fields) -> Fields:
        fields: bytes = table if isinstance(table, bytes) else table[0]
        while self.pos < end:
            tag = self.tag(end)
            number = tag >> 3
            wire = tag & 7
            low = number & 0x7F
            for at in range(0, len(fields), 2):
                if fields[at] & 0x7F == low:
                    kind = fields[at + 1]
                    nested = kind & 7 == _MESSAGE
                    if number >> 7 == (0 if nested else kind >> 3):
                        break
            else:
                self.skip(tag, end)
                continue
            if wire != (Wire.LEN if nested else kind & 7):
                raise DecodeError("wire type")
            value: Any
            if wire == Wire.VARINT:
                value = self.varint(end, _TEN_BYTES)
                if value >> 32 and value >> 31 != 0x1FFFFFFFF:
                    raise DecodeError("number")
                value &= 0xFFFFFFFF
            else:
                length = self.length(wire, end)
                start = self.pos
                if nested:
                    value = self.message(table[kind >> 3], start + length, out.get(number) or {})
                elif wire == Wire.LEN:
                    value = self.data[start : start + length]
                else:
                    data = self.data
                    value = data[start] | data[start + 1] << 8 | data[start + 2] << 16 | data[start + 3] << 24
                self.pos = start + length
            if fields[at] & 0x80:
                out.pop(out.get(Wire.ONE_OF, 0), None)
                out[Wire.ONE_OF] = number
            out[number] = value
        return out


_reader = _Reader()


def decode(table: Table, data: bytes | bytearray | memoryview, out: Fields | None = None) -> Fields:
    """Number to value: int, memoryview into `data`, or dict. 0 maps to the number of the oneof's member.

    Raises DecodeError; `out`, if given, then has what could be read. Not reentrant: one message at a time, as the
    router works.
    """
    _reader.data = memoryview(data)
    _reader.pos = 0
    try:
        return _reader.message(table, len(data), {} if out is None else out)
    finally:
        _reader.data = memoryview(b"")


def encode(table: Table, values: Fields) -> bytes:
    """The message with the fields that `values` has (None is absent; a list is a repeated field).

    Written back to front, so that every length is known when its prefix is written. Raises EncodeError.
    """
    start = _message(table, values, _OUT)
    return bytes(memoryview(_out)[start:_OUT])


def _message(table: Any, values: Fields, end: int) -> int:
    fields: bytes = table if isinstance(table, bytes) else table[0]
    for at in range(len(fields) - 2, -1, -2):
        number = fields[at] & 0x7F
        kind: Any = fields[at + 1]
        if kind > Wire.I32:
            if kind & 7 == _MESSAGE:
                kind = table[kind >> 3]
            else:
                number |= kind >> 3 << 7
                kind &= 7
        value = values.get(number)
        if value is None:
            continue
        if isinstance(value, list):
            for i in range(len(value) - 1, -1, -1):
                end = _field(number, kind, value[i], end)
        else:
            end = _field(number, kind, value, end)
    return end


def _field(number: int, kind: int | Table, value: Any, end: int) -> int:
    wire = Wire.LEN
    pos = end
    if not isinstance(kind, int):
        pos = _message(kind, value, end)
        pos = _varint(end - pos, pos)
    elif kind == Wire.LEN:
        pos -= len(value)
        if pos < 0:
            raise EncodeError("too long")
        _out[pos:end] = value
        pos = _varint(end - pos, pos)
    elif kind == Wire.I32:
        wire = Wire.I32
        pos -= 4
        if pos < 0:
            raise EncodeError("too long")
        for i in range(4):
            _out[pos + i] = value >> 8 * i & 0xFF
    else:
        wire = Wire.VARINT
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
