# SPDX-License-Identifier: Apache-2.0
"""A provisioned car: keys, sessions, vehicle and router wired together."""

import asyncio
import time

from micropython import const

from latchkey.clock import elapsed
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import key_id
from latchkey.router import Router
from latchkey.session.sessions import Sessions
from latchkey.store.accesslog import AccessLog
from latchkey.vehicle.state import Vehicle
from latchkey.wire import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from latchkey.agent import Agent
    from latchkey.keys.enrolment import Enrolment
    from latchkey.keys.loading import Loading
    from latchkey.keys.record import Record
    from latchkey.router import Connection

_PAUSE_MS = const(1000)  # after a phone's last command: its answer has arrived
_LOG_MS = const(20)  # in which the answer leaves: a flash can take longer to write than all the rest


class Car:
    def __init__(self, agent: Agent, vin: str, private: bytes, public: bytes, number: int) -> None:
        self._agent = agent
        self.log = AccessLog(agent.root, agent.clock.now, number)
        self.keychain = Keychain(agent.root, self._report, key_id(public))
        self.keychain.open()
        self.sessions = Sessions(self.keychain, agent.clock, public)
        self.vehicle = Vehicle(agent.clock.now)
        self.enrolment: Enrolment | Loading | None = None  # while somebody asks
        self._private = private
        self.router = Router(
            vin.encode(),
            self.sessions,
            self.keychain,
            self._enrol,
            self.vehicle,
            agent.clock,
            self._record,
            agent.emit,
        )
        self._flush = asyncio.Event()
        pins = agent.pins
        pins.on_card = self.tap
        pins.on_brake = self.vehicle.brake
        pins.on_door = lambda is_open: self.vehicle.door(0, is_open)
        self.vehicle.on_change = self._changed
        pins.outputs(self.vehicle)
        self._record("boot", None, None, 0, 0)

    def tasks(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        """The tasks without which there is no car, by name."""
        return (("log", self._write_log()),)

    def tick(self) -> None:
        """Housekeeping, about twice a second."""
        self.vehicle.tick()
        enrolment = self.enrolment
        if enrolment:
            if enrolment.tick():  # over: whoever asks next has it loaded again
                self.enrolment = None
                self._agent.forget(*enrolment.modules)
            self._agent.pins.blink(2 if enrolment.collision else enrolment.pending is not None)
        if self.log.due():
            self._flush.set()
        self._tell_phones()

    def tap(self) -> bytes | None:
        """The card was tapped. Returns the id of the key this approves, or None."""
        approved = self.enrolment.tap() if self.enrolment else None
        try:
            self._agent.emit({"event": "tap", "key": approved.hex() if approved else None})
        except MemoryError:
            pass
        return approved

    def _enrol(self, operation: memoryview, reply: Any, actor: Record | None) -> None:
        """A key operation: has enrolment loaded when it is not."""
        if self.enrolment is None:
            from latchkey.keys.loading import Loading  # and the rest of it by and by

            self.enrolment = Loading(self, self._agent, self._private, self._record)
        self.enrolment.ask(operation, reply, actor)

    def _changed(self) -> None:
        self._agent.pins.outputs(self.vehicle)
        self.router.relayed()
        try:
            for link in self._agent.links:
                for phone in link.everybody():
                    phone.untold = True
            self._agent.emit({"event": "state", "locked": self.vehicle.locked, "start": self.vehicle.start_enabled})
        except MemoryError:
            pass  # they hear less: the change is made, and nothing about it may fail

    def _tell_phones(self) -> None:
        """Tell the state to the phones that do not have it from the answer to their command. One that is giving
        commands is told when it pauses: clients take a state that comes amid their commands for the answer to the one
        under way, and that answer for the next one's."""
        status = b""
        now = time.ticks_ms()
        try:
            for link in self._agent.links:
                for phone in link.everybody():
                    if phone.untold and elapsed(now, phone.authenticated_ms) >= _PAUSE_MS:
                        status = status or answers.broadcast(answers.vehicle_status(self.vehicle))
                        phone.tell(status)
                        phone.untold = False
        except MemoryError:
            pass  # the next time

    def _record(
        self, kind: str, conn: Connection | None, key_id: bytes | None, command: int, outcome: int, detail: int = 0
    ) -> None:
        self.log.append(kind, conn.name if conn else "", key_id, command, outcome, detail)
        if self.log.due():
            self._flush.set()

    async def _write_log(self) -> None:
        while True:
            try:
                await self._flush.wait()
                await asyncio.sleep_ms(_LOG_MS)
                self._flush.clear()
                await self.log.flush()
            except MemoryError:  # it keeps what it has not written, and is due again
                await asyncio.sleep_ms(_LOG_MS)

    def _report(self, why: str) -> None:
        print("keychain:", why)
