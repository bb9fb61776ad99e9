# SPDX-License-Identifier: Apache-2.0
"""4,096 keys in flash, found at the cost of four.

64 bucket files, chosen by the first byte of a key's id. A bucket is a head, an index of fixed size (id, slot, role,
flags: 8 bytes an entry) and the records, in the order of the index; an empty bucket is an empty file. A look-up reads
one index into a buffer made once, and one record. RAM holds no keys: one byte a slot says which bucket it is in.
A damaged index is made anew from the records; a damaged record is denied. Both are reported.
"""

import asyncio
import os
import struct

from micropython import const

from latchkey.keys.record import NO_SLOT, SIZE, Record, key_id, unpack
from latchkey.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from io import BufferedReader

_VERSION = const(1)
_BUCKETS = const(64)
_FOLDERS = const(8)  # littlefs takes the square of a folder's entries to compact it
_ENTRIES = const(128)  # a bucket; its mean is 64 when the keychain is full, 128 is 8 standard deviations above
_HEAD = const(16)  # mark, entries, 3 spare, digest of all the rest
_INDEX = const(1040)  # head and index
_ENTRY = "<4sHBB"
_LISTED = const(32)  # slots that a whitelist answer tells of: their ids are kept in RAM

_PUBLIC = const(65)
_FREE = b"\xff"
_IMPERMANENT, _LASTING_OWNER = const(1), const(2)  # flags of an index entry


class KeychainFull(Exception):
    pass


def _folder(root: str, bucket: int) -> str:
    return f"{root}/keys{bucket % _FOLDERS}"


def _path(root: str, bucket: int) -> str:
    return f"{root}/keys{bucket % _FOLDERS}/{bucket:02x}"


def create(root: str) -> Generator[None]:
    """Make the bucket files that are not there."""
    try:
        os.stat(_path(root, _BUCKETS - 1))  # the last one made
    except OSError:
        for bucket in range(_BUCKETS):
            files.make_folder(_folder(root, bucket))
            open(_path(root, bucket), "ab").close()
            yield


def wipe(root: str) -> Generator[None]:
    """Empty every bucket: carried out under a journal."""
    yield from create(root)
    for bucket in range(_BUCKETS):
        if os.stat(_path(root, bucket))[6]:
            open(_path(root, bucket), "wb").close()
            yield


