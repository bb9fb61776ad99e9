# SPDX-License-Identifier: Apache-2.0
"""The wires: what is driven and when, and what a contact has to do to be believed."""

import random

from latchkey.vehicle import pins as wires
from latchkey.vehicle.pins import Pins
from latchkey.vehicle.state import Refused, Vehicle
from simulated import machine

NUMBERS = {"start": 26, "lock": 27, "led": 2, "card": 32, "brake": 33, "door": 25}


class Watched(machine.Pin):
    """A pin that remembers how it was made and every level it was driven to."""

    made = []

    def __init__(self, number, mode=-1, pull=-1, value=None):
        self.driven = []
        self.mode = mode
        self.value_at_start = value
        Watched.made.append(self)
        super().__init__(number, mode, pull, value=value)

    def value(self, level=None):
        if level is not None:
            self.driven.append(level)
        return super().value(level)


def board(numbers=NUMBERS):
    Watched.made.clear()
    wires.Pin = Watched
    pins = Pins(numbers)
    return pins, {pin.number: pin for pin in Watched.made}


def contact(name, closed):
    machine.Pin(NUMBERS[name]).value(0 if closed else 1)


def poll(pins, times):
    for _ in range(times):
        pins.read_inputs()


def test_outputs_have_their_safe_level_before_they_drive():
    pins, made = board()
    for name in ("start", "lock", "led"):
        pin = made[NUMBERS[name]]
        assert pin.mode == machine.Pin.OUT
        assert pin.value_at_start == 0
        assert pin.driven == []
    assert pins.levels() == {"start": 0, "lock": 1, "led": 0, "card": 0, "brake": 0, "door": 0}


def test_outputs_follow_the_vehicle():
    pins, made = board()
    vehicle = Vehicle(lambda: 0)
    vehicle.on_change = lambda: pins.outputs(vehicle)
    vehicle.unlock()
    assert pins.levels()["lock"] == 0
    assert made[NUMBERS["lock"]].value() == 1  # the doors are held unlocked: without power they are locked
    assert pins.levels()["led"] == 1
    vehicle.start()
    assert made[NUMBERS["start"]].value() == 1
    vehicle.lock()
    assert pins.levels() == {"start": 0, "lock": 1, "led": 0, "card": 0, "brake": 0, "door": 0}


def test_outputs_are_what_the_vehicle_says_after_any_sequence_of_events():
    seed = 20211119
    random.seed(seed)
    pins, _ = board()
    time = 0
    vehicle = Vehicle(lambda: time)
    vehicle.on_change = lambda: pins.outputs(vehicle)
    seen = set()
    for step in range(2000):
        time += random.choice((0, 1, 60, 121))
        vehicle.tick()
        event = random.choice(("unlock", "lock", "secure", "start", "brake", "door"))
        try:
            if event == "brake":
                vehicle.brake(random.random() < 0.5)
            elif event == "door":
                vehicle.door(random.randrange(8), random.random() < 0.3)
            else:
                getattr(vehicle, event)()
        except Refused:
            pass
        levels = pins.levels()
        state = (levels["start"], levels["lock"], levels["led"])
        assert state == (vehicle.start_enabled, vehicle.locked, not vehicle.locked), (seed, step, event)
        seen.add(state)
    assert len(seen) == 4  # started or not, locked or not: the sequence went everywhere


def test_safe_is_locked_and_start_off_whatever_the_vehicle_says():
    pins, _ = board()
    vehicle = Vehicle(lambda: 0)
    vehicle.unlock()
    vehicle.start()
    pins.outputs(vehicle)
    assert pins.levels()["start"] == 1
    pins.safe()
    assert pins.levels()["start"] == 0
    assert pins.levels()["lock"] == 1


def test_the_watchdog_is_short_from_before_the_start_relay_closes_until_it_has_opened():
    pins, made = board()
    vehicle = Vehicle(lambda: 0)
    vehicle.on_change = lambda: pins.outputs(vehicle)
    real, asked = wires.WDT, []
    wires.WDT = lambda timeout: asked.append((timeout, made[NUMBERS["start"]].value()))
    try:
        vehicle.unlock()
        assert asked == []
        vehicle.start()
        vehicle.start()
        vehicle.door(0, True)
        assert asked == [(900, 0)], "once: what happens meanwhile is no sign of life"
        vehicle.brake(True)
        vehicle.brake(False)
        assert asked[1:] == [(8000, 0)]
        vehicle.start()
        pins.safe()
        pins.safe()
        assert asked[2:] == [(900, 0), (8000, 0)]
    finally:
        wires.WDT = real


