# SPDX-License-Identifier: Apache-2.0
"""The `machine` module of the simulated board: pins that only remember, and a reset that ends the process."""

import os
import struct
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
_PINS = 49  # as many as the largest of the chips has


class Pin:
    """Two objects of one number are one pin. An input with nothing on it follows its pull.

    What is driven high is in a file, a byte a pin, for who looks from outside. It stays so when this process ends, as
    on an ESP32, until the power is cut.
    """

    IN = 1
    OUT = 3
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    _levels: dict[int, int] = {}
    _driven: set[int] = set()

    def __init__(self, number: int, mode: int = -1, pull: int | None = -1, value: int | None = None) -> None:
        if not 0 <= number < _PINS:
            raise ValueError("invalid pin")
        self.number = number
        self.init(mode, pull, value=value)

    def init(self, mode: int = -1, pull: int | None = -1, value: int | None = None) -> None:
        if value is None and pull in (Pin.PULL_UP, Pin.PULL_DOWN):
            value = int(pull == Pin.PULL_UP)
        if value is not None:
            Pin._levels[self.number] = 1 if value else 0
        if mode == Pin.OUT:
            Pin._driven.add(self.number)
            _show(self.number, Pin._levels.get(self.number, 0))
        elif mode == Pin.IN:
            Pin._driven.discard(self.number)
            _show(self.number, 0)

    def value(self, level: int | None = None) -> int | None:
        if level is None:
            return Pin._levels.get(self.number, 0)
        Pin._levels[self.number] = 1 if level else 0
        if self.number in Pin._driven:
            _show(self.number, Pin._levels[self.number])
        return None

    def __call__(self, level: int | None = None) -> int | None:
        return self.value(level)

    def on(self) -> None:
        self.value(1)

    def off(self) -> None:
        self.value(0)

    def irq(self, handler: "Callable[[Pin], None] | None" = None, trigger: int = 3, **rest: "Any") -> None:
        pass  # levels change only from code here, which polls


def _show(number: int, level: int) -> None:
    if _wires:
        _wires.seek(number)
        _wires.write(b"\x01" if level else b"\x00")


class _Watchdog:
    """The program that runs the board ends this process when the file has not changed for the timeout in it."""

    def __init__(self) -> None:
        self._beat = bytearray(8)  # timeout and count: a beat takes no memory, as on a board
        self.count = 0
        self._fed = 0

    def start(self, timeout: int) -> None:
        struct.pack_into("<I", self._beat, 0, timeout)
        self.beat()

    def feed(self) -> None:
        if ((ticks_ms() - self._fed) & 0x3FFFFFFF) >= _FEED_MS:
            self.beat()

    def beat(self) -> None:
        self._fed = ticks_ms()
        self.count += 1
        struct.pack_into("<I", self._beat, 4, self.count)
        if _heartbeat:
            _heartbeat.seek(0)
            _heartbeat.write(self._beat)


def WDT(id: int = 0, timeout: int = 5000) -> _Watchdog:
    """There is one: asking for it again changes its timeout."""
    _watchdog.start(timeout)
    return _watchdog


def _open(name: str, mode: str) -> "Any":
    """A file that the program which runs the board knows of. It is unbuffered, and outlives a file system."""
    path = os.getenv(name)
    return open(path, mode) if path else None  # as long as the board has power


_watchdog = _Watchdog()
_heartbeat = _open("LATCHKEY_HEARTBEAT", "wb")
_wires = _open("LATCHKEY_PINS", "r+b")
if _wires:
    for number, level in enumerate(_wires.read(_PINS)):
        if level:
            Pin._levels[number] = level
            Pin._driven.add(number)


def power_cut() -> "NoReturn":
    """What no board can do to itself: nothing is driven any more, and then it starts anew."""
    for number in range(_PINS):
        _show(number, 0)
    reset()


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