class Keychain:
    CAPACITY = 4096

    def __init__(self, root: str, report: Callable[[str], None] = print) -> None:
        self._root = root
        self._report = report
        self._index = bytearray(_INDEX)
        self._raw = bytearray(SIZE)
        self._slots = bytearray(self.CAPACITY)  # the bucket of each slot
        self._lasting = bytearray(_BUCKETS)  # owners that last, by bucket
        self._ids = bytearray(4 * _LISTED)
        self._begun = False  # the change that is being made has changed a bucket

    def open(self) -> None:
        """Finish what a power cut interrupted, then read the indexes. UnknownVersion means: keep off this store."""
        files.run(create(self._root))
        files.run(self._recover())
        for folder in range(_FOLDERS):
            files.sweep(_folder(self._root, folder))
        self._slots[:] = _FREE * self.CAPACITY
        for bucket in range(_BUCKETS):
            self._learn(bucket)

    # Looking up: nothing here waits, and nothing is allocated that grows with the count.

    @property
    def count(self) -> int:
        return self.CAPACITY - self._slots.count(_FREE)

    def find(self, public: bytes | memoryview) -> Record | None:
        return self._search(key_id(public)[0] % _BUCKETS, key_id(public), 0, public)

    def find_id(self, id4: bytes) -> Record | None:
        """The first key with this id: enough to name a key, not to trust it."""
        return self._search(id4[0] % _BUCKETS, id4, 0) if len(id4) == 4 else None

    def find_slot(self, slot: int) -> Record | None:
        if not 0 <= slot < self.CAPACITY or self._slots[slot] == 0xFF:
            return None
        return self._search(self._slots[slot], struct.pack("<H", slot), 4)

    def entries(self, start_slot: int = 0, limit: int = 4096) -> Iterator[Record]:
        """Usable keys in the order of their slots, one look-up each."""
        for slot in range(start_slot, self.CAPACITY):
            if limit <= 0:
                return
            record = self.find_slot(slot)
            if record:
                limit -= 1
                yield record

    def slot_mask(self) -> int:
        return sum(1 << slot for slot in range(_LISTED) if self._slots[slot] != 0xFF)

    def ids(self, limit: int = 32) -> Iterator[bytes]:
        """The ids of the slots in slot_mask()."""
        for slot in range(_LISTED):
            if limit > 0 and self._slots[slot] != 0xFF:
                limit -= 1
                yield bytes(self._ids[4 * slot : 4 * slot + 4])

    def lasting_owners(self) -> int:
        return sum(self._lasting)

    def _search(
        self, bucket: int, pattern: bytes, phase: int, public: bytes | memoryview | None = None
    ) -> Record | None:
        """The record whose index entry holds the pattern at that offset."""
        try:
            with open(_path(self._root, bucket), "rb") as f:
                end = _HEAD + 8 * self._load(f, bucket, self._index)
                at = self._index.find(pattern, _HEAD, end)
                while at >= 0:
                    if at % 8 == phase:
                        record = self._record(f, bucket, (at - _HEAD) // 8)
                        if record and (public is None or record.public == public):
                            return record
                    at = self._index.find(pattern, at + 1, end)
        except OSError as e:
            self._report(f"{_path(self._root, bucket)}: {e}")
        return None

    def _record(self, f: BufferedReader, bucket: int, i: int) -> Record | None:
        """None, and a report, when it is damaged. Leaves its bytes in self._raw."""
        f.seek(_INDEX + i * SIZE)
        try:
            if f.readinto(self._raw) != SIZE:
                raise files.Damaged("a key's record is cut short")
            return unpack(self._raw)
        except files.StoreError as e:
            self._report(f"{_path(self._root, bucket)} entry {i}: {e}")
            return None

    def _load(self, f: BufferedReader, bucket: int, index: bytearray) -> int:
        """Read a bucket's index; how many entries it has."""
        size = f.readinto(index)
        if not size:
            return 0
        path = _path(self._root, bucket)
        try:
            files.check_mark(path, index, _VERSION)
            view = memoryview(index)
            if size == _INDEX and files.digest(view[:8], view[_HEAD:]) == index[8:_HEAD] and index[4] <= _ENTRIES:
                return index[4]
        except files.Damaged:
            pass
        self._report(path + ": damaged index, made anew from its records")
        entries = min(_ENTRIES, (f.seek(0, 2) - _INDEX) // SIZE)
        for i in range(entries):
            _enter(index, i, self._record(f, bucket, i))
        return max(0, entries)

    # Changing: one journalled act, carried out bucket by bucket.

    async def apply(
        self, add: Record | None, remove: Iterable[bytes] = (), drop_impermanent: bool = False
    ) -> None:
        """Add (or replace) one key and remove others, all or nothing. An added key has its slot afterwards."""
        async with journal.lock:
            await files.pace(self._recover())  # a change that an error interrupted
            gone = [bytes(public) for public in remove if len(public) == _PUBLIC]
            body = bytearray((drop_impermanent, add is not None))
            if add:
                old = self.find(add.public)
                add.slot = old.slot if old else await self._free_slot(add, gone, drop_impermanent)
                body += add.pack()
            for public in gone:
                body += public
            await files.pace(journal.commit(self._root, journal.KEYS, body))
            self._begun = False
            try:
                await files.pace(self._redo(body))
            except OSError:
                if self._begun:
                    raise  # half done: the next change or boot does the rest
                journal.clear(self._root)
                raise
            journal.clear(self._root)

    async def _free_slot(self, add: Record, gone: list[bytes], drop_impermanent: bool) -> int:
        """The lowest slot that is free, or that this change sets free."""
        slots = [self._slots.find(_FREE)]
        for record in [self.find(public) for public in gone]:
            if record:
                slots.append(record.slot)
        index = bytearray(_INDEX)
        home = add.id[0] % _BUCKETS
        for bucket in range(_BUCKETS) if drop_impermanent else (home,):
            with open(_path(self._root, bucket), "rb") as f:
                entries = self._load(f, bucket, index)
            if bucket == home and entries >= _ENTRIES:
                raise KeychainFull("no room in this key's bucket")
            for at in range(_HEAD, _HEAD + 8 * entries, 8):
                if index[at + 7] & _IMPERMANENT and drop_impermanent:
                    slots.append(struct.unpack_from("<H", index, at + 4)[0])
            await asyncio.sleep_ms(0)
        slots = [slot for slot in slots if 0 <= slot < self.CAPACITY]
        if not slots:
            raise KeychainFull("no free slot")
        return min(slots)

    def _recover(self) -> Generator[None]:
        change = journal.pending(self._root, self._report)
        if not change:
            return
        kind, body = change
        if kind == journal.PROVISION:
            from latchkey.store import provisioning

            yield from provisioning.redo(self._root, body)
        else:
            yield from self._redo(body)
        journal.clear(self._root)

    def _redo(self, body: bytearray | memoryview) -> Generator[None]:
        drop = body[0]
        add = unpack(memoryview(body)[2 : 2 + SIZE]) if body[1] else None
        gone = [bytes(body[at : at + _PUBLIC]) for at in range(2 + SIZE * body[1], len(body), _PUBLIC)]
        if add:
            gone.append(add.public)
        for bucket in range(_BUCKETS):
            here = [public for public in gone if key_id(public)[0] % _BUCKETS == bucket]
            if drop or here:
                yield from self._rewrite(bucket, add if add and add.id[0] % _BUCKETS == bucket else None, here, drop)

    def _rewrite(self, bucket: int, add: Record | None, gone: list[bytes], drop: int) -> Generator[None]:
        ids = [key_id(public) for public in gone]
        old = bytearray(_INDEX)  # not the shared buffers: there are look-ups between these steps
        new = bytearray(_INDEX)
        keep = []
        yield
        with open(_path(self._root, bucket), "rb") as f:
            entries = self._load(f, bucket, old)
            for i in range(entries):
                id4, slot, _, flags = struct.unpack_from(_ENTRY, old, _HEAD + 8 * i)
                if slot == NO_SLOT or (drop and flags & _IMPERMANENT):
                    continue
                if id4 in ids:
                    record = self._record(f, bucket, i)
                    if not record or record.public in gone:
                        continue
                new[_HEAD + 8 * len(keep) : _HEAD + 8 * len(keep) + 8] = old[_HEAD + 8 * i : _HEAD + 8 * i + 8]
                keep.append(i)
            if add:
                _enter(new, len(keep), add)
            elif len(keep) == entries:
                return
            new[:5] = files.mark(_VERSION) + bytes((len(keep) + bool(add),))
            new[8:_HEAD] = files.digest(memoryview(new)[:8], memoryview(new)[_HEAD:])
            chunks = _chunks(f, new, keep, add) if new[4] else ()
            yield from files.prepare(_folder(self._root, bucket), chunks)
            self._begun = True
            files.put(_folder(self._root, bucket), _path(self._root, bucket))
        self._learn(bucket)

    def _learn(self, bucket: int) -> None:
        """Take a bucket's slots and owners into RAM, in place of what it held before."""
        mark = bytes((bucket,))
        at = self._slots.find(mark)
        while at >= 0:
            self._slots[at] = 0xFF
            at = self._slots.find(mark, at)
        lasting = 0
        try:
            with open(_path(self._root, bucket), "rb") as f:
                for i in range(self._load(f, bucket, self._index)):
                    id4, slot, _, flags = struct.unpack_from(_ENTRY, self._index, _HEAD + 8 * i)
                    if slot < self.CAPACITY:
                        self._slots[slot] = bucket
                        if slot < _LISTED:
                            self._ids[4 * slot : 4 * slot + 4] = id4
                    if flags & _LASTING_OWNER:
                        record = self._record(f, bucket, i)
                        lasting += bool(record and record.lasting_owner)
        except OSError as e:
            self._report(f"{_path(self._root, bucket)}: {e}")
            open(_path(self._root, bucket), "ab").close()  # a file that is lost: its keys are too
        self._lasting[bucket] = lasting


def _enter(index: bytearray, i: int, record: Record | None) -> None:
    at = _HEAD + 8 * i
    if record:
        flags = _IMPERMANENT * record.impermanent + _LASTING_OWNER * record.lasting_owner
        struct.pack_into(_ENTRY, index, at, record.id, record.slot, record.role, flags)
    else:
        struct.pack_into(_ENTRY, index, at, b"", NO_SLOT, 0, 0)


def _chunks(f: BufferedReader, index: bytearray, keep: list[int], add: Record | None) -> Iterator[bytearray]:
    raw = bytearray(SIZE)
    yield index
    for i in keep:
        f.seek(_INDEX + i * SIZE)
        f.readinto(raw)
        yield raw
    if add:
        yield add.pack()
