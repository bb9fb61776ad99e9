# SPDX-License-Identifier: Apache-2.0
"""Enrolment: the one pending key that waits for a card tap, and the worker that changes the keychain.

A tap approves the key that is named as pending, once (law 5). If a second key asks while one is pending, or the same
one for another role, a tap could approve what nobody meant, so both are turned away. The worker does what takes long
(P-256, flash) outside of the router, one change at a time, and answers through the reply it was given.
"""

import asyncio

from micropython import const

from latchkey import crypto
from latchkey.crypto import publickey
from latchkey.faults import Fault, KeyRefused
from latchkey.keys import answers, refusals, whitelist
from latchkey.keys.keychain import KeychainFull
from latchkey.keys.record import key_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.keys.whitelist import Change
    from latchkey.session.barereply import BareReply
    from latchkey.session.reply import Reply
    from latchkey.session.sessions import Sessions

# MessageFault_E
_BUSY = const(1)

TAP_WINDOW = const(30)  # seconds
_KEY_CHANGE = const(512)  # in the access log, the command of a key that changed another


class Pending:
    def __init__(self, change: Change, reply: Reply | BareReply, deadline: int) -> None:
        self.change = change
        self.reply = reply
        self.deadline = deadline


class Enrolment:
    """on_done(change, actor id or None, information code, why) is told how every key operation ended, before the phone
    is; write_log makes that last."""

    def __init__(
        self,
        keychain: Keychain,
        sessions: Sessions,
        clock: Clock,
        private: bytes,
        on_done: Callable[[Change, bytes | None, int, str], None],
        write_log: Callable[[], Coroutine[Any, Any, None]],
        emit: Callable[[dict[str, Any]], None],
    ) -> None:
        self.pending: Pending | None = None
        self._keychain = keychain
        self._sessions = sessions
        self._clock = clock
        self._private = private
        self._on_done = on_done
        self._write_log = write_log
        self._emit = emit
        self._job: tuple[Change, Reply | BareReply, bytes | None] | None = None
        self._wake = asyncio.Event()

    def ask(self, operation: memoryview, reply: Any, actor: Record | None) -> None:
        """A key operation: signed by that key, or by nobody. Raises KeyRefused, Fault."""
        if actor:
            self.manage(operation, reply, actor)
        else:
            self.pair(operation, reply)

    def pair(self, operation: memoryview, reply: Reply | BareReply) -> None:
        """An unsigned request: name its key as pending and say WAIT. Raises KeyRefused."""
        change = whitelist.plan_pairing(operation, self._keychain)
        self.tick()
        waiting = self.pending
        if waiting and (waiting.change.public != change.public or waiting.change.role != change.role):
            self._give_up(waiting, refusals.AUTH_CANCELLED, "another key asked")
            raise KeyRefused(refusals.COULD_NOT_START_AUTH, "another key was pending: both turned away")
        self.pending = Pending(change, reply, self._clock.now() + TAP_WINDOW)
        self._emit({"event": "pending", "key": key_id(change.public).hex(), "role": change.role})
        reply.waiting()

    def manage(self, operation: memoryview, reply: Reply, actor: Record) -> None:
        """A signed request: start the change. Raises KeyRefused; Fault BUSY while another change is being made."""
        if self._job:
            raise Fault(_BUSY, "a key is being changed")
        self._start(whitelist.plan(operation, actor, self._keychain), reply, actor.id)

    def tap(self) -> bytes | None:
        """The card was tapped at the vehicle: approve the pending key. Returns its 4-byte id, or None."""
        self.tick()
        pending = self.pending
        if pending is None or self._job:
            return None
        self.pending = None
        self._start(pending.change, pending.reply, None)
        return pending.change.key_id

    def tick(self) -> None:
        """Housekeeping: the window for a tap closes."""
        if self.pending and self._clock.now() >= self.pending.deadline:
            self._give_up(self.pending, refusals.NO_TAP_IN_TIME, "no card was tapped")

    async def run(self) -> None:
        """The worker task."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._job:
                change, reply, actor = self._job
                try:
                    await self._perform(change, reply, actor)
                finally:
                    self._job = None

    def _start(self, change: Change, reply: Reply | BareReply, actor: bytes | None) -> None:
        self._job = (change, reply, actor)
        self._wake.set()

    def _give_up(self, pending: Pending, code: int, why: str) -> None:
        self.pending = None
        self._on_done(pending.change, None, code, why)
        pending.reply.payload(answers.whitelist_status(code, None))

    async def _perform(self, change: Change, reply: Reply | BareReply, actor: bytes | None) -> None:
        record = change.record
        code = 0
        why = ""
        try:
            if record is not None and change.needs_agreement:
                shared = await publickey.ecdh(self._private, record.public)
                record.shared = crypto.sha1(shared)[:16]
            await self._keychain.apply(record, change.remove, change.drop_impermanent)
        except KeychainFull:
            code = refusals.WHITELIST_FULL
        except OSError as error:  # no room, or a worn-out block: the keys there are still work
            code = refusals.UNDOCUMENTED_ERROR
            why = repr(error)
        if not code:
            if change.drop_impermanent:
                self._sessions.drop()
            for public in change.remove:
                self._sessions.drop(public)
            if record is not None:
                self._sessions.drop(record.public)
                if record.seconds:
                    self._sessions.start_time(record)
        self._on_done(change, actor, code, why)
        await self._write_log()  # no key is enrolled that the log does not know of (law 5)
        reply.payload(answers.whitelist_status(code, actor))


def reporter(
    record: Callable[..., None], emit: Callable[[dict[str, Any]], None]
) -> Callable[[Change, bytes | None, int, str], None]:
    """An on_done that writes the access log and tells the bench."""

    def done(change: Change, actor: bytes | None, code: int, why: str) -> None:
        event = "refused" if code else change.event
        key_id = change.key_id
        told: dict[str, Any] = {"event": event, "by": actor.hex() if actor else "card"}
        if key_id:
            told["key"] = key_id.hex()
        if code:
            record(event, None, actor or key_id, _KEY_CHANGE, 0, code)
            told["information"] = code
            told["why"] = why
        else:
            if actor:
                record("command", None, actor, _KEY_CHANGE, 0)
            record(event, None, key_id, 0, 0)
        emit(told)

    return done
