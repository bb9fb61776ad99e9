# SPDX-License-Identifier: Apache-2.0
"""64 bucket files: what a key's record lies in.

The first byte of a key's id chooses its bucket. A bucket is a head, an index of fixed size (id, slot, role, flags: 8
bytes an entry) and the records, in the order of the index; an empty bucket is an empty file. A look-up reads one index
into a buffer made once, and one record. A damaged index is made anew from the records; a damaged record is denied.
Both are reported.
A change that is made and not carried out yet (`pending`) outranks the files: what it adds is there, what it removes is
not.
"""

import os
import struct

from micropython import const

from latchkey.keys.record import BARRED, NO_SLOT, SIZE, Record, unpack
from latchkey.scratch import BUFFER
from latchkey.store import formats
from latchkey.wire.schema import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader
    from typing import Protocol

    class Pending(Protocol):
        """A change that is made and not carried out yet (keys/changes.py)."""

        add: Record | None
        body: bytearray | memoryview
        drop: bool
        spent: bytes
        wipe: bool

        def find(self, pattern: bytes, phase: int, public: bytes | memoryview | None) -> Record | None: ...
        def touches(self, bucket: int) -> bool: ...
        def may_hide(self, id4: bytes, flags: int) -> bool: ...
        def dropped(self, record: Record | None, id4: bytes) -> bool: ...


COUNT = const(64)
ROOM = const(128)  # keys: a full keychain has 64 in a bucket; 128 is 8 standard deviations above
IMPERMANENT = const(1)  # flags of an index entry
LASTING_OWNER = const(2)

GRANTED = const(8)  # by a grant: told by pack() from its record
_BY_CARD = const(4)  # of an owner that lasts: told by entries() from its record, and in no index

VERSION = const(1)
_HEAD = const(16)  # mark, entries, 3 spare, digest of all the rest
_INDEX = const(1040)  # head and index
_ENTRY = const("<4sHBB")
_ENOENT = const(2)
FOLDERS = const(8)  # littlefs takes the square of a folder's entries to compact it


def of(id4: bytes) -> int:
    """The bucket of a key, by its 4-byte id."""
    return id4[0] % COUNT


def folder(root: str, bucket: int) -> str:
    """Where the bucket's file is."""
    return f"{root}/keys{bucket % FOLDERS}"


def path(root: str, bucket: int) -> str:
    """The bucket's file."""
    return f"{root}/keys{bucket % FOLDERS}/{bucket:02x}"


def missing(path: str) -> bool:
    """Whether nothing is there; False also for what cannot be looked at."""
    try:
        os.stat(path)
    except OSError as e:
        return bool(e.errno == _ENOENT)
    return False


class Buckets:
    """The keys as the files have them, and the change that outranks the files. report(why) is told what cannot be read;
    `vehicle` is the 4-byte id of the identity that the board has."""

    def __init__(self, root: str, report: Callable[[str], None], vehicle: bytes) -> None:
        self.pending: Pending | None = None  # made, and not carried out yet: it outranks what the files say
        self.failed = False  # a look-up could not read a bucket: who must be sure clears it, and looks again
        self._root = root
        self.vehicle = vehicle
        self._index = BUFFER  # of the bucket that was read last
        self._report = report
        self._raw = bytearray(SIZE)

    def active(self, record: Record) -> bool:
        """Whether its K was agreed with the identity that the vehicle has now, and no owner has barred it."""
        return not record.flags & BARRED and record.vehicle in (b"\0\0\0\0", self.vehicle)

    def find(self, bucket: int, pattern: bytes, phase: int, public: bytes | memoryview | None = None) -> Record | None:
        """The record, stale or not, whose index entry holds the pattern at that offset (0: an id, 4: a slot)."""
        index = self._index
        where = path(self._root, bucket)
        change = self.pending
        if change:
            record = change.find(pattern, phase, public)
            if record:
                return record
        try:
            with open(where, "rb") as f:
                end = self.load(f, where, index)
                at = index.find(pattern, _HEAD, end)
                while at >= 0:
                    if at % 8 == phase:
                        record = self.record(f, where, at - phase)
                        known = record and public in (None, record.public)
                        if known and not (change and change.dropped(record, pattern)):
                            return record
                    at = index.find(pattern, at + 1, end)
        except (OSError, formats.StoreError) as e:
            self.failed = True
            self._report(f"{where}: {e}")
        return None

    def entries(self, bucket: int) -> list[tuple[bytes, int, int]]:
        """(id, slot, flags) of a bucket's keys. An owner whose record is damaged, or stale, does not last.

        Raises OSError, UnknownVersion.
        """
        found = []
        where = path(self._root, bucket)
        change = self.pending
        with open(where, "rb") as f:
            for at in range(_HEAD, self.load(f, where, self._index), 8):
                id4, slot, _, flags = struct.unpack_from(_ENTRY, self._index, at)
                hidden = change and change.may_hide(id4, flags)
                if hidden or flags & LASTING_OWNER:
                    record = self.record(f, where, at)
                    if change and hidden and change.dropped(record, id4):
                        continue
                    if not record or not record.lasting_owner or not self.active(record):
                        flags &= ~LASTING_OWNER
                    elif record.origin == Origin.CARD_TAP:
                        flags |= _BY_CARD
                found.append((id4, slot, flags))
        if change and change.add and of(change.add.id) == bucket:
            lasting = _flags(change.add)
            if lasting & LASTING_OWNER and change.add.origin == Origin.CARD_TAP:
                lasting |= _BY_CARD
            found.append((change.add.id, change.add.slot, lasting))
        return found

    def record(self, f: BufferedReader, where: str, at: int) -> Record | None:
        """The record of the index entry at that offset. None, and a report, when it is damaged."""
        f.seek(_INDEX + (at - _HEAD) // 8 * SIZE)
        try:
            return unpack(memoryview(self._raw)[: f.readinto(self._raw)])
        except formats.StoreError as e:
            self._report(f"{where}: {e}")
            return None

    def load(self, f: BufferedReader, where: str, index: bytearray) -> int:
        """Read a bucket's index; where in it the entries end."""
        size = f.readinto(index)
        if not size:
            return _HEAD
        try:
            formats.check_mark(where, index, VERSION)
            view = memoryview(index)
            if size == _INDEX and formats.digest(view[:8], view[_HEAD:]) == index[8:_HEAD] and index[4] <= ROOM:
                return _HEAD + 8 * index[4]
        except formats.Damaged:
            pass
        self._report(f"{where}: damaged index, made anew from its records")
        at = _HEAD
        for _ in range(min(ROOM, (f.seek(0, 2) - _INDEX) // SIZE)):
            index[at : at + 8] = pack(self.record(f, where, at))
            at += 8
        return at


def _flags(record: Record) -> int:
    granted = GRANTED if record.origin == Origin.GRANT else 0
    return granted | IMPERMANENT * record.impermanent + LASTING_OWNER * record.lasting_owner


def pack(record: Record | None) -> bytes:
    """An entry of a bucket's index; None: a free one."""
    if not record:
        return struct.pack(_ENTRY, b"", NO_SLOT, 0, 0)
    return struct.pack(_ENTRY, record.id, record.slot, record.role, _flags(record))
