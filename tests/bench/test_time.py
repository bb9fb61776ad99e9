# SPDX-License-Identifier: Apache-2.0
"""The time of a whole car, row by row of the rules in docs/protocol.md ("Time")."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host_tools.faults import Refused
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.phone.owner import Owner
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.authority import deliver, install, remove
from tests.bench.cuts import settle
from tests.bench.grants import DRIVER, Maker, accepted, obeyed
from tests.bench.support import answer, ask, fault, new_phone, nothing_changes, reboot, stranger
from tests.bench.test_keychain import operation
from tests.bench.test_view import signed
from tests.bench.timing import DAY, pass_by, set_time, tell, told
from tests.host import rosters

pytestmark = pytest.mark.usefixtures("resting", "then")

THEN = 1_850_000_000
TOKEN = ours.ToLatchkey(time=ours.TimeToken(seconds=THEN + 5 * DAY))


@pytest.fixture
def then(car: Bench, owner: Phone) -> Iterator[None]:
    """It is THEN, which nobody has told since the car started."""
    set_time(car, owner, THEN)
    reboot(car, owner)
    yield


def about(seconds: int, answer: ours.TimeAnswer) -> bool:
    """Within a minute: what the test itself takes."""
    return bool(seconds <= answer.time <= seconds + 60)


def timed(car: Bench) -> list[int]:
    """The details of the log's entries of the time."""
    return [entry["detail"] for entry in car.log() if entry["kind"] == "time"]


def test_t1_the_time_goes_on_and_never_steps_back_over_a_restart(car: Bench, owner: Phone) -> None:
    first = told(owner)
    assert about(THEN, first) and not first.known
    car.clock(1000)
    assert about(THEN + 1000, told(owner))
    reboot(car, owner)
    assert told(owner).time >= THEN


def test_t2_it_is_kept_once_an_hour(car: Bench, owner: Phone, simulated: SimulatedBoard) -> None:
    pass_by(car, 5)  # the log is written
    settle(car)
    before = car.request("flash_ops")["count"]
    pass_by(car, 3000)
    assert car.request("flash_ops")["count"] == before
    pass_by(car, 700)
    settle(car)
    assert 0 < car.request("flash_ops")["count"] - before <= 4, "a record in two places"
    boot = car.boot
    simulated.power_cycle()
    car.wait_boot(boot)
    owner.connection = car.connect()
    assert about(THEN + 3690, told(owner))


def test_t3_the_time_is_known_once_somebody_has_told_it_since_the_start(car: Bench, owner: Phone) -> None:
    assert not told(owner).known
    assert tell(owner, THEN + 100).known and told(owner).known
    reboot(car, owner)
    assert not told(owner).known


def test_t4_an_owner_tells_it_signed_and_encrypted_and_nobody_else(car: Bench, owner: Phone) -> None:
    driver = new_phone(car, "driver", by=owner)
    with nothing_changes(car, owner):
        with pytest.raises(Refused, match="role does not allow"):
            tell(driver, THEN + 5 * DAY)
        view = View(owner)
        for method, flags, name in (
            ("gcm", 0, "REQUIRES_RESPONSE_ENCRYPTION"),
            ("hmac", messages.FLAG_ENCRYPT_RESPONSE, "BAD_PARAMETER"),
        ):
            message, _ = signed(view, TOKEN, method, flags)
            assert fault(ask(car, view.connection, message.SerializeToString())) == name
        unsigned = messages.routable(TOKEN, b"\7" * 16, b"\x17" * 16, view.domain)
        assert fault(ask(car, view.connection, unsigned.SerializeToString())) == "INSUFFICIENT_PRIVILEGES"
    assert about(THEN, told(owner)) and not told(owner).known


def test_t4_what_was_said_once_is_not_heard_again(car: Bench, owner: Phone) -> None:
    view = View(owner)
    message, _ = view.sign(ours.ToLatchkey(time=ours.TimeToken(seconds=THEN + 9)))
    view.connection.send(message.SerializeToString())
    assert fault(answer(view.connection)) == "no fault"
    reboot(car, owner)
    view.connection = owner.connection
    assert fault(ask(car, view.connection, message.SerializeToString())) == "INCORRECT_EPOCH"
    assert not told(owner).known


