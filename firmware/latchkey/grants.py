# SPDX-License-Identifier: Apache-2.0
"""Grants and revocations, as anybody brings them, and what their makers ask (docs/protocol.md, "Grants").

Loaded when somebody comes with one, and dropped when nobody has for a while. One at a time is looked at; what is not a
maker's costs the car a look-up and some hashes, and its connection a bad tag. Enrolment is asked for by what holds.
"""

import asyncio
import sys

from micropython import const

from latchkey import forget, load
from latchkey.faults import Fault
from latchkey.wire.pb import decode
from latchkey.wire.schema import GrantFault, MessageFault, ToLatchkey, Wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from latchkey.link.connection import Connection
    from latchkey.session.reply import Reply

    class Parts(Protocol):
        """What a car is made of (parts.py)."""

        car: Any


_STAY_MS = const(2_000)
_MODULES = (  # in an order in which each needs only those before it
    "latchkey.wire.grantmessages",
    "latchkey.crypto.publickey",
    "latchkey.store.files",
    "latchkey.keys.asked",
    "latchkey.keys.labels",
    "latchkey.keys.makers",
    "latchkey.keys.spent",
)
_KINDS = {
    ToLatchkey.grant: "latchkey.keys.granted",
    ToLatchkey.revoke: "latchkey.keys.revoking",
    ToLatchkey.maker: "latchkey.keys.makerinfo",
}
# But for publickey: the bench counts its operations.
_DROPPED = ("latchkey.grants",) + tuple(_KINDS.values()) + tuple([name for name in _MODULES if "public" not in name])
_asked = False
_staying = False
_working = False


def act(parts: Parts, reply: Reply, failed: Callable[[Connection, Reply, Exception], None], data: Any) -> None:
    """Answer in a moment, or when it has been done. What is raised then goes to `failed`. Raises Fault BUSY."""
    global _asked, _staying, _working
    if _working:
        raise Fault(MessageFault.BUSY, "another grant is being looked at")
    _asked = True
    if not _staying:
        asyncio.create_task(_stay(parts))
        _staying = True
    asyncio.create_task(_work(parts, reply, failed, bytes(data)))
    _working = True


async def _stay(parts: Parts) -> None:
    """Drop all this once nobody comes any more."""
    global _asked, _staying
    while _asked:
        _asked = False
        await asyncio.sleep_ms(_STAY_MS)
        desk = parts.car.desk
        try:
            if _working or desk.enrolment or (desk.keychain.roster and desk.keychain.roster.intake):
                _asked = True  # it needs some of this
            elif not _asked:
                forget(*_DROPPED)
        except MemoryError:
            _asked = True  # the next time
    _staying = False


async def _work(
    parts: Parts, reply: Reply, failed: Callable[[Connection, Reply, Exception], None], data: bytes
) -> None:
    global _working
    try:
        await load(*_MODULES)
        await _answer(parts, reply, data)
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        failed(reply.conn, reply, error)
    _working = False


async def _answer(parts: Parts, reply: Reply, data: bytes) -> None:
    from latchkey.keys.makers import Refused
    from latchkey.wire import grantmessages

    desk = parts.car.desk
    kind = decode(grantmessages.TO_LATCHKEY, data).get(Wire.ONE_OF, 0)
    actor = reply.verified.session.record if reply.verified else None
    name = _KINDS.get(kind)
    if not name:
        raise Fault(MessageFault.INVALID_COMMAND, "request")
    if kind == ToLatchkey.maker and not actor:
        raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "not signed")
    await load(name)
    module = sys.modules[name]
    if kind == ToLatchkey.maker:
        reply.payload(module.answer(desk.keychain, data, actor))
        return
    if kind == ToLatchkey.grant:
        actor = None  # it is the grant that says who may what
    asked = module.asked(data, reply, actor and actor.public)
    try:
        news = await asked.look(desk.keychain)
    except Refused as refused:
        if refused.fault == GrantFault.MAKER or refused.fault == GrantFault.TAG:
            reply.conn.bad_tag()
        raise
    await asyncio.sleep_ms(0)  # to look takes a board some 35 ms, and so may loading what is asked next
    if news:
        desk.ask(data, reply, actor, name)
        return
    if not actor:
        reply.conn.bad_tag()  # anybody can say again what others have said
    asked.done(0, None)
