# SPDX-License-Identifier: Apache-2.0
"""What `assemble` has put together, for who has to see all of it: the loop, and the bench."""

import machine

from latchkey import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.car import Car
    from latchkey.clock import Clock
    from latchkey.config import Settings
    from latchkey.link.radio import Radio
    from latchkey.link.serial import SerialLink
    from latchkey.sync import Sync
    from latchkey.tasks import Tasks
    from latchkey.vehicle.pins import Pins


class Parts:
    """`boot` is a random name of this start. `links` are the serial port and, where there is one, the radio; `car` is
    None while there is none, and `sync` where nothing is fetched."""

    def __init__(
        self, board: Any, root: str, settings: Settings, clock: Clock, pins: Pins, tasks: Tasks, boot: str
    ) -> None:
        self.board = board
        self.root = root
        self.settings = settings
        self.clock = clock
        self.pins = pins
        self.tasks = tasks
        self.boot = boot
        self.links: list[Any] = []
        self.serial: SerialLink | None = None
        self.radio: Radio | None = None
        self.car: Car | None = None
        self.sync: Sync | None = None
        self.lost = False  # a car that had an identity, and had to draw another

    def tick(self) -> None:
        """Housekeeping, about twice a second."""
        if self.clock.now() >= self.clock.due:
            from latchkey.store import calendarfile  # rare

            calendarfile.start(self.clock, self.root)
        if self.car:
            self.car.tick()
        if self.serial:
            self.serial.tick()
        if self.settings.wifi and self.car:
            roster = self.car.desk.keychain.roster
            if roster and (self.sync is None or self.sync.authority is not roster):
                from latchkey.sync import Sync

                self.sync = Sync(self, roster, self._fetched)
        if self.sync:
            self.sync.tick()

    async def _fetched(self, parcel: memoryview) -> bool:
        from latchkey import courier

        return await courier.fetched(self, parcel)

    def hello(self) -> dict[str, Any]:
        """What the board says of itself to who comes to the serial port."""
        hello = {
            "version": VERSION,
            "vin": self.settings.vin,
            "boot": self.boot,
            "board": self.board.NAME,
            "cause": machine.reset_cause(),
        }
        if self.lost:
            hello["identity_lost"] = True
        return hello
