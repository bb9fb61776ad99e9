# SPDX-License-Identifier: Apache-2.0
"""Loads enrolment when a key asks for something, which may be never.

A stranger can bring that about, so it takes no more of the loop at a time than a command: the request waits while its
modules are loaded, and others have their turn between them. What is loaded is dropped again when the heap has no room
for all of it: that costs the requests that waited, and the next one tries anew.
"""

import asyncio
import gc
import sys
from time import ticks_ms

from micropython import const

from latchkey.clock import elapsed
from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.agent import Agent
    from latchkey.keys.record import Record


_STRETCH_MS = const(10)  # then others have their turn: the next module may take twice as long
# In an order in which each needs only those before it.
_MODULES = (
    "latchkey.wire.keymessages",
    "latchkey.keys.answers",
    "latchkey.crypto.p256",
    "latchkey.crypto.publickey",
    "latchkey.keys.labels",
    "latchkey.keys.whitelist",
    "latchkey.keys.card",
    "latchkey.keys.report",
    "latchkey.store.files",
    "latchkey.store.journal",
    "latchkey.store.reserve",
    "latchkey.keys.changes",
    "latchkey.keys.enrolment",
)


class Loading:
    """Stands where the car's enrolment will be: nothing is pending here, and a tap approves nobody."""

    pending = None
    collision = 0
    modules: tuple[str, ...] = ()

    def __init__(self, car: Any, agent: Agent, private: bytes, record: Callable[..., None]) -> None:
        self._car = car
        self._agent = agent
        self._private = private
        self._record = record
        self._task: asyncio.Task[None] | None = None
        self._asked: list[tuple[bytes, Any, Record | None]] = []

    def ask(self, operation: memoryview, reply: Any, actor: Record | None) -> None:
        """The first one waits, and two that nobody signed: a tap must not mean one because the other came too early.
        Raises Fault BUSY for all others."""
        unsigned = 0
        for held in self._asked:
            if not held[2]:
                unsigned += 1 if held[1].conn is not reply.conn or held[0] != operation else 2
        if self._asked and (actor or unsigned >= 2):
            raise Fault(MessageFault.BUSY, "enrolment is being loaded")
        if self._task is None:
            self._task = asyncio.create_task(self._load())
        self._asked.append((bytes(operation), reply, actor))

    def tick(self) -> bool:
        """It is not over yet."""
        return False

    def tap(self) -> None:
        return None

    async def _load(self) -> None:
        car = self._car
        began = ticks_ms()
        error: Exception | None = None
        try:
            for name in _MODULES:
                if name not in sys.modules:
                    __import__(name)
                if elapsed(ticks_ms(), began) >= _STRETCH_MS:
                    await asyncio.sleep_ms(0)
                    began = ticks_ms()
            self._begin()
        except Exception as failed:  # noqa: BLE001 - a file that was read wrongly is no reason to stay closed
            car.enrolment = None
            gc.collect()  # forgetting takes some memory, too
            self._agent.forget(*_MODULES)  # all: an attempt before this one may have left some
            error = Fault(MessageFault.BUSY, repr(failed))
        for operation, reply, actor in self._asked:
            try:
                if error:
                    raise error
                car.enrolment.ask(operation, reply, actor)
            except Exception as refused:  # noqa: BLE001 - the router tells it, as it does for messages at hand
                car.router.failed(reply.conn, reply, refused)

    def _begin(self) -> None:
        from latchkey.keys.enrolment import Enrolment
        from latchkey.keys.report import Report

        car = self._car
        clock = self._agent.clock
        report = Report(self._record, self._agent.emit)
        flush = car.log.flush
        run = self._agent.start
        # The arithmetic stays: the bench counts its operations.
        names = tuple([name for name in _MODULES if "crypto" not in name])
        car.enrolment = Enrolment(car.keychain, car.sessions, clock, self._private, report, flush, run, names)
        self._agent.forget("latchkey.keys.loading")
