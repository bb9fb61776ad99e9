# SPDX-License-Identifier: Apache-2.0
"""A key looked up in a roster's file, at a cost in RAM that does not grow with it. Loaded by the first who asks."""

import os
import struct

from micropython import const

from latchkey.store import formats
from latchkey.wire.schema import Permission, Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from latchkey.keys.record import Record

    class Roster(Protocol):
        """Whose it is (held.py)."""

        root: str
        body: bytes

        @property
        def expired(self) -> bool: ...


SIZE = const(104)  # an entry (docs/protocol.md, "Entries"), and a digest of it and of its roster
ENTRY = const(96)
_POINT = const(64)
_RANKS = const(b"\x00\x00\x05\x04\x01\x01\x02\x00\x03")  # by Role: which is more; 0: none that a roster may give
_ROLE = const(81)  # in the record of kept.py: the most that a key may be,
_KEYS = const(115)  # and how many keys there are, the head's digest, which file

_raw = bytearray(SIZE)


def path(root: str, place: int) -> str:
    """There are two: one in force, and one for the next."""
    return f"{root}/roster/{place}"


def lost(root: str, place: int, keys: int) -> bool:
    """Whether the entries of that roster's file are not all there: then it may be brought again."""
    try:
        return bool(keys and os.stat(path(root, place))[6] != keys * SIZE)
    except OSError:
        return True


def rank(role: int) -> int:
    """How much a role is, 1 to 5; 0 for one that a roster cannot give."""
    return _RANKS[role] if role < len(_RANKS) else 0


def find(root: str, place: int, keys: int, digest: bytes, public: bytes | memoryview) -> bytearray | None:
    """The entry of a key, and its digest, in that roster's file: SIZE bytes, until the next call. None: it is not
    listed, or damaged.

    Raises OSError. Twelve reads for 4,000 keys.
    """
    want = bytes(public[1:])
    low = 0
    if not keys:
        return None
    with open(path(root, place), "rb") as f:
        while low < keys:
            middle = (low + keys) >> 1
            f.seek(middle * SIZE)
            if f.readinto(_raw) != SIZE:
                return None
            point = bytes(_raw[:_POINT])
            if point == want:
                return _raw if formats.digest(_raw[:ENTRY], digest) == _raw[ENTRY:] else None
            if point < want:
                low = middle + 1
            else:
                keys = middle
    return None


def lists(roster: Roster, public: bytes | memoryview) -> bytearray | None:
    """`find`, of the one in force; None also for what cannot be read."""
    keys, digest, place = struct.unpack_from("<I8sB", roster.body, _KEYS)
    try:
        return find(roster.root, place, keys, digest, public) if len(public) == 65 else None
    except OSError as error:
        print("roster:", error)
        return None


def permitted(roster: Roster, record: Record) -> bool:
    """Roster.permitted."""
    entry = lists(roster, record.public)
    if entry is None:
        return False
    role, form, commands, label = struct.unpack_from("<BB2xI24s", entry, _POINT)
    most = roster.body[_ROLE]
    record.role = role = most if rank(role) > rank(most) else role
    record.form = form
    record.commands = Permission.READ if role == Role.GUEST and roster.expired else commands
    record.label = label.rstrip(b"\0").decode()
    return True
