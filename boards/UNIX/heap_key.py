# SPDX-License-Identifier: Apache-2.0
"""A key is enrolled in the car that runs here (heap.py): loaded when that has booted, so that nothing of it is there
before."""

import asyncio

from latchkey import car
from latchkey.link.serial import SerialConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WHILE_MS = 20
_ANSWER_MS = 200  # and the log is written before it
_OVER = 60  # seconds after which nothing is remembered


async def enrol(request: bytes, tell: "Callable[[str], None]") -> None:
    """The key comes to the serial port, the card is tapped, and time passes until the modules are dropped."""
    running = await _car()
    desk = running.desk
    serial = running.links[0]
    serial.handle(SerialConnection(serial, 1), memoryview(request))
    while not (desk.enrolment and desk.enrolment.pending):
        await asyncio.sleep_ms(_WHILE_MS)
    running.tap()
    while not desk.keychain.count:
        await asyncio.sleep_ms(_WHILE_MS)
    await asyncio.sleep_ms(_ANSWER_MS)
    tell("key operation")
    desk.clock.advance(_OVER)
    while desk.enrolment:
        await asyncio.sleep_ms(_WHILE_MS)
    tell("after it")


async def _car() -> "car.Car":
    """The car at work, as its next housekeeping shows it."""
    there: "list[car.Car]" = []
    kind: Any = car.Car
    tick = kind.tick

    def noted(self: "car.Car") -> None:
        there.append(self)
        kind.tick = tick
        tick(self)

    kind.tick = noted
    while not there:
        await asyncio.sleep_ms(_WHILE_MS)
    return there[0]
