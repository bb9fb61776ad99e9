# SPDX-License-Identifier: Apache-2.0
"""How a file of ours says what it is, by a mark with its version and a digest; and what is wrong with other ones."""

from hashlib import sha256

from micropython import const

_MARK = const(4)
_DIGEST = const(8)


class StoreError(Exception):
    """What is in flash cannot be used; the message says which file and why."""

    what = "store"


class Damaged(StoreError):
    """Not as it was written."""


class UnknownVersion(StoreError):
    """Written by another version of the firmware: refused, and left as it is."""

    def __init__(self, what: str, version: int) -> None:
        super().__init__(f"{what} has format version {version}, which this firmware does not know")
        self.version = version


def digest(*parts: bytes | bytearray | memoryview) -> bytes:
    """8 bytes of the SHA-256 over all parts."""
    h = sha256()
    for part in parts:
        h.update(part)
    short: bytes = h.digest()[:_DIGEST]
    return short


def mark(version: int) -> bytes:
    """What each format begins with: so long that bit rot is not taken for another version."""
    return bytes((0x4C, 0x6B, version, version ^ 0xFF))


def check_mark(what: str, head: bytes | bytearray | memoryview, version: int) -> None:
    """Raises Damaged; UnknownVersion for a mark of another version."""
    if len(head) < _MARK or bytes(head[:_MARK]) != mark(head[2]):
        raise Damaged(f"{what} is damaged")
    if head[2] != version:
        raise UnknownVersion(what, head[2])
