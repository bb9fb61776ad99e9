# SPDX-License-Identifier: Apache-2.0
"""Enrolment: the one pending request that waits for a card tap, and the worker that changes the keychain.

A request is kept as the bytes that came, and what it would change is planned three times: when it comes, so that who
asks is told at once; at the tap; and by the worker when nothing else can change the keychain any more. The worker is a
task that does what takes long (P-256, flash) outside of the router, one change at a time, and answers through the reply
it was given. When nothing has to be remembered any more, all of this is dropped.
"""

import asyncio
import sys

from micropython import const

from latchkey import crypto, load
from latchkey.crypto import publickey
from latchkey.faults import Fault, KeyRefused
from latchkey.keys import card, changes
from latchkey.keys.card import WINDOW as TAP_WINDOW
from latchkey.keys.record import key_id
from latchkey.wire.schema import MessageFault, Origin
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.keys.asked import Asked, Change
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.keys.report import Report
    from latchkey.link.connection import Connection

    class Reply(Protocol):
        """How whoever asked is answered, now and later."""

        conn: Connection
        verified: Any

        def payload(self, payload: bytes) -> None: ...
        def waiting(self) -> None: ...

    class Sessions(Protocol):
        """What a change of keys ends, and begins."""

        def drop(self, public: bytes | None = None, origin: int = 0) -> None: ...


_IDLE = const(3)  # rounds of housekeeping with nothing to do or to remember


class Pending:
    """A request that waits for a tap, until `deadline` (seconds of the car's clock)."""

    def __init__(self, change: Change, asked: Asked, deadline: int) -> None:
        self.change = change
        self.asked = asked
        self.deadline = deadline


