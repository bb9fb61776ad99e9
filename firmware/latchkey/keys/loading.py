# SPDX-License-Identifier: Apache-2.0
"""Loads enrolment when a key asks for something, which may be never.

A stranger can bring that about, so it takes no more of the loop at a time than a command: the request waits while its
modules are loaded, and others have their turn between them. What is loaded is dropped again when the heap has no room
for all of it: that costs the requests that waited, and one that comes a while later tries anew (desk.py).
"""

import asyncio
import gc

from micropython import const

from latchkey import forget, load
from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.keys.enrolment import Enrolment, Reply, Sessions
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.link.connection import Connection
    from latchkey.store.accesslog import AccessLog

    class Desk(Protocol):
        """Whom it stands in for enrolment at, and what that is made of (keys/desk.py)."""

        clock: Clock
        keychain: Keychain
        sessions: Sessions
        private: bytes
        log: AccessLog
        run: Callable[[str, Coroutine[Any, Any, None], bool], None]
        emit: Callable[[dict[str, Any]], None] | None
        failed: Callable[[Connection, Any, Exception], None]
        enrolment: "Enrolment | Loading | None"
        since: int


_WHITELIST = const("latchkey.keys.whitelist")
# In an order in which each needs only those before it.
_MODULES = (
    "latchkey.crypto.publickey",
    "latchkey.keys.asked",
    "latchkey.keys.card",
    "latchkey.keys.report",
    "latchkey.store.files",
    "latchkey.store.journal",
    "latchkey.store.reserve",
    "latchkey.keys.changes",
    "latchkey.keys.enrolment",
)
# What only a whitelist operation needs, of all that is asked.
_OPERATIONS = (
    "latchkey.wire.keymessages",
    "latchkey.keys.answers",
    "latchkey.keys.labels",
    "latchkey.keys.whitelist",
)
# What publickey loads.
_ARITHMETIC = ("latchkey.crypto.p256", "latchkey.crypto.points", "latchkey.crypto.points_plain")
# What is loaded for some requests only.
_KINDS = (
    "latchkey.roster.contact",
    "latchkey.roster.install",
    "latchkey.roster.kept",
    "latchkey.store.calendarfile",
    "latchkey.timetoken",
    "latchkey.wire.timemessages",
)


class Loading:
    """Stands where the desk's enrolment will be: nothing is pending here, and a tap approves nobody."""

    pending = None
    job = True
    collision = 0
    modules: tuple[str, ...] = ()

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._task: asyncio.Task[None] | None = None
        self._asked: list[tuple[bytes, Reply, Record | None, str]] = []

    def ask(self, operation: memoryview, reply: Reply, actor: Record | None, kind: str) -> None:
        """The first one waits, and two that nobody signed: a tap must not mean one because the other came too early.
        Raises Fault BUSY for all others."""
        unsigned = 0
        for held in self._asked:
            if not held[2]:
                unsigned += 1 if held[1].conn is not reply.conn or held[0] != operation else 2
        if self._asked and (actor or kind != _WHITELIST or unsigned >= 2):
            raise Fault(MessageFault.BUSY, "enrolment is being loaded")
        if self._task is None:
            self._task = asyncio.create_task(self._load())
        self._asked.append((bytes(operation), reply, actor, kind))

    def tick(self) -> bool:
        """It is not over yet."""
        return False

    def ends(self) -> bool:
        """It is not."""
        return False

    def tap(self) -> None:
        """It approves nobody yet."""

    async def _load(self) -> None:
        desk = self._desk
        enrolment: Enrolment | None = None
        error: Exception | None = None
        try:
            await load(*_MODULES)
            for held in self._asked:
                if held[3] == _WHITELIST:
                    await load(*_OPERATIONS)
            from latchkey.crypto import publickey

            await publickey.prepare()
            desk.enrolment = enrolment = self._made()
            forget("latchkey.keys.loading")
        except Exception as failed:  # noqa: BLE001 - a file that was read wrongly is no reason to stay closed
            desk.enrolment = enrolment = None
            desk.since = desk.clock.now()
            gc.collect()  # forgetting takes some memory, too
            try:
                # All: an attempt before this one may have left some.
                forget("latchkey.keys.loading", *_MODULES, *_OPERATIONS, *_ARITHMETIC)
                error = Fault(MessageFault.BUSY, repr(failed))
            except MemoryError as short:  # who waits is told all the same, and the next attempt has what is left
                error = short
        for operation, reply, actor, kind in self._asked:
            try:
                if enrolment is None:
                    raise error or MemoryError
                enrolment.ask(operation, reply, actor, kind)
            except Exception as refused:  # noqa: BLE001 - the router tells it, as it does for messages at hand
                desk.failed(reply.conn, reply, refused)

    def _made(self) -> Enrolment:
        from latchkey.keys.enrolment import Enrolment
        from latchkey.keys.report import Report

        desk = self._desk
        report = Report(desk.log, desk.emit)
        # The bench counts publickey's operations. Native code stays, too: a board does not give its memory back.
        loaded = _MODULES + _OPERATIONS + _ARITHMETIC + _KINDS
        names = tuple([name for name in loaded if name != "latchkey.crypto.publickey"])
        return Enrolment(desk.keychain, desk.sessions, desk.clock, desk.private, report, desk.run, names)
