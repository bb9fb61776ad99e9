# SPDX-License-Identifier: Apache-2.0
"""Tasks that run for ever, and the watchdog that sees that they do.

A task that dies takes the board with it: half a program is worse than a restart.
"""

import asyncio
import time

import machine
from micropython import const

from latchkey.faults import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

_WATCHDOG_MS = const(8000)  # as in vehicle/pins.py, which shortens it
_POLL_MS = const(10)
_POLLS = const(50)
_RESTART_MS = const(1000)  # as in agent.py


class Tasks:
    """safe() makes the outputs safe; it comes before whatever else an end brings."""

    def __init__(self, safe: Callable[[], None]) -> None:
        self.safe = safe
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, task: Coroutine[Any, Any, None], ends: bool = False) -> None:
        """Run a task for ever: its end is the board's. Of one that `ends`, only what it raises is."""
        running = asyncio.create_task(self._guard(name, task, ends))
        if not ends:
            self.tasks.append(running)

    def reset(self) -> None:
        """Make the outputs safe and restart the board. Does not return."""
        self.safe()
        machine.reset()

    async def watch(self, tick: Callable[[], None], poll: Callable[[], None]) -> None:
        """Tick about twice a second, poll every 10 ms, and feed the watchdog before either; for ever."""
        watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        while True:
            watchdog.feed()
            try:
                tick()
                for _ in range(_POLLS):
                    watchdog.feed()
                    poll()
                    await asyncio.sleep_ms(_POLL_MS)
            except MemoryError:
                await asyncio.sleep_ms(_POLL_MS)  # what it was for comes round again

    async def _guard(self, name: str, task: Coroutine[Any, Any, None], ends: bool) -> None:
        error: Any = None
        try:
            await task
            if ends:
                return
        except (Exception, asyncio.CancelledError) as caught:  # noqa: BLE001 - whatever it was, the board ends, loudly
            error = caught
        self.safe()
        try:
            print("task", name, "died:" if error else "ended")
            if error:
                tell(error)
            time.sleep_ms(_RESTART_MS)
        finally:
            self.reset()
