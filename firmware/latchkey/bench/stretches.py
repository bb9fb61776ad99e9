# SPDX-License-Identifier: Apache-2.0
"""How long the loop was held at a time, and by whom: asyncio waits between every two steps of its tasks, and there the
clock is looked at."""

import asyncio
from time import ticks_us

from latchkey.clock import elapsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from latchkey.tasks import Tasks


class Stretches:
    """`us` is the longest since it was last set to 0, `who` the task or else the function that had it. What comes
    before the first wait is a start, and counts for nothing."""

    def __init__(self, tasks: Tasks) -> None:
        self.us = 0
        self.who = ""
        self._running: dict[str, Any] = {}
        self._began = -1
        core: Any = asyncio.core  # type: ignore[attr-defined] # the board's
        queue = core._io_queue
        guard = tasks._guard

        def guarded(name: str, task: Coroutine[Any, Any, None], ends: bool) -> Coroutine[Any, Any, None]:
            running = self._running[name] = self._until(name, guard(name, task, ends))
            return running

        def wait(ms: int) -> None:
            took = elapsed(ticks_us(), self._began) if self._began >= 0 else 0
            if took > self.us and core.cur_task:
                self.us = took
                self._name(core.cur_task.coro)
            queue.__class__.wait_io_event(queue, ms)
            self._began = ticks_us()

        tasks._guard = guarded  # type: ignore[method-assign]
        queue.wait_io_event = wait

    async def _until(self, name: str, task: Coroutine[Any, Any, None]) -> None:
        """One that has ended is let go: with it goes all that it had loaded."""
        try:
            await task
        finally:
            self._running.pop(name, None)

    def _name(self, running: Any) -> None:
        try:
            self.who = repr(running).split("'")[1]
            for name, task in self._running.items():
                if task is running:
                    self.who = name
        except MemoryError:
            self.who = "?"
