# SPDX-License-Identifier: Apache-2.0
"""The bench line protocol's lines, as the host sees them (docs/bench.md).

A serial port carries frames and text in any mixture. `LineDecoder` takes the bytes as they come, in any pieces, and
gives back frames and text in order; what is not a whole and correct frame is text, and no byte is lost.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

LINE = 160
"""The longest line, with its newline: it must fit a board's 260-byte input buffer while the board is busy."""

PIECE = 108
"""Bytes of a message in one line."""

MAX_MESSAGE = 1024
"""The longest message that a board takes."""

_MAX_JOINED = 1 << 17  # of a message from a board, which has not room for a longer one

_FRAME = re.compile(
    rb"@(?P<kind>[A-Za-z])(?P<conn>[0-9a-f]{2})(?P<seq>[0-9a-f]{2})(?P<part>[.<+>])(?P<body>[A-Za-z0-9+/]*={0,2})"
    rb"(?P<crc>[0-9a-f]{8})\r?",
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of the protocol.

    `kind` is upper case from the host and lower case from the board. `part` is `.` for a whole message, and `<`, `+`
    and `>` for the first, a middle and the last line of a longer one.
    """

    kind: str
    conn: int
    seq: int
    part: str
    body: bytes

    def encode(self) -> bytes:
        """The frame as a line of text."""
        head = f"@{self.kind}{self.conn:02x}{self.seq:02x}{self.part}"
        text = head.encode() + base64.b64encode(self.body)
        return text + b"%08x\n" % zlib.crc32(text)


def decode_frame(line: bytes) -> Frame | None:
    """The frame in a line without its newline, or None if it is not a correct one."""
    match = _FRAME.fullmatch(line)
    if match is None or len(line) > LINE or zlib.crc32(line[: match.start("crc")]) != int(match["crc"], 16):
        return None
    try:
        body = base64.b64decode(match["body"], validate=True)
    except binascii.Error:
        return None
    if len(body) > PIECE:
        return None
    return Frame(match["kind"].decode(), int(match["conn"], 16), int(match["seq"], 16), match["part"].decode(), body)


class LineDecoder:
    """Frames and text from a stream of bytes. Text comes as bytes, whole lines where there are newlines."""

    _TEXT_LIMIT = 4096

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Iterator[Frame | bytes]:
        """Take some bytes; yield what is complete."""
        self._held += data
        while self._held:
            # A frame starts at '@' wherever that stands, so text before it is complete.
            start = self._held.find(b"@", 1)
            end = self._held.find(b"\n")
            if end >= 0 and (start < 0 or end < start):
                yield from self._take(end + 1)
            elif start >= 0:
                yield from self._take(start)
            elif len(self._held) > self._TEXT_LIMIT:
                yield from self._take(len(self._held))
            else:
                return

    def flush(self) -> bytes:
        """What is held back because it may become a frame or a line yet."""
        held, self._held = self._held, b""
        return held

    def _take(self, count: int) -> Iterator[Frame | bytes]:
        piece, self._held = self._held[:count], self._held[count:]
        frame = decode_frame(piece[:-1]) if piece.startswith(b"@") and piece.endswith(b"\n") else None
        yield frame if frame is not None else piece


class Numbers:
    """Line numbers go from 0 to 255 and round again."""

    def __init__(self, last: int = 255) -> None:
        self.last = last & 0xFF

    def next(self) -> int:
        """Take the next number."""
        self.last = self.last + 1 & 0xFF
        return self.last


class Joiner:
    """Puts the lines of one direction together into messages: a missing line loses its message, and no other."""

    def __init__(self) -> None:
        self.lost = 0
        """Lines that were sent and never came."""
        self._expected: int | None = None
        self._kind = ""
        self._conn = 0
        self._data: bytearray | None = None

    def add(self, frame: Frame) -> tuple[str, int, bytes] | None:
        """Take a frame; give the kind, connection and bytes of the message that it completes, if it does."""
        if self._expected is not None and frame.seq != self._expected:
            self.lost += frame.seq - self._expected & 0xFF
            self._data = None
        self._expected = frame.seq + 1 & 0xFF
        if frame.part in ".<":
            self._kind, self._conn, self._data = frame.kind, frame.conn, bytearray()
        if self._data is None or (self._kind, self._conn) != (frame.kind, frame.conn):
            self._data = None
            return None
        self._data += frame.body
        if len(self._data) > _MAX_JOINED:
            self._data = None
            return None
        if frame.part not in ".>":
            return None
        data, self._data = bytes(self._data), None
        return frame.kind, frame.conn, data


def split(message: bytes) -> list[tuple[str, bytes]]:
    """A message as the parts and bodies of its lines."""
    pieces = [message[at : at + PIECE] for at in range(0, len(message), PIECE)]
    if len(pieces) < 2:
        return [(".", message)]
    parts = ["<", *"+" * (len(pieces) - 2), ">"]
    return list(zip(parts, pieces, strict=True))
