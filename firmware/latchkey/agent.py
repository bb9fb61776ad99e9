# SPDX-License-Identifier: Apache-2.0
"""The composition root: who talks to whom, and which tasks run.

`Agent` is the board with its links; `Car` is what a provisioned board holds. A task that dies takes the agent with
it: outputs fall to safe (locked, start off) and the board is reset, because half an agent is worse than a restart.
"""

import asyncio
import sys
import time

import machine

from latchkey import VERSION, config, crypto
from latchkey.clock import Clock
from latchkey.link.serial import SerialLink
from latchkey.store import files, provisioning
from latchkey.vehicle.pins import Pins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from latchkey.car import Car

ROOT = "/data"
_WATCHDOG_MS = 8000
_PROMPT_MS = 604_800_000
_INPUTS_MS = 10
_RESTART_MS = 1000  # long enough for a Ctrl-C between the restarts of an agent that cannot live


class Agent:
    """One board. `car` is None until it is provisioned; then its only use is the bench's `provision`."""

    def __init__(self, board: Any, root: str = ROOT) -> None:
        self.board = board
        self.root = root
        self.clock = Clock()
        self.boot = crypto.random_bytes(4).hex()
        self.network = False
        self.vin: str | None = None
        self.car: Car | None = None
        self.links: list[Any] = []
        self._bench: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self._identity: tuple[bytes, bytes] | None = None
        self.settings = self._load()
        pins = dict(board.PINS)
        if self.settings:
            pins.update(self.settings.pins)
        self.pins = Pins(pins)

    def _load(self) -> config.Config | None:
        stored = provisioning.load(self.root)
        if stored is None:
            return None
        text, private, public = stored
        if private and public:
            self._identity = (private, public)
        settings = config.parse(text, tuple(self.board.PINS))
        self.vin = settings.vin
        return settings

    async def run(self) -> None:
        """Serve until something ends the agent. Raises what a task raised."""
        settings = self.settings
        if settings:
            from latchkey.car import Car

            identity = self._identity or await _new_identity(self.root)
            self.car = Car(self, settings.vin, identity[0], identity[1])
            await self.car.log.flush()  # the number of this boot is written down before anything is made from it
            crypto.stir(identity[0], self.car.log.boot)
        if settings is None or settings.bench:
            self._bench = _bench(self)
        router = self.car.router if self.car else _Unprovisioned()
        serial = SerialLink(router, self._bench, self._hello)
        self.links.append(serial)
        self._start("serial", serial.run())
        if self.car:
            if settings and settings.radio:
                self._start_radio(settings.vin, router)
            for name, task in self.car.tasks():
                self._start(name, task)
            self._start("inputs", self._inputs())
        self.emit({"event": "boot", "boot": self.boot, "cause": machine.reset_cause()})
        await self._housekeeping()

    def emit(self, event: dict[str, Any]) -> None:
        """Tell the bench what happened and why; a car that has none tells nobody."""
        if self.links and self._bench:
            self.links[0].event(event)

    def after(self, ms: int, do: Callable[[], None]) -> None:
        async def later() -> None:
            await asyncio.sleep_ms(ms)
            do()

        self._later = asyncio.create_task(later())

    async def restart(self, ms: int) -> None:
        """A reset that was asked for: answers leave and the log is written first."""
        await asyncio.sleep_ms(ms)
        if self.car:
            await self.car.log.flush()
        self.reset()

    def reset(self) -> None:
        self.pins.safe()
        machine.reset()

    def _start(self, name: str, task: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(self._guard(name, task)))

    async def _guard(self, name: str, task: Coroutine[Any, Any, None]) -> None:
        try:
            await task
            print("task", name, "ended")
        except Exception as error:  # noqa: BLE001 - whatever it was, it ends the agent, loudly
            print("task", name, "died:")
            sys.print_exception(error)
        self.reset()

    async def _housekeeping(self) -> None:
        watchdog = machine.WDT(timeout=_WATCHDOG_MS)
        while True:
            watchdog.feed()
            self.clock.now()
            if self.car:
                self.car.tick()
            await asyncio.sleep_ms(500)

    async def _inputs(self) -> None:
        while True:
            self.pins.read_inputs()
            await asyncio.sleep_ms(_INPUTS_MS)

    def _start_radio(self, vin: str, router: Any) -> None:
        try:
            from latchkey.link.ble import BleLink
        except ImportError as error:
            print("radio: off,", error)  # no Bluetooth in this build, or aioble is not installed
            return
        radio = BleLink(router, vin)
        self.links.append(radio)
        self._start("radio", radio.run())

    def _hello(self) -> dict[str, Any]:
        return {"version": VERSION, "vin": self.vin, "boot": self.boot, "board": self.board.NAME}


class _Unprovisioned:
    """Stands for the router on a board without an identity: it has nothing to sign a reply with."""

    def handle(self, conn: Any, data: memoryview) -> None:
        from latchkey.faults import NOT_PROVISIONED, Unanswerable
        from latchkey.session.reply import Reply
        from latchkey.wire import envelope

        try:
            request = envelope.read(data)
        except Unanswerable:
            return
        Reply(conn, request, b"", lambda conn, message: conn.send(message)).fault(NOT_PROVISIONED)

    def closed(self, conn: Any) -> None:
        pass


async def _new_identity(root: str) -> tuple[bytes, bytes]:
    """A settings file was put on the board by hand: draw the identity that goes with it."""
    private = await crypto.generate_private()
    public = await crypto.public_key(private)
    await provisioning.set_identity(root, private, public)
    return private, public


def _bench(agent: Agent) -> Any:
    try:
        from latchkey.bench import Bench
    except ImportError:
        return None  # a production build does not contain it
    return Bench(agent)


def main(board: Any) -> None:
    """Run the agent. Ctrl-C ends it and gives the REPL back; what cannot be mended by a restart is told in one line."""
    agent: Agent | None = None  # until there is one no output is driven: locked, start off
    try:
        agent = Agent(board)
        print("latchkey", VERSION, agent.vin or "not provisioned", "boot", agent.boot)
        asyncio.run(agent.run())
    except KeyboardInterrupt:
        machine.WDT(timeout=_PROMPT_MS)  # it cannot be stopped, and would restart the board under who types there
        raise
    except config.ConfigError as error:
        print("latchkey: settings refused:", error)
    except files.StoreError as error:
        print("latchkey: store refused:", error)
    except Exception as error:  # noqa: BLE001 - whatever it was: locked, start off, and try again
        sys.print_exception(error)
        if agent:
            agent.pins.safe()
        time.sleep_ms(_RESTART_MS)
        machine.reset()
    finally:
        if agent:
            agent.pins.safe()
