# SPDX-License-Identifier: Apache-2.0
"""The agent hangs, the power goes at any time: the car is up again by itself, locked, off, and with its keys."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from host_tools.faults import NoAnswer
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import Property, new_phone

pytestmark = pytest.mark.usefixtures("resting")

WATCHDOG_RESET = 3  # as machine.reset_cause() tells it
SEED = 20211119
KILLS = 25


def test_a_hang_is_ended_by_the_watchdog_and_the_car_is_safe(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "guest", by=owner)
    owner.unlock()
    owner.start()
    keys, boot = car.keys(), car.boot
    with contextlib.suppress(NoAnswer):
        car.request("hang", ms=60_000, timeout=1)
    car.wait_boot(boot)
    assert car.hello["cause"] == WATCHDOG_RESET
    assert (car.state()["locked"], car.state()["start_enabled"], car.pins()["start"]) == (True, False, 0)
    assert car.keys() == keys
    for phone in (owner, guest):
        phone.connection = car.connect()
        phone.unlock()


def test_a_short_hang_is_survived_and_nothing_is_lost(car: Bench, owner: Phone) -> None:
    boot = car.boot
    car.request("hang", ms=700)
    owner.unlock()
    with car.connect() as connection:
        sent = [owner.sign(messages.action("wake"))[0].SerializeToString() for _ in range(2)]
        with contextlib.suppress(NoAnswer):
            car.request("hang", ms=1500, timeout=0.5)
        for message in sent:
            connection.send(message)
        car.info()
        received = []
        while (data := connection.receive(0)) is not None:
            received.append(data)
    assert len(received) >= 2 and car.boot == boot


def test_the_plug_is_pulled_at_random_while_drivers_and_owner_are_busy(
    car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property
) -> None:
    """What the owner's phone was told is so after the next boot, and what it was not told is one thing or the other."""
    chance = random.Random(SEED)
    sure = {owner.key.id}
    unsure: set[str] = set()
    for _ in range(KILLS):
        owner.connection = car.connect()
        boot = car.boot
        pulled_at = time.monotonic() + chance.uniform(0.0, 0.12)
        with contextlib.suppress(NoAnswer):
            while time.monotonic() < pulled_at:
                owner.unlock()
                key = keyfile.generate()
                unsure = {key.id}
                owner.change_keys(messages.add_key(key.public, "guest"))
                sure |= unsure
                unsure = set()
        simulated.power_cycle()
        car.wait_boot(boot)
        enrolled = car.keys()
        found = {key["key"] for key in enrolled}
        assert sure <= found <= sure | unsure
        sure, unsure = found, set()
        assert car.state()["locked"] and not car.pins()["start"]
    owner.connection = car.connect()
    record_property("note", f"the plug pulled {KILLS} times at random: {len(sure)} keys, none lost and none too many")
