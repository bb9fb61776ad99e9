# SPDX-License-Identifier: Apache-2.0
"""Client libraries as PyPI has them, against a whole car over the radio: every command they give succeeds, the first
time, in whatever order.

tesla-fleet-api runs on every Python, in the release that is the newest for it; tesla-ble where it is installed: `make
clients` sees to that. What these say of success is the library's word, the car's state and the car's events together:
these show a command that was given twice, or refused and tried again.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest

from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import Property, reboot, rest
from tests.clients.libraries import LIBRARIES, NOT_HERE, Client, Failed, Kept, fleet, pair, tesla_ble

TIMES = 40
TRIES = 30  # of a stranger
NAP = 700  # seconds of nobody: a locked car sleeps after ten minutes
PATIENCE = 60.0  # seconds for all that one test does with a library
# As the car tells them: by the permission that they take (latchkey.proto).
NUMBERS = {"unlock": 2, "lock": 4, "start": 16, "secure": 32, "wake": 8}
CLOSURES, CHARGE_PORT = 64, 128

Use = Callable[[Client], Awaitable[None]]
Run = Callable[[Use], None]


@pytest.fixture(params=LIBRARIES)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "tesla-ble":
        need_tesla_ble()
    return str(request.param)


def need_tesla_ble() -> None:
    pytest.importorskip("tesla_ble", reason="tesla-ble is for Python 3.13 only: `make clients` runs this on one")


@pytest.fixture
def library(name: str, air: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs what it is given with the library connected to the car, under a key of its own."""

    async def run(use: Use) -> None:
        async with asyncio.timeout(PATIENCE), LIBRARIES[name](air, monkeypatch, {}) as client:
            await use(client)

    return lambda use: asyncio.run(run(use))


@pytest.fixture(autouse=True)
def at_rest(car: Bench, owner: Phone) -> Iterator[None]:
    yield
    rest(car, owner)


class Given:
    """The commands that the car did for a key since this was made, and what it refused that key."""

    def __init__(self, car: Bench, client: Client) -> None:
        self._car, self._key = car, client.key
        self._refused = car.stats()["refused"]
        car.events.clear()  # it keeps so many, and a test counts

    def check(self, *commands: str) -> None:
        """The car did just these, once each, and refused none."""
        assert self._car.stats()["refused"] == self._refused  # and what the car said before that has arrived
        events = list(self._car.events)
        done = Counter(each["command"] for each in events if each["event"] == "command" and each["key"] == self._key)
        lost = sum(each.get("lost", 0) for each in events)  # two phones at once are quicker than the serial port
        missing = Counter(map(number, commands)) - done
        assert not done - Counter(map(number, commands)) and missing.total() <= lost


def number(command: str) -> int:
    """A command as the car tells it."""
    return NUMBERS.get(command, CHARGE_PORT if "charge" in command else CLOSURES)


async def do_all(client: Client, car: Bench, commands: list[str]) -> None:
    """Pair, then give these commands, each as soon as the one before it has ended."""
    await pair(client, car)
    given = Given(car, client)
    for command in commands:
        await client.do(command)
    given.check(*commands)


def test_it_pairs_with_a_tap_and_then_knows_that_it_has(car: Bench, library: Run) -> None:
    async def use(client: Client) -> None:
        with pytest.raises(Failed):
            await client.do("unlock")
        await pair(client, car)
        enrolled = car.keys()
        assert client.key in [key["key"] for key in enrolled]
        await client.do("unlock")
        assert car.state()["locked"] is False

    library(use)


def test_forty_locks_in_a_row_all_succeed_though_nothing_changes(car: Bench, library: Run) -> None:
    library(lambda client: do_all(client, car, ["lock"] * TIMES))
    assert car.state()["locked"] is True


def test_forty_locks_all_succeed_while_somebody_else_unlocks(car: Bench, owner: Phone, library: Run) -> None:
    async def use(client: Client) -> None:
        await pair(client, car)
        given = Given(car, client)
        for _ in range(TIMES):
            await asyncio.to_thread(owner.unlock)
            await client.do("lock")
            assert car.state()["locked"] is True
        given.check(*["lock"] * TIMES)

    library(use)


def test_lock_and_unlock_in_turn_all_succeed_and_each_is_what_the_car_did(car: Bench, library: Run) -> None:
    async def use(client: Client) -> None:
        await pair(client, car)
        given = Given(car, client)
        for command in ("unlock", "lock") * (TIMES // 2):
            await client.do(command)
            assert car.state()["locked"] is (command == "lock")
        given.check(*("unlock", "lock") * (TIMES // 2))

    library(use)


def test_whatever_it_can_ask_for_succeeds_in_any_order(car: Bench, library: Run, record_property: Property) -> None:
    seed = random.randrange(1 << 32)
    record_property("note", f"the order's seed: {seed}")
    chance = random.Random(seed)

    async def use(client: Client) -> None:
        await pair(client, car)
        await client.do("wake")
        given = Given(car, client)
        commands = sorted(client.commands - NOT_HERE - {"wake"}) * 5
        chance.shuffle(commands)
        for command in commands:
            await client.do(command)
            if chance.random() < 0.3:
                assert await client.locked() is car.state()["locked"]
        given.check(*commands)

    library(use)


def test_what_an_access_module_has_not_is_refused_alike_each_time_and_nothing_else_suffers(
    car: Bench, library: Run
) -> None:
    async def use(client: Client) -> None:
        await pair(client, car)
        told = set()
        for command in sorted(NOT_HERE) * 3:
            with pytest.raises(Failed) as failed:
                await client.do(command)
            told.add(str(failed.value))
            await client.do("lock")
        assert len(told) == 1, told

    library(use)


def test_it_wakes_a_car_that_sleeps(car: Bench, library: Run) -> None:
    since = len(car.events)
    car.clock(NAP)
    car.wait_event("state", since=since)
    assert car.state()["asleep"] is True

    async def use(client: Client) -> None:
        await do_all(client, car, ["wake"])
        assert car.state()["asleep"] is False

    library(use)


def test_a_stranger_is_told_the_same_thing_every_time(library: Run) -> None:
    async def use(client: Client) -> None:
        told = set()
        for _, command in zip(range(TRIES), itertools.cycle(["unlock", "honk"]), strict=False):
            with pytest.raises(Failed) as failed:
                await client.do(command)
            told.add(type(failed.value).__name__ + str(failed.value))
        assert len(told) == 1, told

    library(use)


def test_two_libraries_at_once_do_not_disturb_each_other(
    car: Bench, owner: Phone, air: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both were paired some day before: the car has started since."""
    need_tesla_ble()
    kept: dict[str, Kept] = {name: {} for name in LIBRARIES}
    mine = ["unlock", "lock", "lock", "wake"] * (TIMES // 4)
    theirs = ["open trunk", "open charge port", "close trunk", "close charge port"] * (TIMES // 4)

    async def all_of(client: Client, commands: list[str]) -> None:
        for command in commands:
            await client.do(command)

    async def run() -> None:
        for name, connect in LIBRARIES.items():
            async with connect(air, monkeypatch, kept[name]) as client:
                await pair(client, car)
        await asyncio.to_thread(reboot, car, owner)
        async with (
            fleet(air, monkeypatch, kept["tesla-fleet-api"]) as one,
            tesla_ble(air, monkeypatch, kept["tesla-ble"]) as other,
        ):
            given = Given(car, one), Given(car, other)
            await asyncio.gather(all_of(one, mine), all_of(other, theirs))
            given[0].check(*mine)
            given[1].check(*theirs)

    asyncio.run(asyncio.wait_for(run(), PATIENCE))
