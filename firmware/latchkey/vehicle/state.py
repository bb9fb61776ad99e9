# SPDX-License-Identifier: Apache-2.0
"""The state machine: locks, the start window, sleep, closures, and who is in the car. No I/O, and no time of its own.

After a reset it is locked, closed and not enabled to start. Every method changes all that it should and calls
`on_change` once if anything did change, or raises Refused and has changed nothing.
"""

from micropython import const

from latchkey.wire.schema import ClosureMoveType, GenericError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_START_SECONDS = const(120)
_SLEEP_SECONDS = const(600)

_CLOSURES = const(8)  # in the order of vcsec.proto, ClosureStatuses
_DOORS = const(4)  # the first of them: with one open the car does not lock


class Refused(Exception):
    """The vehicle's state does not allow it; `code` is a GenericError_E."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Vehicle:
    """now() is seconds that never step back. `tick` has to be called at least every second."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.on_change: Callable[[], None] | None = None
        self.locked = True
        self.start_enabled = False
        self.asleep = False
        self.user_present = False  # opened a door or pressed the brake since the car was last locked
        self.brake_pressed = False
        self.closures = bytearray(_CLOSURES)  # 1 is open
        self._start_ends = 0
        self._active_at = now()
        self._changed = False

    # Commands

    def unlock(self) -> None:
        """Always possible."""
        self.locked = self._set(self.locked, False)
        self._active()

    def lock(self) -> None:
        """Refused while a door is open. A locked car does not start."""
        self._lock()
        self._active()

    def secure(self) -> None:
        """Close what moves by itself and lock: refused as lock is."""
        self._lock()
        for i in range(_DOORS, len(self.closures)):
            self._closure(i, False)
        self._active()

    def start(self) -> None:
        """Enable starting for two minutes from now, or until the car is driven or locked."""
        self._start_ends = self._now() + _START_SECONDS
        self.start_enabled = self._set(self.start_enabled, True)
        self._active()

    def wake(self) -> None:
        """It is awake for a while, and nothing else."""
        self._active()

    def move(self, moves: dict[int, int]) -> None:
        """Move closures, by their number in a ClosureMoveRequest: what one is told that is no move leaves it alone."""
        for number in moves:
            index = number - 1
            move = moves[number]
            if move == ClosureMoveType.MOVE:
                move = ClosureMoveType.CLOSE if self.closures[index] else ClosureMoveType.OPEN
            if move == ClosureMoveType.OPEN:
                self._closure(index, True)
            elif move == ClosureMoveType.CLOSE:
                self._closure(index, False)
        self._active()

    # Inputs

    def brake(self, pressed: bool) -> None:
        """Pressing it with starting enabled is driving off, and uses the enablement up."""
        if pressed != self.brake_pressed:
            self.brake_pressed = self._set(self.brake_pressed, pressed)
            if pressed:
                self._stop()
                self.user_present = self._set(self.user_present, True)
            self._active()

    def door(self, index: int, is_open: bool) -> None:
        """A closure was opened or closed by hand."""
        if is_open != bool(self.closures[index]):
            self._closure(index, is_open)
            if is_open and index < _DOORS:
                self.user_present = self._set(self.user_present, True)
            self._active()

    def tick(self) -> None:
        """What happens by time alone: the start window ends, and a car left locked goes to sleep."""
        if self.start_enabled and self._now() >= self._start_ends:
            self._stop()
        idle = self.locked and not self.start_enabled and not self.brake_pressed
        if idle and self._now() - self._active_at >= _SLEEP_SECONDS:
            self.asleep = self._set(self.asleep, True)
        self._tell()

    # What it is like now

    def start_left(self) -> int:
        """Seconds for which the car can still be started."""
        return max(0, self._start_ends - self._now()) if self.start_enabled else 0

    def _lock(self) -> None:
        for i in range(_DOORS):
            if self.closures[i]:
                raise Refused(GenericError.CLOSURES_OPEN)
        self.locked = self._set(self.locked, True)
        self.user_present = self._set(self.user_present, self.brake_pressed)
        self._stop()

    def _stop(self) -> None:
        self.start_enabled = self._set(self.start_enabled, False)

    def _closure(self, index: int, is_open: bool) -> None:
        self.closures[index] = self._set(bool(self.closures[index]), is_open)

    def _set(self, old: bool, new: bool) -> bool:
        if old != new:
            self._changed = True
        return new

    def _active(self) -> None:
        """Somebody did something: the car is awake, and says what changed."""
        self._active_at = self._now()
        self.asleep = self._set(self.asleep, False)
        self._tell()

    def _tell(self) -> None:
        if self._changed:
            self._changed = False
            if self.on_change:
                self.on_change()
