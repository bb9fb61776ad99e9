# SPDX-License-Identifier: Apache-2.0
"""The board with its links and tasks. `start` puts it together; `Car` is what a provisioned board holds.

A task that dies takes the agent with it: outputs fall to safe (locked, start off) and the board is reset, because half
an agent is worse than a restart.
"""

import asyncio
import sys
import time

import machine
from micropython import const

from latchkey import VERSION, crypto
from latchkey.clock import Clock
from latchkey.faults import tell
from latchkey.store.formats import StoreError
from latchkey.vehicle.pins import Pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from latchkey.car import Car

_WATCHDOG_MS = const(8000)
_POLL_MS = const(10)  # between looks at the inputs
_POLLS = const(50)  # between two rounds of housekeeping
_RESTART_MS = const(1000)  # long enough for a Ctrl-C between the restarts of an agent that cannot live


class Agent:
    """One board. `car` is None until it is provisioned; then its only use is the bench's `provision`."""

    def __init__(self, board: Any, root: str = "/data") -> None:
        self.board = board
        self.root = root
        self.clock = Clock()
        self.number: int | None = None  # of this start; None while it is not written down
        self.vin: str | None = None  # None: not provisioned
        self.radio = False
        self.bench: Any = True  # whether there is to be one; then the Bench itself, or None
        self.car: Car | None = None
        self.links: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.identity: tuple[bytes, bytes] | None = None  # private and public key
        self.lost = False  # a car that had one, and had to draw another
        from latchkey import start

        self.pins = Pins(start.load(self))
        self.boot = crypto.random_bytes(4).hex()

    async def run(self) -> None:
        """Serve until something ends the agent. Raises what a task raised."""
        from latchkey import start

        await start.assemble(self)
        del start
        self.forget("latchkey.start", "latchkey.config", "latchkey.keys.changes")
        for name in ("provisioning", "boots", "logreader", "reserve", "journal", "files"):
            self.forget("latchkey.store." + name)
        await self._housekeeping()

    def emit(self, event: dict[str, Any]) -> None:
        """Tell the bench what happened and why; a car that has none tells nobody."""
        if self.links and self.bench:
            self.links[0].event(event)

    def reset(self) -> None:
        self.pins.safe()
        machine.reset()

    def start(self, name: str, task: Coroutine[Any, Any, None], ends: bool = False) -> None:
        """Run a task for ever: its end is the agent's. Of one that `ends`, only what it raises is."""
        running = asyncio.create_task(self._guard(name, task, ends))
        if not ends:
            self._tasks.append(running)

    def forget(self, *names: str) -> None:
        """Drop modules that are done with: nothing else holds them, and whoever needs one again loads it again."""
        for name in names:
            if name in sys.modules:
                package, _, last = name.rpartition(".")
                delattr(sys.modules[package], last)
                del sys.modules[name]

    async def _guard(self, name: str, task: Coroutine[Any, Any, None], ends: bool) -> None:
        error: Any = None
        try:
            await task
            if ends:
                return
        except (Exception, asyncio.CancelledError) as caught:  # noqa: BLE001 - whatever it was, the agent ends, loudly
            error = caught
        self.pins.safe()
        try:
            print("task", name, "died:" if error else "ended")
            if error:
                tell(error)
            time.sleep_ms(_RESTART_MS)
        finally:
            self.reset()

    async def _housekeeping(self) -> None:
        watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        while True:
            watchdog.feed()
            try:
                self.clock.now()
                if self.car:
                    self.car.tick()
                self.links[0].tick()
                for _ in range(_POLLS):
                    self.pins.read_inputs()
                    await asyncio.sleep_ms(_POLL_MS)
            except MemoryError:
                await asyncio.sleep_ms(_POLL_MS)  # what it was for comes round again

    def hello(self) -> dict[str, Any]:
        hello = {
            "version": VERSION,
            "vin": self.vin,
            "boot": self.boot,
            "board": self.board.NAME,
            "cause": machine.reset_cause(),
        }
        if self.lost:
            hello["identity_lost"] = True
        return hello


def main(board: Any, prompt: Any) -> None:
    """Run the agent. With a prompt, Ctrl-C ends it and gives that back; what cannot be mended by a restart is told in
    one line. Without one (a production build), main.py restarts the board whatever this ends by."""
    agent: Agent | None = None  # until there is one no output is driven: locked, start off
    try:
        agent = Agent(board)
        print("latchkey", VERSION, agent.vin or "not provisioned", "boot", agent.boot)
        asyncio.run(agent.run())
    except KeyboardInterrupt:
        if prompt:
            prompt.ended()
            raise
    except StoreError as error:
        print("latchkey:", error.what, "refused:", error)
    except Exception as error:  # noqa: BLE001 - whatever it was: locked, start off, and try again
        tell(error)
        if agent:
            agent.pins.safe()
        time.sleep_ms(_RESTART_MS)
        machine.reset()
    finally:
        if agent:
            agent.pins.safe()
