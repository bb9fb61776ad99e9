# SPDX-License-Identifier: Apache-2.0
"""What commands do to the car: locks, the start window, doors, sleep; and what the car refuses for its own safety."""

from __future__ import annotations

import time

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Refused
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import nothing_changes, refusals

pytestmark = pytest.mark.usefixtures("resting")

DOORS = ["front_driver_door", "front_passenger_door", "rear_driver_door", "rear_passenger_door"]
OTHERS = ["rear_trunk", "front_trunk", "charge_port", "tonneau"]


def outputs(car: Bench) -> tuple[int, int]:
    """The start relay and the lock, as the wires have them."""
    pins = car.pins()
    return pins["start"], pins["lock"]


def fall_asleep(car: Bench) -> None:
    since = len(car.events)
    car.clock(601)
    car.wait_event("state", since=since)
    assert car.state()["asleep"] is True


@pytest.mark.parametrize("method", ["gcm", "hmac"])
def test_unlock_start_and_lock_move_the_wires(car: Bench, owner: Phone, method: str) -> None:
    assert outputs(car) == (0, 1)
    owner.command(messages.action("unlock"), method)
    assert outputs(car) == (0, 0)
    owner.command(messages.action("start"), method)
    assert outputs(car) == (1, 0)
    owner.command(messages.action("lock"), method)
    assert outputs(car) == (0, 1)


def test_the_start_window_ends_by_itself_after_two_minutes(car: Bench, owner: Phone) -> None:
    owner.start()
    assert 118 <= car.state()["start_left"] <= 120
    car.clock(115)
    assert outputs(car)[0] == 1
    since = len(car.events)
    car.clock(5)
    car.wait_event("state", start=False, since=since)
    assert outputs(car)[0] == 0 and car.state()["start_left"] == 0


def test_starting_again_opens_the_window_again(car: Bench, owner: Phone) -> None:
    owner.start()
    car.clock(100)
    owner.start()
    car.clock(100)
    assert outputs(car)[0] == 1


def test_driving_off_uses_the_start_up(car: Bench, owner: Phone) -> None:
    owner.unlock()
    owner.start()
    car.brake(True)
    assert outputs(car)[0] == 0
    car.brake(False)
    car.brake(True)
    assert (outputs(car)[0], car.state()["start_enabled"], car.state()["user_present"]) == (0, False, True)


def test_the_brake_alone_starts_nothing(car: Bench, owner: Phone) -> None:
    car.brake(True)
    assert outputs(car)[0] == 0
    owner.unlock()
    car.brake(False)
    car.brake(True)
    assert outputs(car)[0] == 0


def test_unlocking_starts_nothing_and_starting_unlocks_nothing(car: Bench, owner: Phone) -> None:
    owner.unlock()
    assert outputs(car) == (0, 0)
    owner.lock()
    owner.start()
    assert outputs(car) == (1, 1)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("command", ["lock", "secure"])
def test_a_car_with_an_open_door_does_not_lock_and_says_why(car: Bench, owner: Phone, door: str, command: str) -> None:
    owner.unlock()
    car.door(door, True)
    since = len(car.events)
    with nothing_changes(car, owner), pytest.raises(Refused) as caught:
        owner.command(messages.action(command))
    assert caught.value.name == "CLOSURES_OPEN"
    assert [event["why"] for event in refusals(car, since)] == ["vehicle state"]
    car.door(door, False)
    owner.lock()


def test_a_car_locks_with_an_open_trunk_and_secures_it(car: Bench, owner: Phone) -> None:
    owner.unlock()
    for name in OTHERS:
        car.door(name, True)
    owner.lock()
    state = car.state()
    assert state["locked"] and all(state["closures"][name] == "open" for name in OTHERS)
    owner.secure()
    assert set(car.state()["closures"].values()) == {"closed"}


@pytest.mark.parametrize("closure", messages.CLOSURES)
def test_each_closure_opens_closes_toggles_and_stops(car: Bench, owner: Phone, closure: str) -> None:
    def position() -> int:
        return int(getattr(owner.status().closureStatuses, messages.CLOSURES[closure]))

    seen = []
    for movement in ("open", "open", "close", "close", "move", "stop", "move", "stop"):
        owner.move(closure, movement)
        seen.append(position())
    assert seen == [1, 1, 0, 0, 1, 1, 0, 0]


def test_several_closures_move_with_one_command(car: Bench, owner: Phone) -> None:
    owner.command(messages.move({"trunk": "open", "frunk": "open", "driver-door": "stop"}))
    closures: dict[str, str] = car.state()["closures"]
    assert {name for name, position in closures.items() if position == "open"} == {"rear_trunk", "front_trunk"}


def test_a_locked_car_goes_to_sleep_and_wakes_by_any_command(car: Bench, owner: Phone) -> None:
    for name in ("wake", "unlock", "start"):
        owner.lock()
        fall_asleep(car)
        assert owner.status().vehicleSleepStatus == vcsec.VEHICLE_SLEEP_STATUS_ASLEEP  # asking does not wake it
        assert car.state()["asleep"] is True
        owner.command(messages.action(name))
        assert car.state()["asleep"] is False
    owner.lock()


def test_a_car_that_is_unlocked_or_started_does_not_fall_asleep(car: Bench, owner: Phone) -> None:
    owner.unlock()
    car.clock(3600)
    time.sleep(0.8)  # a turn of the car's housekeeping
    assert car.state()["asleep"] is False


def test_a_refused_command_does_not_wake_a_sleeping_car(car: Bench, owner: Phone) -> None:
    fall_asleep(car)
    with car.connect() as connection:
        connection.send(owner.last_sent)
        assert car.state()["asleep"] is True


def test_the_status_is_what_the_bench_sees(car: Bench, owner: Phone) -> None:
    owner.unlock()
    car.door("front_driver_door", True)
    status = owner.status()
    assert status.vehicleLockState == vcsec.VEHICLELOCKSTATE_UNLOCKED
    assert status.userPresence == vcsec.VEHICLE_USER_PRESENCE_PRESENT
    assert status.closureStatuses.frontDriverDoor == vcsec.CLOSURESTATE_OPEN
    car.door("front_driver_door", False)
    owner.lock()
    status = owner.status()
    assert status.vehicleLockState == vcsec.VEHICLELOCKSTATE_LOCKED
    assert status.userPresence == vcsec.VEHICLE_USER_PRESENCE_NOT_PRESENT


def test_a_year_without_a_restart_changes_nothing(car: Bench, owner: Phone) -> None:
    car.clock(365 * 86400)
    owner.unlock()
    owner.start()
    assert outputs(car) == (1, 0)
    owner.lock()
