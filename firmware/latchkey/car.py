# SPDX-License-Identifier: Apache-2.0
"""A provisioned car at work: its outputs follow the vehicle, its phones are told, and time passes."""

import time

from micropython import const

from latchkey.clock import elapsed
from latchkey.wire import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.keys.desk import Desk
    from latchkey.store.accesslog import AccessLog
    from latchkey.vehicle.pins import Pins
    from latchkey.vehicle.state import Vehicle

_PAUSE_MS = const(1000)  # after a phone's last command: its answer has arrived


class Car:
    """emit(dict), where there is a bench, tells it."""

    def __init__(
        self,
        vehicle: Vehicle,
        pins: Pins,
        log: AccessLog,
        desk: Desk,
        links: list[Any],
        emit: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.vehicle = vehicle
        self.log = log
        self.desk = desk
        self.pins = pins
        self.links = links
        self._emit = emit
        pins.on_card = self.tap
        pins.on_brake = vehicle.brake
        pins.on_door = lambda is_open: vehicle.door(0, is_open)
        vehicle.on_change = self._changed
        pins.outputs(vehicle)

    def tick(self) -> None:
        """Housekeeping, about twice a second."""
        self.vehicle.tick()
        blink = self.desk.tick()
        if blink is not None:
            self.pins.blink(blink)
        self.log.tick()
        self._tell_phones()

    def tap(self) -> bytes | None:
        """The card was tapped. Returns the id of the key this approves, or None."""
        approved = self.desk.tap()
        if self._emit:
            try:
                self._emit({"event": "tap", "key": approved.hex() if approved else None})
            except MemoryError:
                pass
        return approved

    def _changed(self) -> None:
        self.pins.outputs(self.vehicle)
        try:
            for link in self.links:
                for phone in link.everybody():
                    phone.untold = True
            if self._emit:
                self._emit({"event": "state", "locked": self.vehicle.locked, "start": self.vehicle.start_enabled})
        except MemoryError:
            pass  # they hear less: the change is made, and nothing about it may fail

    def _tell_phones(self) -> None:
        """Tell the state to the phones that do not have it from the answer to their command. One that is giving
        commands is told when it pauses: clients take a state that comes amid their commands for the answer to the one
        under way, and that answer for the next one's."""
        status = b""
        now = time.ticks_ms()
        try:
            for link in self.links:
                for phone in link.everybody():
                    if phone.untold and elapsed(now, phone.authenticated_ms) >= _PAUSE_MS:
                        status = status or answers.broadcast(answers.vehicle_status(self.vehicle))
                        phone.tell(status)
                        phone.untold = False
        except MemoryError:
            pass  # the next time
