# SPDX-License-Identifier: Apache-2.0
"""The time of a test's car, as its owner tells it."""

from __future__ import annotations

import time
from collections.abc import Callable

from host_tools.faults import Refused
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.owner import Owner
from host_tools.serial.bench import Bench

DAY = 86400
_PATIENCE = 10.0


def told(owner: Phone) -> ours.TimeAnswer:
    """What the car goes by: an owner who is that wrong tells it nothing."""
    return Owner(owner).tell_time(0)


def tell(owner: Phone, seconds: int, anyway: bool = False) -> ours.TimeAnswer:
    """Have the owner say so, without a card. Raises Refused."""
    return Owner(owner).tell_time(seconds, anyway)


def set_time(car: Bench, owner: Phone, seconds: int) -> None:
    """Whatever it was: with the card, where it takes that. A little back it does not go: so first it goes far ahead."""
    if seconds < told(owner).time <= seconds + DAY:
        tell(owner, seconds + 3 * DAY, True)
    answer = Owner(owner).tell_time(seconds, True, car.tap)
    assert abs(answer.time - seconds) <= DAY and answer.known
    car.clock(4)  # a tap is over, and so is what has to be remembered of it


def pass_by(car: Bench, seconds: int) -> None:
    """Let time pass, and the car's housekeeping write down what there is to."""
    car.clock(seconds)
    time.sleep(1.2)


def soon(done: Callable[[], object]) -> None:
    """Do it as soon as it is done."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            done()
            return
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
