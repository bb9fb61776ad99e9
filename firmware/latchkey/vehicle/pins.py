# SPDX-License-Identifier: Apache-2.0
"""The wires: the only module that touches GPIO.

Outputs are active high: `start` closes the start relay, `lock` holds the doors unlocked, `led` lights. Inputs are
contacts to ground, held up inside the chip: `card` (the card reader's relay), `brake`, `door`. A pin that the board
does not have is None.

A chip that hangs drives its pins on, until boot.py's first act after the restart. So the watchdog is short while the
start relay is closed (docs/hardware.md, "Outputs").
"""

from machine import WDT, Pin
from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.vehicle.state import Vehicle

OUTPUTS = ("start", "lock", "led")
INPUTS = ("card", "brake", "door")
_WATCHDOG_MS = const(8000)  # as in tasks.py
_CLOSED_MS = const(900)  # a restart and what comes before boot.py have the rest of 2 s
_STABLE = const(3)  # polls in a row that a contact must read the same: 20 to 30 ms at one poll in 10 ms


class _Input:
    """A debounced contact: calls changed(closed) once for each edge."""

    def __init__(self, number: int, changed: Callable[[bool], None]) -> None:
        self.pin = Pin(number, Pin.IN, Pin.PULL_UP)
        self._changed = changed
        self._closed = False
        self._polls = 0

    def poll(self) -> None:
        closed = not self.pin.value()
        if closed == self._closed:
            self._polls = 0
            return
        self._polls += 1
        if self._polls == _STABLE:
            self._polls = 0
            self._closed = closed
            self._changed(closed)


class Pins:
    """on_card() is one tap; on_brake(pressed) and on_door(is_open) are edges. All are called from read_inputs."""

    def __init__(self, numbers: dict[str, int | None]) -> None:
        self.on_card: Callable[[], object] | None = None
        self.on_brake: Callable[[bool], None] | None = None
        self.on_door: Callable[[bool], None] | None = None
        self._outputs: dict[str, Pin] = {}
        self._inputs: dict[str, _Input] = {}
        for name in OUTPUTS:
            number = numbers.get(name)
            if number is not None:
                self._outputs[name] = Pin(number, Pin.OUT, value=0)  # set before it drives: a relay never clicks
        for name, changed in zip(INPUTS, (self._card, self._brake, self._door)):
            number = numbers.get(name)
            if number is not None:
                self._inputs[name] = _Input(number, changed)
        self._closed = 0
        self._unlocked = 0
        self._polls = 0

    def outputs(self, vehicle: Vehicle) -> None:
        """Follow the vehicle. The LED is lit while it is unlocked."""
        self._unlocked = 0 if vehicle.locked else 1
        self._drive(1 if vehicle.start_enabled else 0, self._unlocked)

    def blink(self, on: int) -> None:
        """Called about twice a second. 1 turns the LED over (a key waits for the card), 2 leaves it dark one time in
        four (no tap counts just now), 0 shows the lock."""
        led = self._outputs.get("led")
        if led:
            self._polls = (self._polls + 1) % 4
            led.value(min(self._polls, 1) if on > 1 else 1 - led.value() if on else self._unlocked)

    def safe(self) -> None:
        """Locked, and starting off: whatever happened."""
        self._drive(0, 0)

    def read_inputs(self) -> None:
        """Poll the contacts; call it every 10 ms."""
        for name in self._inputs:
            self._inputs[name].poll()

    def levels(self) -> dict[str, int | None]:
        """What each pin says: start 1 is enabled, lock 1 is locked, an input 1 is a closed contact; None is no pin."""
        levels: dict[str, int | None] = dict.fromkeys(OUTPUTS + INPUTS)
        for name in self._outputs:
            levels[name] = self._outputs[name].value() ^ (name == "lock")
        for name in self._inputs:
            levels[name] = 1 - self._inputs[name].pin.value()
        return levels

    def _drive(self, start: int, lock: int) -> None:
        if start and not self._closed:
            WDT(timeout=_CLOSED_MS)
        for name in OUTPUTS:
            if name in self._outputs:
                self._outputs[name].value(start if name == "start" else lock)
        if self._closed and not start:
            WDT(timeout=_WATCHDOG_MS)
        self._closed = start

    def _card(self, closed: bool) -> None:
        if closed and self.on_card:
            self.on_card()

    def _brake(self, closed: bool) -> None:
        if self.on_brake:
            self.on_brake(closed)

    def _door(self, closed: bool) -> None:
        if self.on_door:
            self.on_door(closed)