class Enrolment:
    """report is told how every key operation ended, before the phone is. `modules` are the names of what can be
    dropped with it.

    run(name, task, True) runs the worker, and restarts the board for what it raises: how a change ended that nobody
    knows the end of.
    """

    def __init__(
        self,
        keychain: Keychain,
        sessions: Sessions,
        clock: Clock,
        private: bytes,
        report: Report,
        run: Callable[[str, Coroutine[Any, Any, None], bool], None],
        modules: tuple[str, ...],
    ) -> None:
        self.pending: Pending | None = None
        self._keychain = keychain
        self._sessions = sessions
        self._clock = clock
        self._private = private
        self._report = report
        self._run = run
        self.modules = modules
        self._card = card.Card()
        self.job = False  # the worker is at work
        self._idle = 0

    @property
    def collision(self) -> int:
        """Seconds for which no tap approves anybody, because two have asked; 0 is the rule."""
        return 0 if self.pending else self._card.closed(self._clock.now())

    def ask(self, operation: memoryview | bytes, reply: Reply, actor: Record | None, kind: str) -> None:
        """A request of that kind (a module, whose `asked` makes an Asked of it): signed by that key, or by nobody.
        Raises KeyRefused, Fault."""
        self._idle = 0
        __import__(kind)
        asked = sys.modules[kind].asked(bytes(operation), reply, actor and actor.public)
        if asked.tap:
            self._pair(asked)
        else:
            self._manage(asked)

    def _pair(self, asked: Asked) -> None:
        """If it asks alone, name its key as pending and say WAIT. Raises KeyRefused."""
        change = asked.plan(self._keychain)
        self.tick()
        now = self._clock.now()
        conn = asked.reply.conn
        waiting = self.pending
        verdict = self._card.ask(conn, asked.operation, now)
        if verdict == card.ALONE:
            if waiting and waiting.asked.reply.conn is not conn:
                self._give_up(waiting, Refusal.LOCAL_ENTITY_AUTH_FAILED_CANCELLED, "somebody inside the car asked")
            self.pending = Pending(change, asked, now + TAP_WINDOW)
            self._report.pending(change)
            asked.waiting()
            return
        if verdict == card.COLLISION:
            self._report.collision(conn, TAP_WINDOW)
            if waiting and waiting.asked.reply.conn.inside == conn.inside:
                self._give_up(waiting, Refusal.LOCAL_ENTITY_AUTH_FAILED_CANCELLED, "somebody else asked")
        raise KeyRefused(
            Refusal.COULD_NOT_START_LOCAL_ENTITY_AUTH, "somebody else asked: ask again in %d s" % TAP_WINDOW
        )

    def _manage(self, asked: Asked) -> None:
        """Start the change. Raises KeyRefused; Fault BUSY while another change is being made."""
        if self.job:
            raise Fault(MessageFault.BUSY, "a key is being changed")
        self._start(asked.plan(self._keychain), asked, asked.actor)

    def tap(self) -> bytes | None:
        """The card was tapped at the vehicle: approve what is pending. Returns the key's 4-byte id, or None."""
        self.tick()
        pending = self.pending
        conn = pending.asked.reply.conn if pending and not self.job else None
        if not self._card.tap(conn, self._clock.now()) or pending is None:
            if self.collision:
                self._report.tapped_for_nobody(self.collision)
            return None
        try:  # the keychain may have changed since
            change = pending.asked.plan(self._keychain)
            self._start(change, pending.asked, pending.asked.actor)
        except (KeyRefused, MemoryError) as error:
            self._give_up(pending, _information(error), _why(error))
            return None
        self.pending = None
        return change.key_id

    def tick(self) -> bool:
        """Housekeeping: the window for a tap closes. True: nothing has to be remembered, and it may be dropped."""
        now = self._clock.now()
        self._card.tick(now)
        if self.pending and now >= self.pending.deadline:
            self._give_up(
                self.pending, Refusal.LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP, "no card was tapped"
            )
        self._idle = self._idle + 1 if self.ends() else 0
        return self._idle >= _IDLE

    def ends(self) -> bool:
        """Nothing has to be remembered."""
        return not (self.pending or self.job or self._card.busy(self._clock.now()))

    def _start(self, change: Change, asked: Asked, actor: bytes | None) -> None:
        """The change as it was planned, what was asked, the public key that signed it."""
        self._run("keys", self._work(change, asked, actor), True)
        self.job = True

    async def _work(self, change: Change, asked: Asked, actor: bytes | None) -> None:
        try:
            while await self._perform(change, asked, actor):
                pass
        except MemoryError:  # after the change, whose answer is lost: no session may know better than the keys
            self._sessions.drop()
        finally:
            self.job = False

    def _give_up(self, pending: Pending, code: int, why: str) -> None:
        self.pending = None
        try:
            self._report.done(pending.change, None, code, why)
            pending.asked.done(code, None)
        except MemoryError:  # nobody is told: it was not for whoever is being served just now
            pass

    async def _perform(self, change: Change, asked: Asked, actor: bytes | None) -> bool:
        """Make one change. Whether there is more to do."""
        code = 0
        why = ""
        try:
            await self._keychain.settle()
            await asked.prepare(self._keychain)
            await asyncio.sleep_ms(0)  # each look at a key takes a board some 7 ms
            change = asked.plan(self._keychain)
            await asyncio.sleep_ms(0)
            record = change.record
            if record is not None and change.needs_agreement:
                shared = await publickey.ecdh(self._private, record.public)
                record.shared = crypto.sha1(shared)[:16]
                if record.origin != Origin.GRANT:
                    record.number = int.from_bytes(crypto.random_bytes(4), "big")
            if record is not None and record.seconds and not record.powered:
                await load("latchkey.store.calendarfile")
                from latchkey.store import calendarfile

                record.powered = await calendarfile.lease(self._keychain, record.seconds)
            await change.make(self._keychain, self._clock)
        except (KeyRefused, changes.KeychainFull, crypto.CryptoError, OSError, ImportError, MemoryError) as error:
            code = _information(error)
            why = _why(error)
        self._end_sessions(change)
        signer = key_id(actor) if actor else None
        verified = asked.reply.verified
        self._report.done(change, signer, code, why, verified.request_hash if verified else b"")
        await self._report.written()  # no key is enrolled that the log does not know of (law 5)
        if asked.more and not code:
            return True
        asked.done(code, signer)
        return False

    def _end_sessions(self, change: Change) -> None:
        """Whatever became of a change, no session outlives what it would have changed: a new one is as the key is."""
        if change.drop_impermanent:
            self._sessions.drop()
        if change.origin:
            self._sessions.drop(None, change.origin)
        for public in change.remove:
            self._sessions.drop(public)
        if change.record is not None:
            self._sessions.drop(change.record.public)


def _information(error: Exception) -> int:
    """The code of a refusal; no room, or a worn-out block, has none: the keys there are still work."""
    if isinstance(error, KeyRefused):
        return error.code
    return Refusal.WHITELIST_FULL if isinstance(error, changes.KeychainFull) else Refusal.UNDOCUMENTED_ERROR


def _why(error: Exception) -> str:
    return error.why if isinstance(error, KeyRefused) else repr(error)
