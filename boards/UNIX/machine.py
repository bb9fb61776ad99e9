# SPDX-License-Identifier: Apache-2.0
"""The `machine` module of the simulated board: pins that only remember, and a reset that ends the process."""

import os
from time import ticks_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_FEED_MS = 100  # the watchdog's file is not written more often


class Pin:
    """Two objects of one number are one pin. An input with nothing on it follows its pull."""

    IN = 1
    OUT = 3
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    _levels: dict[int, int] = {}

    def __init__(self, number: int, mode: int = -1, pull: int | None = -1, value: int | None = None) -> None:
        self.number = number
        self.init(mode, pull, value=value)

    def init(self, mode: int = -1, pull: int | None = -1, value: int | None = None) -> None:
        if value is None and pull in (Pin.PULL_UP, Pin.PULL_DOWN):
            value = int(pull == Pin.PULL_UP)
        if value is not None:
            Pin._levels[self.number] = 1 if value else 0

    def value(self, level: int | None = None) -> int | None:
        if level is None:
            return Pin._levels.get(self.number, 0)
        Pin._levels[self.number] = 1 if level else 0
        return None

    def __call__(self, level: int | None = None) -> int | None:
        return self.value(level)

    def on(self) -> None:
        self.value(1)

    def off(self) -> None:
        self.value(0)

    def irq(self, handler: "Callable[[Pin], None] | None" = None, trigger: int = 3, **rest: "Any") -> None:
        pass  # levels change only from code here, which polls


class WDT:
    """The program that runs the board ends this process when the file has not changed for `timeout`."""

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        self._path = os.getenv("LATCHKEY_HEARTBEAT")
        self._timeout = timeout
        self._count = 0
        self._beat()

    def feed(self) -> None:
        if ((ticks_ms() - self._fed) & 0x3FFFFFFF) >= _FEED_MS:
            self._beat()

    def _beat(self) -> None:
        self._fed = ticks_ms()
        self._count += 1
        if self._path:
            with open(self._path, "w") as f:
                f.write("%d %d" % (self._timeout, self._count))


def reset() -> "NoReturn":
    """A real reset: this process ends on the spot, and the board starts as a new one."""
    while True:
        os.system("kill -9 $PPID")  # the shell's parent: this process


def reset_cause() -> int:
    return int(os.getenv("LATCHKEY_RESET_CAUSE") or PWRON_RESET)


def unique_id() -> bytes:
    return b"\x02\x00\x00\x00\x00\x01"


def freq(hz: int | None = None) -> int:
    return 240_000_000
