# SPDX-License-Identifier: Apache-2.0
"""An owner tells the car what time it is (docs/protocol.md, "Time"). Forward the car goes by that word; back only with
a card tap, too: a pending change as any other.

Loaded when one does, and dropped when it is answered.
"""

import asyncio

from micropython import const

from latchkey import forget, store
from latchkey.clock import Clock
from latchkey.faults import KeyRefused
from latchkey.keys import policy
from latchkey.keys.asked import Asked, Change
from latchkey.store import calendarfile
from latchkey.wire import timemessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import LogKind, Permission, TimeAnswer, TimeToken, ToLatchkey
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.session.reply import Reply

    class Parts(Protocol):
        """What a car is made of (parts.py)."""

        root: str
        clock: Clock
        car: Any


_HOUR = const(3600)
_DAY = const(86400)
_LEAP = const(400 * 86400)  # an owner whose own clock is wrong by more has to say so
_BACK = const(1)  # of its entry in the log
_MODULES = ("latchkey.timetoken", "latchkey.wire.timemessages", "latchkey.store.calendarfile")


def act(parts: Parts, reply: Reply) -> None:
    """Answer it, once it is written down where it has to be. Raises Fault, KeyRefused: who it is may not."""
    verified: Any = reply.verified
    record = verified.session.record
    desk = parts.car.desk
    policy.check(record, Permission.CHANGE_KEY, desk.keychain)
    told = decode(timemessages.TO_LATCHKEY, verified.plaintext)[ToLatchkey.time]
    seconds = told.get(TimeToken.seconds, 0)
    anyway = bool(told.get(TimeToken.anyway))
    if anyway and seconds + _DAY < parts.clock.time():
        desk.ask(verified.plaintext, reply, record, "latchkey.timetoken")
    else:
        asyncio.create_task(_work(parts, reply, seconds, anyway))


async def _work(parts: Parts, reply: Any, seconds: int, anyway: bool) -> None:
    try:
        code = await _told(parts, reply, seconds, anyway)
        reply.payload(_answer(parts.clock, code))
        forget(*_MODULES)
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        parts.car.desk.failed(reply.conn, reply, error)


async def _told(parts: Parts, reply: Any, seconds: int, anyway: bool) -> int:
    """It is that late, an owner says. Returns the information that refuses it, or 0."""
    clock = parts.clock
    with await store.alone():
        more = seconds - clock.time()
        if more < -_DAY:
            return 0  # who is that wrong has told nothing
        if more > _LEAP and not anyway:
            return Refusal.UNDOCUMENTED_ERROR
        if more > 0 and not _set(clock, parts.root, seconds, more > _HOUR):
            return Refusal.UNDOCUMENTED_ERROR
        clock.known = True
    if more > _DAY:
        verified = reply.verified
        parts.car.log.append(LogKind.TIME, reply.conn.name, verified.session.record.id, 0, 0, 0, verified.request_hash)
    return 0


def _set(clock: Clock, root: str, seconds: int, kept: bool) -> bool:
    """It is that late from now on. False: that cannot be kept, and it is as it was."""
    least = clock.least
    calendarfile.tell(clock, seconds)
    try:
        if kept:
            calendarfile.write(clock, root, clock.until)
    except OSError:
        clock.least = least
        return False
    return True


def _answer(clock: Clock, code: int) -> bytes:
    known = clock.known or None
    answer = {TimeAnswer.time: clock.time(), TimeAnswer.known: known, TimeAnswer.information: code or None}
    return encode(timemessages.FROM_LATCHKEY, {ToLatchkey.time: answer})


class Back(Change):
    """It is that late, and was when the clock said `since`, says the owner with that key."""

    def __init__(self, seconds: int, since: int, record: Record) -> None:
        super().__init__(LogKind.TIME, None)
        self.public = record.public
        self.role = record.role
        self.detail = _BACK
        self._seconds = seconds
        self._since = since

    async def make(self, keychain: Keychain, clock: Clock) -> None:
        """Raises OSError: it is as it was."""
        with await store.alone():
            seconds = max(self._seconds + clock.now() - self._since, Clock().least)
            if not _set(clock, keychain.root, seconds, True):
                raise OSError
            clock.known = True


class _Asked(Asked):
    """What has to wait for the card."""

    tap = True
    _clock: Any = None
    _since = 0

    def plan(self, keychain: Keychain) -> Change:
        """Raises KeyRefused."""
        if not self._clock:
            self._clock = keychain.clock
            self._since = keychain.clock.now()
        record = keychain.find(self.actor) if self.actor else None
        if record is None or not policy.permitted(record, Permission.CHANGE_KEY, keychain):
            refusal = KeyRefused(Refusal.NO_PERMISSION_TO_CHANGE_PERMISSIONS, "its signer may not")
            refusal.answer = _answer(keychain.clock, refusal.code)
            raise refusal
        told = decode(timemessages.TO_LATCHKEY, self.operation)[ToLatchkey.time]
        return Back(told.get(TimeToken.seconds, 0), self._since, record)

    def waiting(self) -> None:
        """Say that the card is waited for."""
        self.reply.payload(encode(timemessages.FROM_LATCHKEY, {ToLatchkey.time: {TimeAnswer.waiting: 1}}))

    def done(self, code: int, signer: bytes | None) -> None:
        """Answer it."""
        self.reply.payload(_answer(self._clock, code))


asked = _Asked
