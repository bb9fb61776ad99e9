# SPDX-License-Identifier: Apache-2.0
"""Whatever an authority, an owner, couriers and the power do to one car, and in any order: it is as a model says.

After every step the owner starts, everybody else's key is as it was, the roster is no older than before, and two of its
keys are tried: one works if it is listed and neither barred nor too late, or if the owner gave it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from host_tools.authority.parcels import Entry, Seal
from host_tools.faults import NoAnswer, Refused
from host_tools.phone import keyfile, messages, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.authority import PAUSE, bring, deliver, install, remove, status
from tests.bench.cuts import settle
from tests.bench.support import VIN, Property, rest
from tests.host import rosters
from tests.host.rosters import DRIVER, private, public

EXAMPLES, STEPS = 8, 14
DAY = 86400
POOL = 6  # keys that a roster may list
KEYS = st.frozensets(st.integers(1, POOL))
WHICH = st.integers(1, POOL)
Content = tuple[tuple[int, int], frozenset[int]]  # a roster's order, and whom it lists


class Car(RuleBasedStateMachine):
    """One car, which goes on from example to example: each has an authority and keys that it never had before."""

    car: ClassVar[Bench]
    owner: ClassVar[Phone]
    board: ClassVar[SimulatedBoard]
    numbers: ClassVar[Iterator[int]] = itertools.count(1000, POOL)
    steps: ClassVar[int] = 0
    tried: ClassVar[int] = 0

    @initialize(keys=KEYS)
    def begin(self, keys: frozenset[int]) -> None:
        rest(self.car, self.owner)
        self.first = next(self.numbers)
        self.seal = Seal(os.urandom(16))
        assert install(self.car, self.owner, seal=self.seal.secret) == 0
        self.generation = 0  # of the delegation
        self.now: Content = ((0, 0), frozenset())  # in force
        self.coming: Content | None = None
        self.known: set[int] = set()  # those whose phones have been here
        self.given: set[int] = set()  # by the owner
        self.barred: set[int] = set()  # by the owner
        self.publish(1, 10, keys)
        assert self.now == ((1, 10), keys)

    def teardown(self) -> None:
        remove(self.owner)

    @rule(newer=st.sampled_from((-1, 0, 0, 0, 1)), version=st.integers(9, 14), keys=KEYS)
    def publish(self, newer: int, version: int, keys: frozenset[int]) -> None:
        """Somebody brings a whole file: newer, older, the same, or another of the same version."""
        generation = newer if not self.generation else max(1, self.generation + newer)
        self.expect(((generation, version), keys))
        with self.courier() as courier:
            told = deliver(courier, self.file(((generation, version), keys)))
        assert (told.generation, told.version) == self.now[0]
        self.check(keys)

    @rule(version=st.integers(11, 14), keys=KEYS)
    def begin_to_publish(self, version: int, keys: frozenset[int]) -> None:
        """A courier leaves when its head is there; only one that lists nobody is in force with that."""
        content = ((self.generation, version), keys)
        if keys:
            if self.takes(content):
                self.coming = content
        else:
            self.expect(content)
        with self.courier() as courier:
            told = bring(courier, parcelfile.head(parcelfile.split(self.file(content))))
        assert (told.generation, told.version) == self.now[0]
        assert bool(told.wanted) == bool(self.coming)
        self.check(keys)

    @rule()
    def rotate(self) -> None:
        """Another root and signer, and no roster of theirs yet."""
        self.generation += 1
        self.coming = None
        with self.courier() as courier:
            for generation, signed in rosters.delegations(self.generation):
                told = bring(courier, ours.Parcel.FromString(self.seal.close(generation, 0, 0, signed)))
        assert told.why == "taken" and (told.generation, told.version) == self.now[0]
        self.check(frozenset())

    @rule(which=WHICH)
    def tap(self, which: int) -> None:
        """A phone comes and unlocks."""
        self.check(frozenset((which,)))

    @rule(which=WHICH)
    def owner_adds(self, which: int) -> None:
        if which not in self.given:
            self.owner.change_keys(messages.add_key(self.public(which), "driver", "by owner"))
            self.given.add(which)
            self.barred.discard(which)
        self.check(frozenset((which,)))

    @precondition(lambda self: bool(self.now[1] - self.barred | self.given))
    @rule(data=st.data())
    def owner_removes(self, data: st.DataObject) -> None:
        which = data.draw(st.sampled_from(sorted(self.now[1] - self.barred | self.given)))
        self.owner.change_keys(messages.remove_key(self.public(which)))
        self.given.discard(which)
        self.known.discard(which)
        if which in self.now[1]:
            self.barred.add(which)
        self.check(frozenset((which,)))

    @rule(days=st.sampled_from((1, 10)))
    def time_passes(self, days: int) -> None:
        self.car.clock(days * DAY)
        self.check(self.now[1])

    @rule()
    def power_cut(self) -> None:
        boot = self.car.boot
        self.board.power_cycle()
        self.up(boot)
        self.check(self.now[1])

    @rule(at=st.integers(1, 20), keys=KEYS)
    def power_cut_while_publishing(self, at: int, keys: frozenset[int]) -> None:
        """At some flash operation: the old one is in force, or the new."""
        content = ((self.generation, max(self.now[0][1], 14) + 1), keys)
        settle(self.car)
        boot = self.car.boot
        self.car.request("power_cut", after=at)
        with contextlib.suppress(NoAnswer), self.courier() as courier:
            deliver(courier, self.file(content))
        try:
            settle(self.car)
            self.car.request("power_cut", after=0)
            survived = self.car.boot == boot
        except NoAnswer:
            survived = False
        if not survived:
            self.up(boot)
        if survived or status(self.owner).version == content[0][1]:
            self.expect(content)
        self.check(keys)

    def up(self, boot: str) -> None:
        """The car has lost its power, and what was half delivered with it."""
        self.car.wait_boot(boot)
        type(self).owner.connection = self.car.connect()
        self.coming = None

    def takes(self, content: Content) -> bool:
        """Whether a head of the delegated signer's is taken."""
        order = content[0]
        if order[0] != self.generation or order <= self.now[0]:
            return False
        return self.coming is None or order > self.coming[0] or content == self.coming

    def expect(self, content: Content) -> None:
        """What a whole file comes to."""
        if content[0][0] > self.generation:
            self.generation = content[0][0]
            self.coming = None
        if self.takes(content):
            self.now, self.coming = content, None

    def check(self, about: frozenset[int]) -> None:
        """The car is as this says. One key of those, and one of all, are tried."""
        type(self).steps += 1
        self.owner.start()
        told = status(self.owner)
        assert (told.generation, told.version, told.keys) == (self.generation, self.now[0][1], len(self.now[1]))
        told_keys = self.car.keys()
        enrolled = {key["key"]: key["role"] for key in told_keys}
        assert {keyfile.key_id(self.public(which)) for which in self.given} <= set(enrolled)
        assert enrolled[self.owner.key.id] == 2
        for which in {*sorted(about)[:1], 1 + self.steps % POOL}:
            listed = which in self.now[1] and which not in self.barred
            welcome = which in self.known or told.time < told.expires
            works = which in self.given or (listed and welcome)
            assert self.drives(which) == works, f"key {which}"
            type(self).tried += 1
            if works and which not in self.given:
                self.known.add(which)

    def drives(self, which: int) -> bool:
        self.car.clock(PAUSE)
        with contextlib.closing(self.car.connect()) as connection:
            try:
                Phone(connection, VIN, keyfile.Key(private(self.first + which))).unlock()
            except Refused:
                return False
            return True

    @contextlib.contextmanager
    def courier(self) -> Iterator[Phone]:
        with contextlib.closing(self.car.connect()) as connection:
            yield Phone(connection, VIN, keyfile.generate())

    def public(self, which: int) -> bytes:
        return public(self.first + which)

    def file(self, content: Content) -> bytes:
        (generation, version), keys = content
        listed = [Entry(self.public(which), DRIVER) for which in sorted(keys)]
        issued = rosters.ISSUED + (generation * 100 + version) * DAY
        return rosters.roster_file(listed, version, generation, self.seal, issued=issued, expires=issued + rosters.LIFE)


def test_a_car_is_as_its_model_says(
    car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property
) -> None:
    Car.car, Car.owner, Car.board = car, owner, simulated
    how: dict[str, Any] = {
        "max_examples": EXAMPLES,
        "stateful_step_count": STEPS,
        "deadline": None,
        "derandomize": True,
        "database": None,
        "phases": [Phase.generate],  # a car takes too long to look for a shorter story
        "suppress_health_check": list(HealthCheck),
    }
    run_state_machine_as_test(Car, settings=settings(**how))
    record_property(
        "note", f"{EXAMPLES} stories of a car: {Car.steps} steps, {Car.tried} keys tried; as the model says"
    )
