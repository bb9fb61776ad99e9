# SPDX-License-Identifier: Apache-2.0
"""One board, from power-on to whatever ends it: `start` finds out who it is, `assemble` puts it together, `tasks` keeps
it alive."""

import asyncio
import time

import machine
from micropython import const

from latchkey import forget
from latchkey.faults import tell
from latchkey.store.formats import StoreError
from latchkey.tasks import Tasks
from latchkey.vehicle.pins import Pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RESTART_MS = const(1000)  # long enough for a Ctrl-C between the restarts of an agent that cannot live
# What only a boot needs. The agent drops them when it is over, and so has their memory back.
_DONE_WITH = const((
    "latchkey.assemble",
    "latchkey.start",
    "latchkey.config",
    "latchkey.provisioning",
    "latchkey.keys.changes",
    "latchkey.roster.kept",
    "latchkey.roster.opening",
    "latchkey.store.identity",
    "latchkey.store.calendarfile",
    "latchkey.store.boots",
    "latchkey.store.logreader",
    "latchkey.store.reserve",
    "latchkey.store.journal",
    "latchkey.store.files",
))


class Agent:
    """It drives the outputs from here on: locked, start off. Raises StoreError: no restart can mend what is stored."""

    def __init__(self, board: Any, root: str = "/data") -> None:
        def radio(on: bool) -> None:
            try:
                import bluetooth

                bluetooth.BLE().active(on)
            except Exception:  # noqa: BLE001 - a car without radio is still a car, and link/radio tries again
                pass

        radio(True)  # before Python's heap grows into the memory that its stack needs (docs/performance.md)
        from latchkey.start import Start

        start = Start(board, root)
        if not start.settings.radio:
            radio(False)
        self._start: Start | None = start  # until it has been put together
        self.pins = Pins(start.settings.pins)
        self.tasks = Tasks(self.pins.safe)

    async def run(self) -> None:
        """Serve until something ends the agent. Once only."""
        from latchkey import assemble

        start, self._start = self._start, None
        parts = await assemble.assemble(start, self.pins, self.tasks)  # type: ignore[arg-type] # it is the first time
        del assemble, start
        forget(*_DONE_WITH)
        await self.tasks.watch(parts.tick, self.pins.read_inputs)


def main(board: Any, prompt: Any) -> None:
    """Run the agent. With a prompt, Ctrl-C ends it and gives that back; what cannot be mended by a restart is told in
    one line. Without one (a production build), main.py restarts the board whatever this ends by."""
    try:
        agent = Agent(board)  # until there is one outputs are as boot.py left them: locked, start off
        try:
            asyncio.run(agent.run())
        finally:
            agent.pins.safe()
    except KeyboardInterrupt:
        if prompt:
            prompt.ended()
            raise
    except StoreError as error:
        print("latchkey:", error.what, "refused:", error)
    except Exception as error:  # noqa: BLE001 - whatever it was: locked, start off, and try again
        tell(error)
        time.sleep_ms(_RESTART_MS)
        machine.reset()
