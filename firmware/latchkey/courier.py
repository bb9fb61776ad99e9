# SPDX-License-Identifier: Apache-2.0
"""What is brought to the car of its authority, by anybody, and what its owner says and asks about it (docs/protocol.md,
"The authority").

Loaded when somebody comes with a parcel or an owner asks, and dropped when nobody has for a while. What is cheap is
refused at once; parcels are `roster.taking`'s, outside of the router.
"""

import asyncio
import sys

from micropython import const

from latchkey import forget, load
from latchkey.faults import Fault
from latchkey.keys import policy
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import (
    Decline,
    Delivered,
    MessageFault,
    Parcel,
    Permission,
    RosterStatus,
    ToLatchkey,
    Wire,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.link.connection import Connection
    from latchkey.session.reply import Reply
    from latchkey.wire.pb import Fields

    class Parts(Protocol):
        """What a car is made of (parts.py)."""

        clock: Clock
        settings: Any
        tasks: Any
        car: Any
        sync: Any


_STAY_MS = const(2_000)
_AGAIN_MS = const(200)
_TAKING = const("latchkey.roster.taking")
_asked = False
_staying = False


def act(parts: Parts, reply: Reply, failed: Callable[[Connection, Reply, Exception], None], data: Any) -> None:
    """Answer a ToLatchkey of the authority's in a moment, or when it has been done. What is raised then goes to
    `failed`."""
    asyncio.create_task(_first(parts, reply, failed, bytes(data)))
    _used(parts)


async def _first(
    parts: Parts, reply: Reply, failed: Callable[[Connection, Reply, Exception], None], data: bytes
) -> None:
    """Answer once what reads it is loaded."""
    try:
        await load("latchkey.wire.authoritymessages")
        await _answer(parts, reply, data)
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        failed(reply.conn, reply, error)


def _used(parts: Parts) -> None:
    global _asked, _staying
    _asked = True
    if not _staying:
        _staying = True
        asyncio.create_task(_stay(parts))


async def _stay(parts: Parts) -> None:
    """Drop all this once nothing comes any more."""
    global _asked, _staying
    while _asked:
        _asked = False
        await asyncio.sleep_ms(_STAY_MS)
        roster = parts.car.desk.keychain.roster
        try:
            if not _asked and roster and roster.intake:
                roster.intake.drop()
            elif not _asked and _TAKING in sys.modules:
                sys.modules[_TAKING].unload()
            if not _asked:
                forget("latchkey.courier", "latchkey.wire.authoritymessages")
        except (Fault, MemoryError):
            _asked = True  # the next time
    _staying = False


async def _answer(parts: Parts, reply: Reply, data: bytes) -> None:
    from latchkey.wire import authoritymessages

    request = decode(authoritymessages.TO_LATCHKEY, data)
    kind = request.get(Wire.ONE_OF, 0)
    desk = parts.car.desk
    if kind == ToLatchkey.parcel:
        answer = await _delivered(parts, request[kind], reply.conn)
    else:
        if not reply.verified:
            raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "not signed")
        record = reply.verified.session.record
        if kind == ToLatchkey.install or kind == ToLatchkey.remove:
            policy.check(record, Permission.CHANGE_KEY, desk.keychain)
            await load("latchkey.crypto.publickey", "latchkey.keys.asked", "latchkey.roster.lookup")
            await load("latchkey.store.files", "latchkey.store.journal", "latchkey.roster.kept")
            await load("latchkey.roster.held", "latchkey.roster.install")
            desk.ask(data, reply, record, "latchkey.roster.install")
            return
        if kind != ToLatchkey.roster:
            raise Fault(MessageFault.INVALID_COMMAND, "request")
        policy.check(record, Permission.READ, desk.keychain)
        answer = _status(parts)
    reply.payload(encode(authoritymessages.FROM_LATCHKEY, {kind: answer}))


async def _delivered(parts: Parts, parcel: Fields, conn: Connection) -> Fields:
    code = await _take(parts, parcel, conn)
    roster = parts.car.desk.keychain.roster
    if not roster:
        return {Delivered.declined: code}
    state = roster.state
    told = {
        Delivered.declined: code,
        Delivered.generation: state.made,
        Delivered.version: state.version,
        Delivered.wanted: roster.coming.part if roster.coming else 0,
    }
    return {number: told[number] for number in told if told[number]}


async def _take(parts: Parts, parcel: Fields, conn: Connection | None) -> int:
    """Returns a Decline, 0: it was taken."""
    _used(parts)
    await load(_TAKING)
    from latchkey.roster import taking

    return await taking.take(parts, parcel, conn)


async def fetched(parts: Parts, raw: memoryview) -> bool:
    """Take a parcel that the car has fetched by itself. Whether more of its file is wanted. Raises OSError for one
    that is declined."""
    await load("latchkey.wire.authoritymessages")
    from latchkey.wire.authoritymessages import PARCEL

    parcel = decode(PARCEL, raw)
    code = await _take(parts, parcel, None)
    while code == Decline.BUSY:
        await asyncio.sleep_ms(_AGAIN_MS)
        code = await _take(parts, parcel, None)
    roster = parts.car.desk.keychain.roster
    known = code == Decline.OLD or code == Decline.PART  # another courier has brought it
    if code and not known:
        raise OSError("declined, %d" % code)
    if not parcel.get(Parcel.version, 0):
        return True
    return bool(roster and roster.coming)


def _status(parts: Parts) -> Fields:
    roster = parts.car.desk.keychain.roster
    if not roster:
        return {}
    sync = b""
    if parts.sync:
        from latchkey.sync import status

        sync = status.text(parts.sync).encode()
        forget("latchkey.sync.status")
    state = roster.state
    told = {
        RosterStatus.address: roster.address,
        RosterStatus.url: state.url,
        RosterStatus.role: state.role,
        RosterStatus.generation: state.generation,
        RosterStatus.version: state.version,
        RosterStatus.keys: state.keys,
        RosterStatus.issued: state.issued,
        RosterStatus.expires: state.expires,
        RosterStatus.time: roster.time,
        RosterStatus.wishes: state.wishes,
        RosterStatus.declined: roster.declined,
        RosterStatus.sync: sync,
    }
    return {number: told[number] for number in told if told[number]}