def test_t4_it_is_raised_and_kept_at_once(car: Bench, owner: Phone, simulated: SimulatedBoard) -> None:
    before = len(timed(car))
    assert about(THEN + 30 * DAY, tell(owner, THEN + 30 * DAY))
    boot = car.boot
    simulated.power_cycle()
    car.wait_boot(boot)
    owner.connection = car.connect()
    assert about(THEN + 30 * DAY, told(owner))
    assert timed(car)[before:] in ([], [0]), "its entry may be lost with the power"


def test_t5_by_more_than_400_days_only_if_it_is_said_so(car: Bench, owner: Phone) -> None:
    with pytest.raises(Refused):
        tell(owner, THEN + 401 * DAY)
    assert about(THEN, told(owner)) and not told(owner).known
    assert about(THEN + 399 * DAY, tell(owner, THEN + 399 * DAY))
    assert about(THEN + 4000 * DAY, tell(owner, THEN + 4000 * DAY, anyway=True))
    assert timed(car)[-2:] == [0, 0]


def test_t6_who_is_a_little_behind_has_told_the_time_and_who_is_far_behind_has_not(car: Bench, owner: Phone) -> None:
    far = tell(owner, THEN - 2 * DAY)
    assert about(THEN, far) and not far.known
    near = tell(owner, THEN - DAY // 2)
    assert about(THEN, near) and near.known


def test_t7_back_it_goes_with_an_owner_and_the_card(car: Bench, owner: Phone) -> None:
    tell(owner, 4_102_444_800, anyway=True)  # the year 2100
    reboot(car, owner)
    assert told(owner).time >= 4_102_444_800
    set_time(car, owner, THEN)
    assert about(THEN, told(owner)) and timed(car)[-1] == 1
    reboot(car, owner)
    assert about(THEN, told(owner))


def test_t7_without_the_card_it_stays(car: Bench, owner: Phone) -> None:
    phone = Phone(car.connect(), owner.vin, owner.key)
    message, _ = View(phone).sign(ours.ToLatchkey(time=ours.TimeToken(seconds=THEN - 9 * DAY, anyway=True)))
    phone.connection.send(message.SerializeToString())
    first = answer(phone.connection)
    assert first is not None and car.state()["pending"]
    pass_by(car, 31)
    assert about(THEN, told(owner)) and not car.state()["pending"]
    car.clock(31)


def test_t7_not_below_the_firmwares_own_date(car: Bench, owner: Phone) -> None:
    answer = Owner(owner).tell_time(1, True, car.tap)
    assert 1_795_000_000 < answer.time < THEN
    car.clock(4)


def test_t8_a_roster_holds_a_dated_key_by_400_days_at_most_and_is_no_clock(car: Bench, owner: Phone) -> None:
    assert install(car, owner) == 0
    courier, maker = stranger(car), Maker(owner)
    dates = [THEN + days * DAY for days in (40, 390, 410)]
    drivers = [accepted(car, maker.grant(role=DRIVER, not_after=date)) for date in dates]
    for version, issued, open_ in ((1, THEN, 3), (2, THEN + 50 * DAY, 2), (3, 2**32 - 1, 1), (4, THEN, 1)):
        file = rosters.roster_file([], version, issued=issued, expires=2**32 - 1)
        assert deliver(courier, file).why == "taken"
        assert [obeyed(driver) for driver in drivers] == [False] * (3 - open_) + [True] * open_
        now = told(owner)
        assert about(THEN, now) and not now.known
    remove(owner)
    assert all(map(obeyed, drivers)), "what it said went with it"


def test_t9_powered_seconds_go_on_after_a_restart_and_the_power_may_be_cut(
    car: Bench, owner: Phone, simulated: SimulatedBoard
) -> None:
    """What may have been spent is spent: a minute for a start that was as short."""
    guest = stranger(car)
    change = messages.permission_change(guest.key.public, "guest")
    change.secondsToBeActive = 600
    owner.change_keys(operation(addKeyToWhitelistAndAddPermissions=change))

    def left() -> int:
        return int(View(owner).keys()[-1].get("limits", {}).get("powered_left", 0))

    assert 590 <= left() <= 600
    guest.unlock()
    seen = left()
    for restart in range(5):
        if restart % 2:
            reboot(car, owner)
        else:
            boot = car.boot
            simulated.power_cycle()
            car.wait_boot(boot)
            owner.connection = car.connect()
        now = left()
        assert seen - 130 <= now <= seen - 50
        guest.connection = car.connect()
        guest.lock()
        seen = now
    pass_by(car, seen)
    with pytest.raises(Refused, match="used up its limits"):
        guest.unlock()
    assert View(owner).keys()[-1]["seconds"] == 600 and left() == 0
