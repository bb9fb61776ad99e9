# SPDX-License-Identifier: Apache-2.0
"""Limits of a granted key on a whole car (docs/protocol.md, "Limits"): power cuts, restarts, a flash that fails, two
phones at once. Each rule by itself is in tests/unit/test_limits.py."""

from __future__ import annotations

import contextlib

import pytest

from host_tools.faults import NoAnswer, Refused
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import MOST, settle
from tests.bench.grants import DRIVER, Maker, accepted
from tests.bench.support import Property, ask, fault, forge, nothing_changes, reboot
from tests.bench.test_time import THEN
from tests.bench.timing import DAY, pass_by, set_time, soon, tell

pytestmark = pytest.mark.usefixtures("resting")


def left(owner: Phone, phone: Phone) -> dict[str, int]:
    """What the car says of the key's limits."""
    enrolled = View(owner).keys()
    return next(dict(key["limits"]) for key in enrolled if key["key"] == phone.key.id)


def started(phone: Phone) -> bool:
    """Whether its start is done."""
    try:
        phone.start()
    except Refused:
        return False
    return True


def cut_power(car: Bench, board: SimulatedBoard, *phones: Phone) -> None:
    boot = car.boot
    board.power_cycle()
    car.wait_boot(boot)
    for phone in phones:
        phone.connection = car.connect()


def test_a_guest_starts_twice_and_no_third_time_whatever_happens_in_between(
    car: Bench, owner: Phone, simulated: SimulatedBoard
) -> None:
    guest = accepted(car, Maker(owner).grant(uses=2))
    guest.unlock()
    assert started(guest) and car.state()["start_enabled"]
    cut_power(car, simulated, owner, guest)
    assert not car.state()["start_enabled"] and left(owner, guest)["used"] == 1
    guest.unlock()
    reboot(car, owner, guest)
    assert started(guest)
    for _ in range(2):
        owner.wake()
        with nothing_changes(car, owner), pytest.raises(Refused, match="used up its limits"):
            guest.start()
        with pytest.raises(Refused, match="used up its limits"):
            guest.unlock()
        guest.lock()
        cut_power(car, simulated, owner, guest)
    assert left(owner, guest)["used"] == 2


def test_the_power_fails_at_every_flash_operation_of_a_start(
    car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property
) -> None:
    uses = 60
    guest = accepted(car, Maker(owner).grant(uses=uses))
    had = cuts = 0
    for at in range(1, MOST):
        settle(car)
        guest.handshake()
        before, boot = left(owner, guest)["used"], car.boot
        car.request("power_cut", after=at)
        acknowledged = False
        with contextlib.suppress(NoAnswer):
            acknowledged = started(guest)
        had += acknowledged
        with contextlib.suppress(NoAnswer):
            settle(car)
        try:
            car.request("power_cut", after=0)
            if car.boot == boot:
                break
        except NoAnswer:
            pass
        car.wait_boot(boot)
        owner.connection, guest.connection = car.connect(), car.connect()
        used = left(owner, guest)["used"]
        assert before + acknowledged <= used <= before + 1, at
        cuts += 1
    assert had <= left(owner, guest)["used"] < uses and cuts > 5
    record_property("note", f"{cuts} power cuts at each operation of a start: {had} starts had")


def test_two_phones_with_one_key_have_no_more_uses_than_one(car: Bench, owner: Phone) -> None:
    guest = accepted(car, Maker(owner).grant(uses=3))
    twin = Phone(car.connect(), owner.vin, guest.key)
    had = 0
    for _ in range(6):
        had += started(guest)
        had += started(twin)
    assert had == 3 == left(owner, guest)["used"]


def test_a_start_waits_for_the_flash_and_others_do_not(car: Bench, owner: Phone) -> None:
    """Its answer comes when its use is written down; an owner is served meanwhile."""
    guest = accepted(car, Maker(owner).grant(uses=9))
    assert started(guest)
    for _ in range(3):
        owner.lock()
        owner.start()
        assert started(guest)
    assert left(owner, guest)["used"] == 4


def test_where_nothing_can_be_written_a_guest_does_not_start_and_an_owner_does(car: Bench, owner: Phone) -> None:
    guest = accepted(car, Maker(owner).grant(uses=2))
    guest.lock()
    for error in (28, 5):
        settle(car)
        car.request("flash_error", after=1, error=error, forever=True)
        with pytest.raises((Refused, NoAnswer)):
            guest.start()
        assert not car.state()["start_enabled"]
        owner.start()
        assert car.state()["start_enabled"]
        owner.lock()
        car.request("flash_error", after=0)
    reboot(car, owner, guest)
    assert left(owner, guest)["used"] <= 2
    soon(lambda: guest.lock())


def test_a_date_needs_somebody_who_tells_the_time_or_a_budget(car: Bench, owner: Phone) -> None:
    set_time(car, owner, THEN)
    maker, dates = Maker(owner), {"not_before": THEN - DAY, "not_after": THEN + DAY}
    guest = accepted(car, maker.grant(**dates))
    budget = accepted(car, maker.grant(uses=1, **dates))
    driver = accepted(car, maker.grant(role=DRIVER, **dates))
    early = accepted(car, maker.grant(role=DRIVER, not_before=THEN + DAY))
    guest.unlock()
    with pytest.raises(Refused, match="used up its limits"):
        early.unlock()
    reboot(car, owner, guest, budget, driver, early)
    with pytest.raises(Refused, match="used up its limits"):
        guest.unlock()
    for phone in (budget, driver, early):
        phone.unlock()
    assert tell(owner, THEN + 60).known
    guest.unlock()
    tell(owner, THEN + DAY)
    for phone in (guest, budget, driver):
        with pytest.raises(Refused, match="used up its limits"):
            phone.unlock()
    early.unlock()
    reboot(car, owner, driver)
    with pytest.raises(Refused, match="used up its limits"):
        driver.unlock()


def test_powered_seconds_of_a_grant_begin_when_it_is_presented(
    car: Bench, owner: Phone, simulated: SimulatedBoard
) -> None:
    maker = Maker(owner)
    link = maker.grant(seconds=900)
    pass_by(car, 4000)
    guest = accepted(car, link)
    assert 890 <= left(owner, guest)["powered_left"] <= 900
    seen = left(owner, guest)["powered_left"]
    for _ in range(4):
        cut_power(car, simulated, owner, guest)
        now = left(owner, guest)["powered_left"]
        assert seen - 130 <= now < seen, "a cut costs a minute, and gives nothing"
        guest.unlock()
        seen = now
    pass_by(car, seen - 20)
    guest.lock()
    pass_by(car, 20)
    with pytest.raises(Refused, match="used up its limits"):
        guest.unlock()


def test_the_same_start_again_is_refused_and_costs_nothing(car: Bench, owner: Phone) -> None:
    guest = accepted(car, Maker(owner).grant(uses=2))
    guest.handshake()
    message = forge(guest, messages.action("start")).SerializeToString()
    assert fault(ask(car, guest.connection, message)) in ("no fault", "silence")
    car.info()
    settle(car)
    for _ in range(2):
        assert fault(ask(car, car.connect(), message)) == "INVALID_TOKEN_OR_COUNTER"
    assert left(owner, guest)["used"] == 1
