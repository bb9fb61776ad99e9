# SPDX-License-Identifier: Apache-2.0
"""The state machine: what each command and input does, and what no sequence of them can bring about."""

import random

import micropython

from latchkey.vehicle import commands
from latchkey.vehicle.pins import Pins
from latchkey.vehicle.state import Refused, Vehicle
from latchkey.wire import answers
from named import CLOSURES as TABLE
from named import FROM_VCSEC, decode

UNLOCK, LOCK, START, SECURE, WAKE = 0, 1, 20, 29, 30
CLOSURES_OPEN = 2
CLOSURES = [TABLE[at] for at in range(1, len(TABLE), 4)]
TRUNK = CLOSURES.index("rearTrunk")


def rke(vehicle, action):
    commands.COMMANDS[action][1](vehicle)


def move(vehicle, request):
    vehicle.move({CLOSURES.index(name) + 1: request[name] for name in request})


def status(vehicle):
    return decode(FROM_VCSEC, answers.vehicle_status(vehicle))["vehicleStatus"]


class Car:
    """A vehicle with a clock to turn, and a count of what it told."""

    def __init__(self):
        self.time = 1000
        self.told = 0
        self.vehicle = Vehicle(lambda: self.time)
        self.vehicle.on_change = self.tell

    def tell(self):
        self.told += 1

    def later(self, seconds):
        self.time += seconds
        self.vehicle.tick()


def refusal(do, *arguments):
    try:
        do(*arguments)
    except Refused as refused:
        return refused.code
    raise AssertionError("not refused")


def seen(vehicle):
    """All that can be told from outside."""
    return (
        vehicle.locked, vehicle.start_enabled, vehicle.asleep, vehicle.user_present, vehicle.brake_pressed,
        bytes(vehicle.closures), str(status(vehicle)),
    )  # fmt: skip


def test_at_boot_it_is_locked_closed_awake_and_does_not_start():
    vehicle = Car().vehicle
    assert vehicle.locked
    assert not vehicle.start_enabled
    assert not any(vehicle.closures)
    assert status(vehicle) == {
        "closureStatuses": {}, "vehicleLockState": 1, "vehicleSleepStatus": 1, "userPresence": 1,
    }  # fmt: skip


def test_unlock_and_lock():
    car = Car()
    rke(car.vehicle, UNLOCK)
    assert not car.vehicle.locked
    assert "vehicleLockState" not in status(car.vehicle)
    rke(car.vehicle, LOCK)
    assert car.vehicle.locked
    assert car.told == 2


def test_it_does_not_lock_with_any_door_open_and_nothing_changes():
    for door in range(4):
        for command in (LOCK, SECURE):
            car = Car()
            rke(car.vehicle, UNLOCK)
            rke(car.vehicle, START)
            car.vehicle.door(door, True)
            car.vehicle.door(TRUNK, True)
            before, told = seen(car.vehicle), car.told
            assert refusal(rke, car.vehicle, command) == CLOSURES_OPEN
            assert seen(car.vehicle) == before
            assert car.told == told
            car.vehicle.door(door, False)
            rke(car.vehicle, command)
            assert car.vehicle.locked


def test_it_locks_with_anything_but_a_door_open():
    for closure in range(4, 8):
        car = Car()
        rke(car.vehicle, UNLOCK)
        car.vehicle.door(closure, True)
        rke(car.vehicle, LOCK)
        assert car.vehicle.locked
        assert car.vehicle.closures[closure]


def test_secure_closes_what_moves_by_itself_and_locks():
    car = Car()
    rke(car.vehicle, UNLOCK)
    for closure in range(4, 8):
        car.vehicle.door(closure, True)
    told = car.told
    rke(car.vehicle, SECURE)
    assert car.vehicle.locked
    assert not any(car.vehicle.closures)
    assert car.told == told + 1


def test_start_is_enabled_for_two_minutes():
    car = Car()
    rke(car.vehicle, START)
    assert car.vehicle.start_enabled
    assert car.vehicle.start_left() == 120
    car.later(119)
    assert car.vehicle.start_enabled
    assert car.vehicle.start_left() == 1
    car.later(1)
    assert not car.vehicle.start_enabled
    assert car.vehicle.start_left() == 0
    assert car.told == 2


def test_start_again_gives_two_minutes_from_then():
    car = Car()
    rke(car.vehicle, START)
    car.later(100)
    rke(car.vehicle, START)
    assert car.vehicle.start_left() == 120
    assert car.told == 1


def test_a_start_that_comes_after_the_window_but_before_the_tick_is_a_new_one():
    car = Car()
    rke(car.vehicle, START)
    car.time += 500
    assert car.vehicle.start_left() == 0
    rke(car.vehicle, START)
    assert car.vehicle.start_left() == 120


def test_driving_off_uses_the_enablement_up():
    car = Car()
    rke(car.vehicle, START)
    car.vehicle.brake(True)
    assert not car.vehicle.start_enabled
    assert car.told == 2
    car.vehicle.brake(False)
    car.vehicle.brake(True)
    assert not car.vehicle.start_enabled


def test_locking_ends_the_enablement():
    for command in (LOCK, SECURE):
        car = Car()
        rke(car.vehicle, UNLOCK)
        rke(car.vehicle, START)
        rke(car.vehicle, command)
        assert not car.vehicle.start_enabled


def test_locking_a_locked_car_ends_the_enablement_too():
    car = Car()
    rke(car.vehicle, START)
    rke(car.vehicle, LOCK)
    assert not car.vehicle.start_enabled


