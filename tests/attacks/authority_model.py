# SPDX-License-Identifier: Apache-2.0
"""What the rules in docs/protocol.md ("The authority") make of a car, in a few lines and without a car."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from host_tools.phone import latchkey_pb2 as ours
from tests.host import rosters

OWNER, DRIVER, FLEET, MONITOR, CHARGING, GUEST = 2, 3, 4, 5, 6, 8
RANKS = {OWNER: 5, DRIVER: 4, GUEST: 3, CHARGING: 2, FLEET: 1, MONITOR: 1}
DAY = 86400
LAST = 2**32 - 1
LIE = 10 * 366 * DAY
Order = tuple[int, int]


@dataclass(frozen=True)
class Content:
    """What a roster says: its keys by number and role, so many others, and when it was made."""

    order: Order
    keys: frozenset[tuple[int, int]]
    others: int = 0
    late: int = 0

    @property
    def issued(self) -> int:
        """A day after the one before it, or so much later."""
        return rosters.ISSUED + (self.order[0] * 100 + self.order[1]) * DAY + self.late

    @property
    def expires(self) -> int:
        """A month later."""
        return min(self.issued + rosters.LIFE, LAST)

    @property
    def count(self) -> int:
        """How many keys it has in all."""
        return len(self.keys) + self.others

    def role(self, which: int) -> int:
        """0: it does not list that key."""
        return dict(self.keys).get(which, 0)


@dataclass(frozen=True)
class File:
    """A roster for a car with that seal, by its number, as couriers carry it."""

    seal: int
    content: Content
    parcels: tuple[ours.Parcel, ...]


NOTHING = Content((0, 0), frozenset())


@dataclass
class Model:
    """A car. `clock` is what its own says, which begins anew with each start."""

    clock: Callable[[], int]
    seal: int | None = None
    most: int = DRIVER
    generation: int = 0
    now: Content = NOTHING
    coming: File | None = None
    part: int = 0  # that is wanted of it
    base: int = 0
    since: int = 0
    wishes: int = 0
    nvs: tuple[int | None, Order] = (None, (0, 0))
    known: set[int] = field(default_factory=set)  # those whose phones have been here
    given: dict[int, int] = field(default_factory=dict)  # roles that the owner gave
    barred: set[int] = field(default_factory=set)  # by the owner

    @property
    def time(self) -> int:
        """Seconds since 1970, at least."""
        return min(self.base + self.clock() - self.since, LAST)

    @property
    def floor(self) -> Order:
        """No roster before it is taken."""
        return max(self.nvs[1] if self.nvs[0] == self.seal else (0, 0), self.now.order)

    @property
    def expired(self) -> bool:
        return self.time >= self.now.expires

    def install(self, seal: int, most: int) -> None:
        """The owner does, and taps the card."""
        self.remove()
        self.seal, self.most = seal, most

    def remove(self) -> None:
        """The owner does."""
        self.seal = None
        self.generation = self.wishes = 0
        self.now, self.coming = NOTHING, None
        self.put(0)

    def restart(self) -> None:
        """What was half delivered is gone, and so are the seconds since something was kept last."""
        self.coming = None
        self.since = 0

    def put(self, time: int) -> None:
        """The record is written, with that time."""
        self.base, self.since = time, self.clock()
        if self.seal is not None and self.now.order > (self.nvs[1] if self.nvs[0] == self.seal else (0, 0)):
            self.nvs = self.seal, self.now.order

    def bring(self, file: File, parcel: ours.Parcel) -> str:
        """The Decline that a courier hears for it, or "taken"."""
        order = parcel.generation, parcel.version
        if self.seal is None:
            return "NO_AUTHORITY"
        if file.seal != self.seal:
            return "ADDRESS"
        if not parcel.version:
            return self.delegation(parcel.generation)
        if order < self.floor:
            return "OLD"
        return self.roster_part(parcel) if parcel.part else self.head(file)

    def delegation(self, generation: int) -> str:
        if generation <= self.generation:
            return "taken" if generation == self.generation else "OLD"
        if generation > 2 and self.generation < 2:
            return "SIGNATURE"  # by a root that the car does not know yet
        self.generation, self.coming = generation, None
        self.put(self.time)
        return "taken"

    def head(self, file: File) -> str:
        order = file.content.order
        for known in (self.now, self.coming.content if self.coming else None):
            if known and known.order == order:
                return "taken" if known == file.content else "CONTENT"
        if self.coming and order < self.coming.content.order:
            return "OLD"
        if order[0] != self.generation:
            return "GENERATION"
        self.coming, self.part = file, 1
        if not file.content.count:
            self.finish()
        return "taken"

    def roster_part(self, parcel: ours.Parcel) -> str:
        """The next one, whoever brings it; in another roster of that version it may be the same."""
        order = parcel.generation, parcel.version
        if not self.coming or (self.coming.content.order, self.part) != (order, parcel.part):
            return "PART"
        parts = [it for it in self.coming.parcels if it.part]
        if parts[self.part - 1].sealed != parcel.sealed:
            return "PART"
        self.part += 1
        if self.part > len(parts):
            self.finish()
        return "taken"

    def finish(self) -> None:
        """What has come is in force."""
        assert self.coming
        content = self.coming.content
        self.wishes = 0
        for which, role in self.given.items():
            asked = content.role(which)
            self.wishes += RANKS[asked] < RANKS[role] if asked else bool(self.now.role(which))
        known = self.time
        if content.order[0] > self.now.order[0] and known - content.issued > LIE:
            known = 0
        self.now, self.coming = content, None
        self.put(max(known, content.issued))

    def give(self, which: int, role: int) -> None:
        """The owner gives a key, or changes what it may."""
        self.given[which] = role
        self.barred.discard(which)

    def take_away(self, which: int) -> bool:
        """The owner removes a key: whether there is one. One that is listed stays out, until nobody lists it and it is
        removed again."""
        here = which in self.given or which in self.known | self.barred or bool(self.now.role(which))
        self.given.pop(which, None)
        for kept in (self.known, self.barred):
            kept.discard(which)
        if self.now.role(which):
            self.barred.add(which)
        return here

    def listed(self, which: int) -> int:
        """The role that the roster gives it, as far as the owner allowed; 0: none."""
        role = 0 if which in self.barred else self.now.role(which)
        return self.most if role and RANKS[role] > RANKS[self.most] else role

    def hello(self, which: int) -> int:
        """A phone comes. The role that its key has, 0: it is nobody's."""
        role = self.given.get(which, 0)
        if not role and (which in self.known or not self.expired):
            role = self.listed(which)
            if role:
                self.known.add(which)
        return role

    def unlocks(self, which: int) -> bool:
        """Whether a phone that comes may."""
        role = self.hello(which)
        return role in (OWNER, DRIVER) or (role == GUEST and (which in self.given or not self.expired))
