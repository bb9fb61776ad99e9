# SPDX-License-Identifier: Apache-2.0
"""Who knew the public keys on a roster had the car enrol one after the other: an agreement and a write of flash each,
with no pause between them. First contacts take turns now, five seconds apart, and who stands at the car waits for one
turn of each other phone that is there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench, VehicleConnection
from tests.bench.authority import PAUSE, deliver, install, remove
from tests.bench.support import ADDRESS, UUID, Property, stranger
from tests.host import rosters
from tests.host.rosters import entries, public

pytestmark = pytest.mark.usefixtures("resting")

KEYS = 20
SETTLED = 0.5  # seconds in which nothing more happens


@pytest.fixture
def roster(car: Bench, owner: Phone) -> Iterator[None]:
    """The car takes a roster with so many keys, none of whose phones has been here."""
    assert install(car, owner) == 0
    assert deliver(stranger(car), rosters.roster_file(entries(KEYS))).why == "taken"
    yield
    remove(owner)


def hello(connection: VehicleConnection, number: int) -> None:
    connection.send(messages.session_info_request(public(number), ADDRESS, UUID).SerializeToString())


def settled(count: Callable[[], int]) -> int:
    """What it is once it does not change any more."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < SETTLED:
        now = count()
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return last


def agreements(car: Bench) -> int:
    return settled(lambda: int(car.stats()["p256"]))


def test_a_recited_roster_is_one_first_contact_in_five_seconds(
    car: Bench, owner: Phone, roster: None, record_property: Property
) -> None:
    before, began = agreements(car), car.clock(0)
    for number in range(1, KEYS // 2):
        with car.connect() as visitor:  # who comes anew for each is no better off than who stays
            hello(visitor, number)
            settled(lambda: int(car.stats()["p256"]))
    with car.connect() as visitor:
        for number in range(KEYS // 2, KEYS):
            hello(visitor, number)
        made, seconds = agreements(car) - before, car.clock(0) - began
        owner.start()
        assert 0 < made <= 1 + (seconds + 1) // PAUSE
    record_property("note", f"{KEYS} listed keys recited within {seconds} s: {made} first contacts")


def test_a_guest_waits_for_one_turn_of_each_other_phone(car: Bench, roster: None) -> None:
    with contextlib.ExitStack() as leaving:
        *visitors, guest = [leaving.enter_context(car.connect()) for _ in range(3)]
        hello(visitors[0], 1)
        agreements(car)
        number = 2
        for visitor in visitors:
            hello(visitor, number)
            number += 1
        hello(guest, KEYS)
        for _ in range(2):
            for visitor in visitors:  # they go on, with the next key, before the guest has had a turn
                hello(visitor, number)
                number += 1
            car.clock(PAUSE)
            agreements(car)
        car.clock(PAUSE)
        assert guest.receive(5), "the guest's turn"
        enrolled = car.keys()
        assert public(KEYS).hex() in [key["public"] for key in enrolled]


def test_who_leaves_gives_its_turn_up(car: Bench, roster: None) -> None:
    with car.connect() as visitor:
        hello(visitor, 1)
        before = agreements(car)
    for number in range(2, 6):
        with car.connect() as visitor:
            hello(visitor, number)
    with car.connect() as guest:
        hello(guest, KEYS)
        car.clock(PAUSE)
        assert guest.receive(5)
    assert agreements(car) == before + 1
