# SPDX-License-Identifier: Apache-2.0
"""4,096 keys in flash, found at the cost of four.

RAM holds no keys: one byte a slot says which bucket it is in. How keys change is in `changes`.
"""

import struct

from micropython import const

from latchkey.clock import Clock
from latchkey.keys import buckets
from latchkey.keys.record import key_id
from latchkey.store import formats
from latchkey.wire.schema import Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from latchkey.keys.record import Record

_LISTED = const(32)  # slots that a whitelist answer tells of: their ids are kept in RAM
_FREE = const(b"\xff")
_BY_CARD = const(4)  # keys/buckets.py


def _report(why: str) -> None:
    print("keychain:", why)


class Keychain:
    """`vehicle` is the id of the vehicle's own key, or zeros. A key whose K was agreed with another one is stale: there
    is nothing to sign with, so it is like one that is not enrolled, until it is paired anew into its slot."""

    CAPACITY = 4096

    def __init__(self, root: str, report: Callable[[str], None] = _report, vehicle: bytes = b"\0\0\0\0") -> None:
        self.root = root
        self.report = report
        self.buckets = buckets.Buckets(root, report, vehicle)
        self.clock = Clock()  # the car's, in a car: what a key with limits is looked at by
        self.roster: Any = None  # what an authority's roster says (roster/lookup.py), where there is one
        self.slots = bytearray(self.CAPACITY)  # the bucket of each slot
        # Owners that last, by bucket; after them, how many of those were enrolled with a card tap.
        self._lasting = bytearray(2 * buckets.COUNT)
        self._ids = bytearray(4 * _LISTED)

    def open(self) -> None:
        """Read the indexes, once what is missing is made and what was interrupted finished. What fails is reported."""
        root = self.root
        for slot in range(self.CAPACITY):
            self.slots[slot] = 0xFF
        last = buckets.path(root, buckets.COUNT - 1)  # the last one made
        missing = buckets.missing
        if missing(last) or missing(root + "/reserve") or not missing(root + "/journal/redo"):
            from latchkey.keys import changes  # rare

            changes.prepare(self)
        failed = False
        for bucket in range(buckets.COUNT):
            try:
                self.take(bucket)
            except (OSError, formats.StoreError) as e:
                failed = True
                self.report(f"{buckets.path(root, bucket)}: {e}")
        if failed:
            from latchkey.keys import changes

            changes.create(root, self.report)

    # Looking up: nothing here waits, and nothing is allocated that grows with the count.

    @property
    def count(self) -> int:
        """How many keys there are, stale ones too."""
        return self.CAPACITY - self.slots.count(_FREE)

    def find(self, public: bytes | memoryview, old: bool = False) -> Record | None:
        """The key's record; with `old`, also one that cannot be used any more."""
        id4 = key_id(public)
        return self._usable(self.buckets.find(buckets.of(id4), id4, 0, public), old)

    def find_id(self, id4: bytes) -> Record | None:
        """The first key with this id, stale or not: enough to name a key, not to trust it."""
        return self.buckets.find(buckets.of(id4), id4, 0) if len(id4) == 4 else None

    def find_slot(self, slot: int, old: bool = False) -> Record | None:
        """The key in this slot; with `old`, also one that cannot be used any more. None for a free slot, or no slot."""
        if not 0 <= slot < self.CAPACITY or self.slots[slot] == 0xFF:
            return None
        return self._usable(self.buckets.find(self.slots[slot], struct.pack("<H", slot), 4), old)

    def _usable(self, record: Record | None, old: bool) -> Record | None:
        """A key that came from a roster is what that says of it now, and nobody's without one."""
        if record and record.origin == Origin.ROSTER and not (self.roster and self.roster.permitted(record)):
            return record if old else None
        return record if record and (old or self.buckets.active(record)) else None

    def slot_mask(self) -> int:
        """A bit for each of the first 32 slots that is taken."""
        return sum(1 << slot for slot in range(_LISTED) if self.slots[slot] != 0xFF)

    def ids(self, limit: int = 32) -> Iterator[bytes]:
        """The ids of the slots in slot_mask()."""
        for slot in range(_LISTED):
            if limit > 0 and self.slots[slot] != 0xFF:
                limit -= 1
                yield bytes(self._ids[4 * slot : 4 * slot + 4])

    def lasting_owners(self, by_card: bool = False) -> int:
        """How many owners there are that last; only those that were enrolled with a card tap, if asked so."""
        return sum(self._lasting[buckets.COUNT :] if by_card else self._lasting[: buckets.COUNT])

    # Changing

    async def settle(self) -> None:
        """Carry out a change that was interrupted. Raises OSError while that fails."""
        from latchkey.keys import changes

        await changes.settle(self)

    async def apply(
        self, add: Record | None, remove: Iterable[bytes] = (), drop_impermanent: bool = False, spent: bytes = b""
    ) -> None:
        """Add (or replace) one key, remove others and spend grants, all or nothing. An added key has its slot
        afterwards.

        When this returns the change is made, also after a restart. Raises changes.KeychainFull or OSError (no room, a
        flash that fails, a store of another firmware's): nothing has changed; or journal.Unclear: only a restart tells.
        """
        from latchkey.keys import changes

        await changes.apply(self, add, remove, drop_impermanent, spent)

    def take(self, bucket: int) -> None:
        """Take a bucket's slots and owners into RAM, in place of what was there. Raises OSError: RAM is as it was."""
        try:
            entries = self.buckets.entries(bucket)
        except OSError:
            entries = self.buckets.entries(bucket)  # it may have been a passing error
        mark = bytes((bucket,))
        at = self.slots.find(mark)
        while at >= 0:
            self.slots[at] = 0xFF
            at = self.slots.find(mark, at)
        lasting = by_card = 0
        for id4, slot, flags in entries:
            if slot < self.CAPACITY:
                self.slots[slot] = bucket
                if slot < _LISTED:
                    self._ids[4 * slot : 4 * slot + 4] = id4
            lasting += bool(flags & buckets.LASTING_OWNER)
            by_card += bool(flags & _BY_CARD)
        self._lasting[bucket] = lasting
        self._lasting[bucket + buckets.COUNT] = by_card