def test_somebody_is_present_from_a_door_or_the_brake_until_it_is_locked():
    car = Car()
    rke(car.vehicle, UNLOCK)
    assert status(car.vehicle)["userPresence"] == 1
    car.vehicle.door(2, True)
    assert status(car.vehicle)["userPresence"] == 2
    car.vehicle.door(2, False)
    assert car.vehicle.user_present
    rke(car.vehicle, LOCK)
    assert not car.vehicle.user_present
    car.vehicle.brake(True)
    assert car.vehicle.user_present
    rke(car.vehicle, LOCK)
    assert car.vehicle.user_present  # a foot is on the brake


def test_a_trunk_opened_by_hand_puts_nobody_in_the_car():
    car = Car()
    car.vehicle.door(TRUNK, True)
    assert not car.vehicle.user_present


def test_it_sleeps_ten_minutes_after_it_was_last_used():
    car = Car()
    car.later(599)
    assert not car.vehicle.asleep
    car.later(1)
    assert car.vehicle.asleep
    assert status(car.vehicle)["vehicleSleepStatus"] == 2
    assert car.told == 1


def test_it_does_not_sleep_unlocked_or_with_the_brake_pressed_or_ready_to_start():
    for do in (Vehicle.unlock, lambda vehicle: vehicle.brake(True)):
        car = Car()
        do(car.vehicle)
        car.later(10_000)
        assert not car.vehicle.asleep
    car = Car()
    car.vehicle.start()
    car.later(119)
    assert not car.vehicle.asleep


def test_every_command_and_input_wakes_it_once():
    for wake in (
        lambda vehicle: rke(vehicle, WAKE),
        lambda vehicle: rke(vehicle, UNLOCK),
        lambda vehicle: rke(vehicle, LOCK),
        lambda vehicle: rke(vehicle, START),
        lambda vehicle: rke(vehicle, SECURE),
        lambda vehicle: move(vehicle, {"chargePort": 3}),
        lambda vehicle: vehicle.brake(True),
        lambda vehicle: vehicle.door(0, True),
    ):
        car = Car()
        car.later(600)
        wake(car.vehicle)
        assert not car.vehicle.asleep
        assert car.told == 2
        car.later(599)
        assert not car.vehicle.asleep


def test_closures_open_close_toggle_and_stay():
    #         none   move   stop   open   close
    for move_type, from_closed, from_open in ((0, 0, 1), (1, 1, 0), (2, 0, 1), (3, 1, 1), (4, 0, 0)):
        for index, name in enumerate(CLOSURES):
            for before, after in ((0, from_closed), (1, from_open)):
                car = Car()
                car.vehicle.closures[index] = before
                move(car.vehicle, {name: move_type})
                assert car.vehicle.closures[index] == after, (name, move_type, before)
                assert car.told == (before != after)
                assert (name in status(car.vehicle)["closureStatuses"]) == bool(after)


def test_several_closures_move_as_one_change():
    car = Car()
    move(car.vehicle, {"rearTrunk": 3, "frontTrunk": 3, "chargePort": 1})
    assert status(car.vehicle)["closureStatuses"] == {"rearTrunk": 1, "frontTrunk": 1, "chargePort": 1}
    assert car.told == 1


def test_no_sequence_of_events_leaves_start_on_when_it_should_be_off():
    """Against a model of one line: start is on if it was commanded in the last 120 s and nothing ended it since."""
    seed = 20211119
    random.seed(seed)
    events = starts = refused = 0
    for run in range(150):
        car = Car()
        vehicle = car.vehicle
        started = None
        for step in range(60):
            where = (seed, run, step)
            before, told = seen(vehicle), car.told
            event = random.choice((UNLOCK, LOCK, START, START, SECURE, WAKE, "move", "brake", "door", "later", "later"))
            try:
                if event == "move":
                    move(vehicle, {random.choice(CLOSURES): random.randint(0, 4)})
                elif event == "brake":
                    pressed = not vehicle.brake_pressed
                    vehicle.brake(pressed)
                    started = None if pressed else started
                elif event == "door":
                    vehicle.door(random.randrange(8), random.random() < 0.3)
                elif event == "later":
                    car.later(random.choice((0, 1, 30, 119, 120, 121, 700)))
                else:
                    rke(vehicle, event)
                    started = {START: car.time, LOCK: None, SECURE: None}.get(event, started)
            except Refused:
                refused += 1
                assert event in (LOCK, SECURE), where
                assert any(vehicle.closures[:4]), where
                assert seen(vehicle) == before, where
            events += 1
            starts += event == START
            if started is not None and car.time - started >= 120:
                started = None
            assert vehicle.start_enabled == (started is not None), where
            assert (vehicle.start_left() > 0) == vehicle.start_enabled, where
            busy = vehicle.start_enabled or vehicle.brake_pressed or not vehicle.locked
            assert not (vehicle.asleep and busy), where
            assert car.told - told == (seen(vehicle) != before), where
    assert starts > 500
    assert refused > 50
    print("note: %d random events, %d of them starts, %d refusals" % (events, starts, refused))


def test_a_change_needs_no_memory_down_to_its_pins():
    pins = Pins({"start": 25, "lock": 26, "led": 27})
    vehicle = Vehicle(lambda: 0)
    vehicle.on_change = lambda: pins.outputs(vehicle)
    pins.outputs(vehicle)
    opening, closing = {5: 3, 7: 3}, {5: 4, 7: 1}
    acts = [vehicle.unlock, vehicle.start, lambda: vehicle.move(opening), lambda: vehicle.move(closing), vehicle.secure]
    acts += [vehicle.unlock, vehicle.wake, vehicle.lock, vehicle.tick]
    micropython.heap_lock()
    try:
        for act in acts:
            act()
    finally:
        micropython.heap_unlock()
    assert vehicle.locked and pins.levels()["lock"] == 1 and pins.levels()["start"] == 0
