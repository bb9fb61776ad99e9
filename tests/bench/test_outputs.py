# SPDX-License-Identifier: Apache-2.0
"""The start relay of a car that hangs, as somebody sees it who holds a meter to the pin: what drives a pin of an ESP32
goes on when its program does not, and through the restart that ends that (tests/host/test_sim_pins.py)."""

from __future__ import annotations

import contextlib
import time

import pytest

from host_tools.faults import NoAnswer
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard

pytestmark = pytest.mark.usefixtures("resting")

START, LOCK, LED = 26, 27, 2  # boards/UNIX/board.py
WITHIN = 2.0  # seconds from the beginning of a hang: what is asked of the car, and no guess at a machine's speed
EVER = 30.0


def test_a_hang_opens_the_start_relay_within_two_seconds(car: Bench, owner: Phone, simulated: SimulatedBoard) -> None:
    owner.unlock()
    owner.start()
    assert [simulated.level(pin) for pin in (START, LOCK, LED)] == [1, 1, 1]
    boot, began = car.boot, time.monotonic()
    with contextlib.suppress(NoAnswer):
        car.request("hang", ms=60_000, timeout=0.1)
    while simulated.level(START) and time.monotonic() - began < EVER:
        time.sleep(0.005)
    assert time.monotonic() - began < WITHIN
    car.wait_boot(boot)
    assert [simulated.level(pin) for pin in (START, LOCK, LED)] == [0, 0, 0]
    assert car.hello["cause"] == 3, "the watchdog's"
    owner.connection = car.connect()


def test_a_car_that_is_not_started_has_time_for_what_takes_long(
    car: Bench, owner: Phone, simulated: SimulatedBoard
) -> None:
    """A relay that has opened again leaves no short watchdog behind."""
    owner.start()
    owner.lock()
    boot = car.boot
    car.request("hang", ms=2500)
    assert car.boot == boot and simulated.level(START) == 0
