# SPDX-License-Identifier: Apache-2.0
"""What the log proves: whether one request was done, and, signed by the car, where the log ends (docs/protocol.md,
"Receipts", "A log that proves itself"). Nothing here changes anything.

Loaded by the view, and dropped with it. One request at a time, which gives way between its steps.
"""

import asyncio
import sys

from micropython import const

from latchkey import crypto, forget, load
from latchkey.faults import Fault
from latchkey.store import logreader
from latchkey.wire import viewmessages
from latchkey.wire.pb import encode
from latchkey.wire.schema import LogHead, LogKind, MessageFault, Outcome, Receipt, ToLatchkey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.session.reply import Reply
    from latchkey.store.accesslog import AccessLog
    from latchkey.wire.pb import Fields

_LOOK = const(64)  # entries of flash in which a request is looked for
_PAGE = const(8)
_HASH = const(8)
# In an entry (store/accesslog.py).
_KIND_AT = const(14)
_HASH_AT = const(28)
_HASH_END = const(36)
_PAUSE = const(5)  # seconds from one signature to the next

_busy = False
_since = -_PAUSE


def act(what: Any, reply: Reply) -> None:
    """Answer, in a moment, (parts, the hash in a ReceiptRequest or None for the head, the id of the key that all has to
    be of).

    Raises Fault.
    """
    global _busy
    parts, wanted, whose = what
    if wanted is None:
        if whose:
            raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "head")
        if parts.clock.now() - _since < _PAUSE:
            raise Fault(MessageFault.BUSY, "head")
    else:
        if len(wanted) != _HASH or not any(wanted):
            raise Fault(MessageFault.BAD_PARAMETER, "hash")
        enrolment = parts.car.desk.enrolment
        charging = sys.modules.get("latchkey.keys.charging")
        if (enrolment and enrolment.job) or (charging and charging.busy):
            raise Fault(MessageFault.BUSY, "hash")  # what it asks about may yet be done
    if _busy:
        raise Fault(MessageFault.BUSY, "log")
    asyncio.create_task(_answer(parts, reply, wanted, whose))
    _busy = True


async def _answer(parts: Any, reply: Reply, wanted: bytes | None, whose: str | None) -> None:
    global _busy
    try:
        if wanted is None:
            told = {ToLatchkey.head: await _head(parts)}
        else:
            told = {ToLatchkey.receipt: await _receipt(parts.car.log, wanted, whose)}
        reply.payload(encode(viewmessages.FROM_LATCHKEY, told))
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        parts.car.desk.failed(reply.conn, reply, error)
    finally:
        _busy = False


async def _receipt(log: AccessLog, wanted: bytes, whose: str | None) -> Fields:
    """What the newest entries say of the request with that hash. Without `oldest`, some of them are missing."""
    place = oldest = max(logreader.head(log)[0] - _LOOK, 0)
    whole = not log.lost
    outcome: int | None = None
    number: int | None = None
    while place < log.last:
        found, after = logreader.read(log, place, _PAGE)
        after = after or log.last
        whole &= len(found) == after - place
        for entry in found:
            raw = entry["raw"]
            kind = raw[_KIND_AT]
            if raw[_HASH_AT:_HASH_END] == wanted and whose in (None, entry["key"]):
                number = entry["seq"]
                outcome = Outcome.DONE if kind == LogKind.COMMAND else Outcome.REFUSED
        place = after
        await asyncio.sleep_ms(0)
    return {
        Receipt.outcome: outcome,
        Receipt.number: number,
        Receipt.oldest: oldest + 1 if whole else None,
    }


async def _head(parts: Any) -> Fields:
    """Where the log ends in flash, and the car's signature of that."""
    global _since
    number, chain = logreader.head(parts.car.log)
    try:
        await load("latchkey.crypto.publickey")
        from latchkey.crypto import publickey

        await publickey.prepare()
        await load("latchkey.crypto.ecdsa")
        said = crypto.sha256(b"latchkey log\0", parts.settings.vin.encode(), number.to_bytes(4, "big"), chain)
        signature = await publickey.ecdsa_sign(parts.car.desk.private, said)
        _since = parts.clock.now()
    finally:  # native code stays, as in courier.py; who else is at work has what it needs, and loads it anew
        forget(
            "latchkey.crypto.ecdsa", "latchkey.crypto.p256", "latchkey.crypto.points", "latchkey.crypto.points_plain"
        )
    return {
        LogHead.number: number or None,
        LogHead.chain: chain,
        LogHead.signature: signature,
    }
