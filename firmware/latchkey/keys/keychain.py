# SPDX-License-Identifier: Apache-2.0
"""4,096 keys in flash, found at the cost of four.

RAM holds no keys: one byte a slot says which bucket it is in. A change is one journalled act, carried out bucket by
bucket, that gives way to look-ups between flash blocks.
"""

import asyncio
import struct

from micropython import const

from latchkey.keys import buckets
from latchkey.keys.record import SIZE, key_id, unpack
from latchkey.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from latchkey.keys.record import Record

_LISTED = const(32)  # slots that a whitelist answer tells of: their ids are kept in RAM

_PUBLIC = const(65)
_FREE = b"\xff"
_BY_CARD = const(4)  # keys/buckets.py


class KeychainFull(Exception):
    pass


class Keychain:
    CAPACITY = 4096

    def __init__(self, root: str, report: Callable[[str], None] = print) -> None:
        self._root = root
        self._report = report
        self._buckets = buckets.Buckets(root, report)
        self._slots = bytearray(self.CAPACITY)  # the bucket of each slot
        # Owners that last, by bucket; after them, how many of those were enrolled with a card tap.
        self._lasting = bytearray(2 * buckets.COUNT)
        self._ids = bytearray(4 * _LISTED)

    def open(self) -> None:
        """Finish what a power cut interrupted, then read the indexes. UnknownVersion means: keep off this store."""
        files.run(buckets.create(self._root))
        files.run(self._recover())
        self._slots[:] = _FREE * self.CAPACITY
        for bucket in range(buckets.COUNT):
            if bucket < buckets.FOLDERS:
                files.sweep(buckets.folder(self._root, bucket))
            self._learn(bucket)

    # Looking up: nothing here waits, and nothing is allocated that grows with the count.

    @property
    def count(self) -> int:
        return self.CAPACITY - self._slots.count(_FREE)

    def find(self, public: bytes | memoryview) -> Record | None:
        id4 = key_id(public)
        return self._buckets.find(buckets.of(id4), id4, 0, public)

    def find_id(self, id4: bytes) -> Record | None:
        """The first key with this id: enough to name a key, not to trust it."""
        return self._buckets.find(buckets.of(id4), id4, 0) if len(id4) == 4 else None

    def find_slot(self, slot: int) -> Record | None:
        if not 0 <= slot < self.CAPACITY or self._slots[slot] == 0xFF:
            return None
        return self._buckets.find(self._slots[slot], struct.pack("<H", slot), 4)

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

    def lasting_owners(self, by_card: bool = False) -> int:
        """How many owners there are that last; only those that were enrolled with a card tap, if asked so."""
        return sum(self._lasting[buckets.COUNT :] if by_card else self._lasting[: buckets.COUNT])

    # Changing: one journalled act, carried out bucket by bucket.

    async def settle(self) -> None:
        """Finish a change that an error interrupted: what is planned next is planned for the keychain as it then is."""
        async with journal.lock:
            await files.pace(self._recover())

    async def apply(self, add: Record | None, remove: Iterable[bytes] = (), drop_impermanent: bool = False) -> None:
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
            self._buckets.changed = False
            try:
                await files.pace(self._redo(body))
            except OSError:
                if self._buckets.changed:
                    raise  # half done: the next change or boot does the rest
                journal.clear(self._root)
                raise
            journal.clear(self._root)

    async def _free_slot(self, add: Record, gone: list[bytes], drop_impermanent: bool) -> int:
        """The lowest slot that is free, or that this change sets free."""
        slots = [self._slots.find(_FREE)]
        for public in gone:
            record = self.find(public)
            if record:
                slots.append(record.slot)
        home = buckets.of(add.id)
        for bucket in range(buckets.COUNT):
            if bucket == home or drop_impermanent:
                entries = self._buckets.entries(bucket)
                if bucket == home and len(entries) == buckets.ROOM:
                    raise KeychainFull("no room in this key's bucket")
                slots += [slot for _, slot, flags in entries if drop_impermanent and flags & buckets.IMPERMANENT]
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
        for bucket in range(buckets.COUNT):
            here = [public for public in gone if buckets.of(key_id(public)) == bucket]
            if drop or here:
                yield from self._buckets.rewrite(bucket, add if add and add.public in here else None, here, drop)
                self._learn(bucket)

    def _learn(self, bucket: int) -> None:
        """Take a bucket's slots and owners into RAM, in place of what it held before."""
        mark = bytes((bucket,))
        at = self._slots.find(mark)
        while at >= 0:
            self._slots[at] = 0xFF
            at = self._slots.find(mark, at)
        lasting = by_card = 0
        for id4, slot, flags in self._buckets.entries(bucket):
            if slot < self.CAPACITY:
                self._slots[slot] = bucket
                if slot < _LISTED:
                    self._ids[4 * slot : 4 * slot + 4] = id4
            lasting += bool(flags & buckets.LASTING_OWNER)
            by_card += bool(flags & _BY_CARD)
        self._lasting[bucket] = lasting
        self._lasting[bucket + buckets.COUNT] = by_card
