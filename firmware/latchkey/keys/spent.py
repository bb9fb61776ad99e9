# SPDX-License-Identifier: Apache-2.0
"""Which of a maker's grants are dead: presented, revoked, or too far behind the newest (docs/protocol.md, "Grants").

A small file for each maker's enrolment, in two places: the lowest number that may still come, and a bit for each from
there on. It is written with the change of the keychain that it belongs to (changes.py). One that is damaged has them
all, and one of an enrolment that is over gives up its place.
"""

import asyncio
import os
import struct

from micropython import const

from latchkey.keys import buckets
from latchkey.store import files, formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

ALL = const(0xFFFFFFFF)  # no grant has this number, and each has one below it
VERSION = const(1)
_NUMBERS = const(1024)  # that one maker may have given away and nobody presented
_BYTES = const(128)  # the same, in the file
_MAKERS = const(16)
_NAME = const(8)
_EIO = const(5)


class Spent:
    """All numbers below `below`, and those from there on that have a bit in `window`."""

    def __init__(self, body: bytes | memoryview = b"\1\0\0\0") -> None:
        self.below: int = struct.unpack_from("<I", body, 0)[0]
        self._window = int.from_bytes(bytes(body[4:]), "little")

    def has(self, number: int) -> bool:
        """Whether it is spent."""
        at = number - self.below
        return at < 0 or (at < _NUMBERS and bool(self._window >> at & 1))

    def add(self, number: int) -> None:
        """Spend it; and with it all that are too far below it."""
        self.close(number - _NUMBERS + 1)
        if number >= self.below:
            self._window |= 1 << number - self.below
            while self._window & 1:
                self._window >>= 1
                self.below += 1

    def close(self, below: int) -> None:
        """Spend all below that."""
        by = below - self.below
        if by > 0:
            self._window = self._window >> by if by < _NUMBERS else 0
            self.below = below

    def bits(self) -> bytes:
        """The window, without the zeros behind it."""
        return self._window.to_bytes(_BYTES, "little").rstrip(b"\0")

    def pack(self) -> bytes:
        """As the flash has it, always as long."""
        return struct.pack("<I", self.below) + self._window.to_bytes(_BYTES, "little")


def name(maker: Record) -> bytes:
    """What names a key as it is enrolled: who has its slot later is another, and so is the same key enrolled anew."""
    return formats.digest(maker.public, maker.number.to_bytes(4, "big"))


def read(root: str, maker: Record) -> Spent:
    """Raises OSError; UnknownVersion."""
    damaged = failed = None
    for path in files.places(root, "grants/" + name(maker).hex()):
        try:
            body = files.read_sealed(path, VERSION)
            if body is not None:
                return Spent(body)
        except formats.Damaged as error:
            damaged = error
        except OSError as error:
            failed = error
    if failed:
        raise failed
    return Spent(struct.pack("<I", ALL)) if damaged else Spent()


async def make_room(keychain: Keychain, maker: Record) -> bool:
    """Whether there is a file for that maker, or room for one: what belongs to nobody any more is removed then.

    Raises OSError.
    """
    folder = keychain.root + "/grants"
    if buckets.missing(folder):
        return True
    entries: Any = os.ilistdir(folder)
    there = {entry[0] for entry in entries if len(entry[0]) == 2 * _NAME}
    if name(maker).hex() in there or len(there) < _MAKERS:
        return True
    keychain.buckets.failed = False
    for slot in range(keychain.CAPACITY):
        record = keychain.find_slot(slot, True)
        if record:
            there.discard(name(record).hex())
            await asyncio.sleep_ms(0)
    if keychain.buckets.failed:
        raise OSError(_EIO, "a bucket cannot be read")
    for nobodys in there:
        for path in files.places(keychain.root, "grants/" + nobodys):
            files.remove(path)
            await asyncio.sleep_ms(0)
    return bool(there)
