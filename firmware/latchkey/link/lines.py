# SPDX-License-Identifier: Apache-2.0
"""Frames as lines of text, so that they share the serial port with the REPL and the log (docs/bench.md).

    @ kind conn seq part body crc \\n

`kind` is one letter, upper case from the host and lower case from the board; `conn` and `seq` are two hex digits,
`part` is `.` for a whole message, or `<`, `+`, `>` for the first, a middle and the last line of one; `body` is base64
and `crc` the CRC-32 of all before it.
"""

import binascii

from micropython import const

_LINE = const(160)  # the longest line, with its newline
_PIECE = const(108)  # bytes of a message in one line
_OVERHEAD = const(15)  # a line without body and newline
_WHOLE = const(0x2E)  # .
_FIRST = const(0x3C)  # <
_MIDDLE = const(0x2B)  # +
_LAST = const(0x3E)  # >
_HEX = const(b"0123456789abcdef")


def _hex2(buffer: bytearray, at: int) -> int:
    """Negative when one of them is no digit."""
    return _HEX.find(bytes(buffer[at : at + 1])) << 4 | _HEX.find(bytes(buffer[at + 1 : at + 2]))


class Reader:
    """Finds the frames in whatever comes in. After `feed` says True, the fields describe the frame."""

    def __init__(self) -> None:
        self._line = bytearray(_LINE)
        self._view = memoryview(self._line)
        self._fill = -1  # -1: not inside a frame
        self.kind = 0
        self.conn = 0
        self.seq = 0
        self.first = False
        self.last = False
        self.body = b""

    def feed(self, byte: int) -> bool:
        """Take one byte. `@` starts a frame wherever it comes: it occurs nowhere else in one."""
        fill = self._fill
        if byte == 0x40:
            fill = 0
        elif fill < 0:
            return False
        elif byte == 0x0A:
            self._fill = -1
            return self._parse(fill)
        if fill >= _LINE:
            self._fill = -1
            return False
        self._line[fill] = byte
        self._fill = fill + 1
        return False

    def _parse(self, end: int) -> bool:
        line = self._line
        if line[end - 1] == 0x0D:
            end -= 1
        body = end - 8
        if end < _OVERHEAD:
            return False
        if b"%08x" % binascii.crc32(self._view[:body]) != bytes(self._view[body:end]):
            return False
        self.kind = line[1]
        self.conn = _hex2(line, 2)
        self.seq = _hex2(line, 4)
        part = line[6]
        self.first = part in (_WHOLE, _FIRST)
        self.last = part in (_WHOLE, _LAST)
        if self.conn < 0 or self.seq < 0 or not (self.first or self.last or part == _MIDDLE):
            return False
        try:
            self.body = binascii.a2b_base64(bytes(self._view[7:body]))
        except ValueError:
            return False
        return len(self.body) <= _PIECE


class Writer:
    """Builds lines in one buffer."""

    def __init__(self) -> None:
        self._line = bytearray(_LINE)
        self._view = memoryview(self._line)
        self._line[0] = 0x40

    def line(self, kind: int, conn: int, seq: int, part: int, piece: bytes) -> memoryview:
        """One whole line, valid until the next one."""
        line = self._line
        line[1] = kind
        line[2:6] = b"%02x%02x" % (conn, seq)
        line[6] = part
        body = binascii.b2a_base64(piece, newline=False)
        end = 7 + len(body)
        line[7:end] = body
        line[end : end + 8] = b"%08x" % binascii.crc32(self._view[:end])
        line[end + 8] = 0x0A
        return self._view[: end + 9]
