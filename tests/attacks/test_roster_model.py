# SPDX-License-Identifier: Apache-2.0
"""Whatever an authority, an owner, couriers and the power do to one car, and in any order: it is as a model says.

After every step the owner starts, everybody else's key is as it was, what the car says of its roster is what the model
says, and two of its keys are tried. EXAMPLES and STEPS in the environment are for more and longer stories.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from host_tools.authority.parcels import Entry, Seal
from host_tools.faults import NoAnswer, Refused
from host_tools.phone import keyfile, messages, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.attacks.authority_model import CHARGING, DAY, DRIVER, GUEST, MONITOR, OWNER, Content, File, Model
from tests.bench.authority import PAUSE, bring, install, remove, status
from tests.bench.cuts import settle
from tests.bench.support import VIN, Property, rest
from tests.bench.timing import set_time
from tests.host import rosters
from tests.host.rosters import private, public

EXAMPLES, STEPS = 12, 20
POOL = 6  # keys that a roster may list
SEALS = 2  # authorities in a story
ROLES = st.sampled_from((DRIVER, DRIVER, GUEST, OWNER, CHARGING, MONITOR))
WHICH = st.integers(1, POOL)
KEYS = st.dictionaries(WHICH, ROLES).map(lambda keys: frozenset(keys.items()))
OTHERS = st.sampled_from((0, 0, 5, 20))  # others on it, who never come: with them it has more parts than one
LATE = st.sampled_from((0, 0, 0, 0, -40 * DAY, 20 * 366 * DAY))  # a clock that is wrong, or a thief's
MOST = st.sampled_from((DRIVER, OWNER, GUEST))
SEAL = st.integers(0, SEALS - 1)
# Parcels: whether it is what is wanted, else which of which file. Nothing is drawn by what the car did: the power's
# timing is its own, and a story has to be told twice in the same words.
BAG = st.lists(st.tuples(st.booleans(), st.integers(0, 999), st.integers(0, 999)), min_size=1, max_size=5)


class Car(RuleBasedStateMachine):
    """One car, which goes on from example to example: each has authorities and keys that it never had before."""

    car: ClassVar[Bench]
    owner: ClassVar[Phone]
    board: ClassVar[SimulatedBoard]
    numbers: ClassVar[Iterator[int]] = itertools.count(1000, POOL)
    steps: ClassVar[int] = 0
    tried: ClassVar[int] = 0
    brought: ClassVar[int] = 0

    @initialize(keys=KEYS)
    def begin(self, keys: frozenset[tuple[int, int]]) -> None:
        rest(self.car, self.owner)
        set_time(self.car, self.owner, rosters.ISSUED - 50 * DAY)  # so that no story passes its rosters' ends by it
        self.first = next(self.numbers)
        self.seals = [Seal(os.urandom(16)) for _ in range(SEALS)]
        self.model = Model(lambda: self.car.clock(0))
        self.files: list[File] = []
        self.turn = 0
        self.install(0, DRIVER)
        self.publish(1, 10, keys, 0, 0)

    def teardown(self) -> None:
        remove(self.owner)

    # The owner

    @rule(seal=SEAL, most=MOST)
    def install(self, seal: int, most: int) -> None:
        """One authority, in place of the other or of itself."""
        assert install(self.car, self.owner, seal=self.seals[seal].secret, role=most) == 0
        self.model.install(seal, most)
        self.check()

    @rule()
    def remove(self) -> None:
        """What there is not, the car says so."""
        assert bool(remove(self.owner)) == (self.model.seal is None)
        self.model.remove()
        self.check()

    @rule(which=WHICH)
    def owner_adds(self, which: int) -> None:
        if which not in self.model.given:
            self.owner.change_keys(messages.add_key(self.public(which), "driver", "by owner"))
            self.model.give(which, DRIVER)
        self.check(which)

    @rule(which=WHICH, role=st.sampled_from((DRIVER, GUEST)))
    def owner_changes(self, which: int, role: int) -> None:
        """It is the owner's from then on. One that is not enrolled is not changed."""
        model = self.model
        here = which in model.given or (which in model.known and model.listed(which))
        change = messages.update_key(self.public(which), messages.role_name(role))
        with contextlib.nullcontext() if here else pytest.raises(Refused):
            self.owner.change_keys(change)
        if here:
            model.give(which, role)
        self.check(which)

    @rule(which=WHICH)
    def owner_removes(self, which: int) -> None:
        """Also who is listed and was never here, or was here and is not listed."""
        with contextlib.nullcontext() if self.model.take_away(which) else pytest.raises(Refused):
            self.owner.change_keys(messages.remove_key(self.public(which)))
        self.check(which)

    # Authority and couriers

    @rule(newer=st.sampled_from((-1, 0, 0, 0, 1)), version=st.integers(9, 14), keys=KEYS, others=OTHERS, late=LATE)
    def publish(self, newer: int, version: int, keys: frozenset[tuple[int, int]], others: int, late: int) -> None:
        """Somebody brings a whole file: newer, older, the same, or another of the same version."""
        generation = max(1, self.model.generation + newer) if self.model.generation else max(1, newer)
        file = self.file(self.seal(), Content((generation, version), keys, others, late))
        with self.courier() as courier:
            for parcel in file.parcels:
                if not parcel.part or parcel.part == self.wanted():
                    self.bring(courier, file, parcel)
        self.check(*dict(keys))

    @rule()
    def rotate(self) -> None:
        """Another root and signer, and no roster of theirs yet."""
        generation = self.model.generation + 1
        file = self.file(self.seal(), Content((generation, 1), frozenset()))
        with self.courier() as courier:
            for parcel in file.parcels:
                if not parcel.version:
                    self.bring(courier, file, parcel)
        self.check()

    @rule(bags=st.lists(BAG, min_size=1, max_size=3))
    def couriers(self, bags: list[list[tuple[bool, int, int]]]) -> None:
        """Several, with parcels of whatever was ever made, in any order; some bring what is wanted just now."""
        for bag in bags:
            with self.courier() as courier:
                for wanted, some, number in bag:
                    coming = self.model.coming
                    file = coming if coming and wanted else self.files[some % len(self.files)]
                    parcels = [it for it in file.parcels if wanted and it.part and it.part == self.wanted()]
                    self.bring(courier, file, (parcels or file.parcels)[number % len(parcels or file.parcels)])
        self.check()

    def bring(self, courier: Phone, file: File, parcel: ours.Parcel) -> None:
        """The car says what the model says."""
        why = self.model.bring(file, parcel)
        told = bring(courier, parcel)
        assert told.why == why, (parcel.generation, parcel.version, parcel.part)
        if why not in ("NO_AUTHORITY", "ADDRESS"):
            assert (told.generation, told.version, told.wanted) == (*self.model.now.order, self.wanted())
        type(self).brought += 1

    def wanted(self) -> int:
        return self.model.part if self.model.coming else 0

    def seal(self) -> int:
        """Of the authority that is there; without one, of one that was."""
        return self.model.seal or 0

    # Time and power

    @rule(days=st.sampled_from((1, 10, 40)))
    def time_passes(self, days: int) -> None:
        self.car.clock(days * DAY)
        time.sleep(1.2)  # housekeeping, twice a second, ends sessions of guests of a roster that has expired
        self.check()

    @rule(which=WHICH)
    def tap(self, which: int) -> None:
        """A phone comes and unlocks."""
        self.check(which)

    @rule()
    def power_cut(self) -> None:
        boot = self.car.boot
        self.board.power_cycle()
        self.up(boot)
        self.check()

    @rule(at=st.integers(1, 20), keys=KEYS, others=OTHERS)
    def power_cut_while_publishing(self, at: int, keys: frozenset[tuple[int, int]], others: int) -> None:
        """At some flash operation: the old one is in force, or the new."""
        model = self.model
        if not model.generation:
            return
        content = Content((model.generation, max(model.floor[1], 14) + 1), keys, others)
        file = self.file(self.seal(), content)

        def act() -> None:
            with self.courier() as courier:
                for parcel in file.parcels:
                    bring(courier, parcel)

        def done() -> None:
            for parcel in file.parcels:
                model.bring(file, parcel)

        self.cut(at, act, done, lambda: status(self.owner).version == content.order[1])

    @rule(at=st.integers(1, 16), seal=SEAL, most=MOST)
    def power_cut_while_installing(self, at: int, seal: int, most: int) -> None:
        address = self.seals[seal].address
        again = self.model.seal == seal and self.model.generation  # it has no generation yet, if it is there

        def there() -> bool:
            told = status(self.owner)
            return told.address == address and told.role == most and not (again and told.generation)

        def act() -> None:
            install(self.car, self.owner, seal=self.seals[seal].secret, role=most)

        self.cut(at, act, lambda: self.model.install(seal, most), there)

    @rule(at=st.integers(1, 16))
    def power_cut_while_removing(self, at: int) -> None:
        self.cut(at, lambda: remove(self.owner), self.model.remove, lambda: not status(self.owner).address)

    def cut(self, at: int, act: Callable[[], Any], done: Callable[[], None], there: Callable[[], bool]) -> None:
        """The power fails at that flash operation of an act, if there are so many. `done` tells the model of it."""
        settle(self.car)
        boot, clock, model = self.car.boot, self.car.clock(0), self.model
        self.car.request("power_cut", after=at)
        with contextlib.suppress(NoAnswer):
            act()
        try:
            settle(self.car)
            self.car.request("power_cut", after=0)
            survived = self.car.boot == boot
        except NoAnswer:
            survived = False
        if survived:
            done()
        else:
            self.car.wait_boot(boot)
            type(self).owner.connection = self.car.connect()
            if there():
                ticking, model.clock = model.clock, lambda: clock
                done()
                model.clock = ticking
            model.restart()
        self.check()

    def up(self, boot: str) -> None:
        """The car has lost its power, and what was half delivered with it."""
        self.car.wait_boot(boot)
        type(self).owner.connection = self.car.connect()
        self.model.restart()

    # What is so after every step

    def check(self, *about: int) -> None:
        """The car is as the model says. One key of those, and one of all, are tried."""
        type(self).steps += 1
        model = self.model
        self.owner.start()
        told = status(self.owner)
        assert told.address == (b"" if model.seal is None else self.seals[model.seal].address)
        if model.seal is not None:
            now = model.now
            assert (told.generation, told.version, told.keys) == (model.generation, now.order[1], now.count)
            assert (told.role, told.wishes) == (model.most, model.wishes)
            assert abs(told.time - model.time) <= 10
        self.turn += 1
        for which in {*sorted(about)[:1], 1 + self.turn % POOL}:
            assert self.drives(which) == model.unlocks(which), f"key {which}"
            type(self).tried += 1
        told_keys = self.car.keys()
        enrolled = {key["key"]: key["role"] for key in told_keys}
        assert enrolled[self.owner.key.id] == OWNER
        for which in range(1, POOL + 1):
            role = model.given.get(which) or (which in model.known and model.listed(which))
            if role:
                assert enrolled[keyfile.key_id(self.public(which))] == role, f"key {which}"

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

    def file(self, seal: int, content: Content) -> File:
        """That roster as couriers carry it, from then on."""
        listed = [Entry(self.public(which), role) for which, role in content.keys]
        listed += [Entry(b"\x04" + hashlib.sha512(b"%d" % n).digest(), DRIVER) for n in range(content.others)]
        generation, version = content.order
        times = {"issued": content.issued, "expires": content.expires}
        made = rosters.roster_file(listed, version, generation, self.seals[seal], **times)
        file = File(seal, content, tuple(parcelfile.split(made)))
        self.files.append(file)
        return file


def test_a_car_is_as_its_model_says(
    car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property
) -> None:
    Car.car, Car.owner, Car.board = car, owner, simulated
    examples, steps = (int(os.getenv(name, usual)) for name, usual in (("EXAMPLES", EXAMPLES), ("STEPS", STEPS)))
    how: dict[str, Any] = {
        "max_examples": examples,
        "stateful_step_count": steps,
        "deadline": None,
        "derandomize": True,
        "database": None,
        "phases": [Phase.generate],  # a car takes too long to look for a shorter story
        "suppress_health_check": list(HealthCheck),
    }
    run_state_machine_as_test(Car, settings=settings(**how))
    what = f"{Car.steps} steps, {Car.brought} parcels, {Car.tried} keys tried"
    record_property("note", f"{examples} stories of a car: {what}; as the model says")