def test_a_start_relay_whose_watchdog_cannot_be_made_short_stays_open():
    pins, made = board()
    vehicle = Vehicle(lambda: 0)
    vehicle.start()

    def refuse(timeout):
        raise OSError(-1)

    real, wires.WDT = wires.WDT, refuse
    try:
        pins.outputs(vehicle)
    except OSError:
        pass
    finally:
        wires.WDT = real
    assert made[NUMBERS["start"]].value() == 0


def test_the_led_turns_over_while_it_blinks_and_then_shows_the_lock_again():
    pins, made = board()
    led = made[NUMBERS["led"]]
    levels = []
    for _ in range(4):
        pins.blink(True)
        levels.append(led.value())
    assert levels == [1, 0, 1, 0]
    pins.blink(True)
    pins.blink(False)
    assert led.value() == 0
    vehicle = Vehicle(lambda: 0)
    vehicle.unlock()
    pins.outputs(vehicle)
    pins.blink(True)
    pins.blink(False)
    assert led.value() == 1


def test_the_led_is_dark_one_time_in_four_while_no_tap_counts():
    pins, made = board()
    led = made[NUMBERS["led"]]
    levels = []
    for _ in range(8):
        pins.blink(2)
        levels.append(led.value())
    assert levels == [1, 1, 1, 0] * 2
    pins.blink(False)
    assert led.value() == 0


def test_inputs_are_held_up_and_a_contact_to_ground_counts_as_closed():
    pins, _ = board()
    assert machine.Pin(NUMBERS["brake"]).value() == 1
    contact("brake", True)
    assert pins.levels()["brake"] == 1


def test_a_brake_and_a_door_tell_their_edges_once():
    pins, _ = board()
    told = []
    pins.on_brake = lambda pressed: told.append(("brake", pressed))
    pins.on_door = lambda is_open: told.append(("door", is_open))
    contact("brake", True)
    poll(pins, 10)
    contact("door", True)
    poll(pins, 10)
    contact("brake", False)
    contact("door", False)
    poll(pins, 10)
    assert told == [("brake", True), ("door", True), ("brake", False), ("door", False)]


def test_one_touch_of_the_card_is_one_tap():
    pins, _ = board()
    taps = []
    pins.on_card = lambda: taps.append(1)
    contact("card", True)
    poll(pins, 100)
    contact("card", False)
    poll(pins, 100)
    assert len(taps) == 1
    contact("card", True)
    poll(pins, 3)
    assert len(taps) == 2


def test_a_contact_that_bounces_is_believed_only_when_it_has_settled():
    pins, _ = board()
    taps = []
    pins.on_card = lambda: taps.append(1)
    for closed in (True, False, True, True, False, True, True, False):
        contact("card", closed)
        poll(pins, 1)
    assert not taps
    contact("card", True)
    poll(pins, 2)
    assert not taps
    poll(pins, 1)
    assert len(taps) == 1
    for closed in (False, True, False, False, True, True):
        contact("card", closed)
        poll(pins, 1)
    assert len(taps) == 1


def test_a_brake_held_at_boot_is_told():
    contact("brake", True)
    pressed = []
    wires.Pin = HeldDown
    pins = Pins(NUMBERS)
    pins.on_brake = pressed.append
    poll(pins, 3)
    assert pressed == [True]


class HeldDown(machine.Pin):
    """Every contact is closed from the start, stronger than the pull."""

    def value(self, level=None):
        return 0 if level is None else super().value(level)


def test_a_board_without_some_pins_leaves_them_out():
    pins, made = board({"start": 26, "lock": None, "card": None})
    pins.outputs(Vehicle(lambda: 0))
    pins.blink(True)
    pins.safe()
    poll(pins, 3)
    assert list(made) == [26]
    assert pins.levels() == {"start": 0, "lock": None, "led": None, "card": None, "brake": None, "door": None}


def test_inputs_that_nobody_listens_to_are_read_all_the_same():
    pins, _ = board()
    for name in ("card", "brake", "door"):
        contact(name, True)
    poll(pins, 3)
