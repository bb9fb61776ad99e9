# SPDX-License-Identifier: Apache-2.0
"""64 bucket files: what a key's record lies in.

The first byte of a key's id chooses its bucket. A bucket is a head, an index of fixed size (id, slot, role, flags: 8
bytes an entry) and the records, in the order of the index; an empty bucket is an empty file. A look-up reads one index
into a buffer made once, and one record. A damaged index is made anew from the records; a damaged record is denied.
Both are reported.
"""

import os
import struct

from micropython import const

from latchkey.keys.record import CARD_TAP, NO_SLOT, SIZE, Record, key_id, unpack
from latchkey.scratch import BUFFER
from latchkey.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from io import BufferedReader

COUNT = const(64)
ROOM = const(128)  # keys: a full keychain has 64 in a bucket; 128 is 8 standard deviations above
IMPERMANENT = const(1)  # flags of an index entry
LASTING_OWNER = const(2)

_BY_CARD = const(4)  # of an owner that lasts: told by entries() from its record, and in no index

_VERSION = const(1)
_HEAD = const(16)  # mark, entries, 3 spare, digest of all the rest
_INDEX = const(1040)  # head and index
_ENTRY = "<4sHBB"
_ENOENT = const(2)
FOLDERS = const(8)  # littlefs takes the square of a folder's entries to compact it


def of(id4: bytes) -> int:
    return id4[0] % COUNT


def folder(root: str, bucket: int) -> str:
    return f"{root}/keys{bucket % FOLDERS}"


def path(root: str, bucket: int) -> str:
    return f"{root}/keys{bucket % FOLDERS}/{bucket:02x}"


def create(root: str) -> Generator[None]:
    """Make the bucket files that are not there."""
    try:
        os.stat(path(root, COUNT - 1))  # the last one made
    except OSError:
        for bucket in range(COUNT):
            files.make_folder(folder(root, bucket))
            open(path(root, bucket), "ab").close()
            yield


def wipe(root: str) -> Generator[None]:
    """Empty every bucket: carried out under a journal."""
    yield from create(root)
    for bucket in range(COUNT):
        if os.stat(path(root, bucket))[6]:
            open(path(root, bucket), "wb").close()
            yield


class Buckets:
    def __init__(self, root: str, report: Callable[[str], None]) -> None:
        self.changed = False  # set when a bucket has been rewritten
        self._root = root
        self._index = BUFFER  # of the bucket that was read last
        self._report = report
        self._raw = bytearray(SIZE)
        # For rewrite, whose steps look-ups come between. Made now: a key must be removable when the heap is in pieces.
        self._rewritten = bytearray(_INDEX)

    def find(self, bucket: int, pattern: bytes, phase: int, public: bytes | memoryview | None = None) -> Record | None:
        """The record whose index entry holds the pattern at that offset (0: an id, 4: a slot)."""
        index = self._index
        where = path(self._root, bucket)
        try:
            with open(where, "rb") as f:
                end = self._load(f, where, index)
                at = index.find(pattern, _HEAD, end)
                while at >= 0:
                    if at % 8 == phase:
                        record = self._record(f, where, at - phase)
                        if record and (public is None or record.public == public):
                            return record
                    at = index.find(pattern, at + 1, end)
        except OSError as e:
            self._report(f"{where}: {e}")
        return None

    def entries(self, bucket: int) -> list[tuple[bytes, int, int]]:
        """(id, slot, flags) of a bucket's keys. An owner whose record is damaged does not last."""
        found = []
        where = path(self._root, bucket)
        try:
            with open(where, "rb") as f:
                for at in range(_HEAD, self._load(f, where, self._index), 8):
                    id4, slot, _, flags = struct.unpack_from(_ENTRY, self._index, at)
                    if flags & LASTING_OWNER:
                        record = self._record(f, where, at)
                        if not record or not record.lasting_owner:
                            flags &= ~LASTING_OWNER
                        elif record.origin == CARD_TAP:
                            flags |= _BY_CARD
                    found.append((id4, slot, flags))
        except OSError as e:
            self._report(f"{where}: {e}")
            if e.errno == _ENOENT:
                open(where, "wb").close()  # lost, and its keys with it
        return found

    def _record(self, f: BufferedReader, where: str, at: int) -> Record | None:
        """The record of the index entry at that offset. None, and a report, when it is damaged."""
        f.seek(_INDEX + (at - _HEAD) // 8 * SIZE)
        try:
            return unpack(memoryview(self._raw)[: f.readinto(self._raw)])
        except files.StoreError as e:
            self._report(f"{where}: {e}")
            return None

    def _load(self, f: BufferedReader, where: str, index: bytearray) -> int:
        """Read a bucket's index; where in it the entries end."""
        size = f.readinto(index)
        if not size:
            return _HEAD
        try:
            files.check_mark(where, index, _VERSION)
            view = memoryview(index)
            if size == _INDEX and files.digest(view[:8], view[_HEAD:]) == index[8:_HEAD] and index[4] <= ROOM:
                return _HEAD + 8 * index[4]
        except files.Damaged:
            pass
        self._report(f"{where}: damaged index, made anew from its records")
        at = _HEAD
        for _ in range(min(ROOM, (f.seek(0, 2) - _INDEX) // SIZE)):
            index[at : at + 8] = _entry(self._record(f, where, at))
            at += 8
        return at

    def rewrite(self, bucket: int, add: Record | None, gone: list[bytes], drop: int) -> Generator[None]:
        ids = [key_id(public) for public in gone]
        index = self._rewritten  # becomes the new one in place: entries only move forward
        view = memoryview(index)
        end_of_new = _HEAD
        keep: list[int] = []
        where = path(self._root, bucket)
        yield
        with open(where, "rb") as f:
            end = self._load(f, where, index)
            for at in range(_HEAD, end, 8):
                id4, slot, _, flags = struct.unpack_from(_ENTRY, index, at)
                if slot == NO_SLOT or (drop and flags & IMPERMANENT):
                    continue
                if id4 in ids:
                    record = self._record(f, where, at)
                    if not record or record.public in gone:
                        continue
                view[end_of_new : end_of_new + 8] = view[at : at + 8]
                end_of_new += 8
                keep.append(at)
            if add:
                view[end_of_new : end_of_new + 8] = _entry(add)
                end_of_new += 8
            elif end_of_new == end:
                return
            count = (end_of_new - _HEAD) // 8
            for at in range(end_of_new, _INDEX):
                index[at] = 0
            view[:_HEAD] = files.mark(_VERSION) + bytes((count,)) + bytes(11)
            view[8:_HEAD] = files.digest(view[:8], view[_HEAD:])
            yield from files.prepare(folder(self._root, bucket), _chunks(f, index, keep, add) if count else ())
            self.changed = True
            files.put(folder(self._root, bucket), where)


def _entry(record: Record | None) -> bytes:
    if not record:
        return struct.pack(_ENTRY, b"", NO_SLOT, 0, 0)
    flags = IMPERMANENT * record.impermanent + LASTING_OWNER * record.lasting_owner
    return struct.pack(_ENTRY, record.id, record.slot, record.role, flags)


def _chunks(f: BufferedReader, index: bytearray, keep: list[int], add: Record | None) -> Iterator[bytearray]:
    raw = bytearray(SIZE)
    yield index
    for at in keep:
        f.seek(_INDEX + (at - _HEAD) // 8 * SIZE)
        f.readinto(raw)
        yield raw
    if add:
        yield add.pack()
