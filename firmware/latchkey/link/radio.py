# SPDX-License-Identifier: Apache-2.0
"""Keeps the radio up: one that does not come up, or dies, is tried again later, and the car serves meanwhile.

Whatever fails leaves nothing behind: phones are closed and the stack is stopped. Its modules stay loaded, as a heap in
use may have no room to load them again, unless it was the loading that failed: aioble keeps that to itself.
"""

import asyncio
import gc
import sys

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.link.connection import Connection

_SHORTEST = const(5)  # seconds between two attempts, twice as many after each
_LONGEST = const(300)
_LOOK_MS = const(100)


def _ble() -> Any:
    from latchkey.link.ble import BleLink

    return BleLink


def _forget() -> None:
    """Drop the modules that may be half loaded, all of them: what they have registered with each other goes too."""
    package: Any = sys.modules["latchkey.link"]
    for name in list(sys.modules):
        if name.startswith("aioble"):
            del sys.modules[name]
        elif name.startswith("latchkey.link.ble"):
            del sys.modules[name]
            delattr(package, name[14:])  # after latchkey.link.


class Radio:
    """Stands among the links for a BleLink that may not be there. `trouble` says why it is not, or is empty."""

    def __init__(
        self,
        handle: Callable[[Connection, memoryview], None],
        vin: str,
        clock: Clock,
        emit: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self._handle = handle
        self._vin = vin
        self._clock = clock
        self._emit = emit
        self._link: Any = None
        self._serving = False
        self._paused = False
        self.trouble = ""

    @property
    def phones(self) -> int:
        """How many are connected."""
        return self._link.phones if self._link else 0

    def everybody(self) -> Any:
        """The phones that are connected."""
        return self._link.everybody() if self._link else ()

    async def pause(self) -> None:
        """Switch it off until `resume`: everybody is gone."""
        self._paused = True
        if self._serving:
            self._link.end()
        while self._serving:
            await asyncio.sleep_ms(_LOOK_MS)

    def resume(self) -> None:
        """It comes on again, as soon as it can."""
        self._paused = False

    async def run(self) -> None:
        """Never ends."""
        clock = self._clock
        pause = _SHORTEST
        while True:
            await self._hold()
            began = clock.now()
            try:
                if self._link is None:
                    self._link = _ble()(self._handle, self._vin)
                self._link.open()
                self._tell("")
                self._serving = True
                await self._link.run()
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a car without radio is still a car
                self._serving = False
                try:
                    gc.collect()
                    self._close(isinstance(error, (OSError, MemoryError, asyncio.CancelledError)))
                    self._tell("paused" if self._paused else repr(error))
                except MemoryError:
                    pass  # the next attempt fails, and tidies up, or does not need to
            if await self._hold():
                continue  # at once
            if clock.now() - began > _LONGEST:
                pause = _SHORTEST
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST)

    async def _hold(self) -> bool:
        """Wait while it is paused; whether it was."""
        held = self._paused
        while self._paused:
            await asyncio.sleep_ms(_LOOK_MS)
        return held

    def _close(self, sound: bool) -> None:
        if self._link:
            self._link.close()
            if not sound:
                self._link = None
        if self._link is None:
            _forget()

    def _tell(self, trouble: str) -> None:
        """Once for each trouble, and when it is over."""
        if trouble != self.trouble:
            self.trouble = trouble
            print("radio: off, " + trouble if trouble else "radio: on again")
            if self._emit:
                self._emit({"event": "radio", "on": not trouble, "why": trouble})
