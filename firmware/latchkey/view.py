# SPDX-License-Identifier: Apache-2.0
"""What a car tells those who hold its keys: its state, its keychain and its access log, a page at a time
(docs/protocol.md, "The owner's view"). Nothing here changes anything.

Loaded when a key asks, and dropped when none has asked for a while. A page is so much as is read and encoded in one
stretch of the loop, and fits a message.
"""

import asyncio
import sys

from micropython import const

from latchkey import VERSION, forget
from latchkey.faults import Fault
from latchkey.keys import policy
from latchkey.store.accesslog import CONNS
from latchkey.wire import viewmessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import (
    CarStatus,
    KeyEntry,
    KeysPage,
    KeysRequest,
    LogEntry,
    LogHead,
    LogPage,
    LogRequest,
    MessageFault,
    PendingKey,
    Permission,
    ReceiptRequest,
    ToLatchkey,
    Wire,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.session.reply import Reply
    from latchkey.store.accesslog import AccessLog
    from latchkey.wire.pb import Fields

    class Parts(Protocol):
        """What there is to look at (parts.py)."""

        board: Any
        boot: str
        clock: Clock
        radio: Any
        car: Any


_MODULES = (
    "latchkey.rare",
    "latchkey.view",
    "latchkey.proof",
    "latchkey.wire.viewmessages",
    "latchkey.keys.limits",
    "latchkey.store.logreader",
)
_IDLE_MS = const(10_000)
_KEYS = const(4)  # in a page, each a look-up in flash
_ENTRIES = const(8)  # of the log, in a page
_ROW = const(64)  # slots that are looked at together
_FREE = const(0xFF)
_REASON = const(64)  # bytes of why the radio is off

_asked = False
_task: "asyncio.Task[None] | None" = None


def act(parts: Parts, reply: Reply) -> None:
    """Answer a signed ToLatchkey.

    Raises Fault: it cannot be decoded, asks for nothing that is known, or the role has it not.
    """
    global _asked, _task
    _asked = True
    if not _task:
        _task = asyncio.create_task(_stay())
    _answer(parts, reply)


async def _stay() -> None:
    """Drop all this once nobody has asked for a while."""
    global _asked
    while _asked:
        _asked = False
        await asyncio.sleep_ms(_IDLE_MS)
        try:
            if not _asked:
                forget(*_MODULES)
        except MemoryError:
            _asked = True  # the next time


def _answer(parts: Parts, reply: Reply) -> None:
    verified: Any = reply.verified
    record = verified.session.record
    keychain = parts.car.desk.keychain
    policy.check(record, Permission.READ, keychain)
    request = decode(viewmessages.TO_LATCHKEY, verified.plaintext)
    kind = request.get(Wire.ONE_OF)
    own = None if policy.permitted(record, Permission.AUDIT, keychain) else record  # all that who asks may see
    whose = own and own.id.hex()
    answer: Fields
    if kind == ToLatchkey.status:
        answer = _status(parts)
    elif kind == ToLatchkey.keys:
        answer = _keys(keychain, request[kind].get(KeysRequest.start, 0), own)
    elif kind == ToLatchkey.log:
        answer = _log(parts.car.log, request[kind], whose)
    elif kind == ToLatchkey.receipt or kind == ToLatchkey.head:
        from latchkey import rare

        wanted = bytes(request[kind].get(ReceiptRequest.hash, b"")) if kind == ToLatchkey.receipt else None
        rare.answer("latchkey.proof", (parts, wanted, whose), reply, parts.car.desk.failed)
        return
    else:
        raise Fault(MessageFault.INVALID_COMMAND, "request")
    reply.payload(encode(viewmessages.FROM_LATCHKEY, {kind: answer}))  # an answer has its request's number


def _told(fields: Fields) -> Fields:
    """Without what is 0, no or nothing: it is not sent."""
    return {number: fields[number] for number in fields if fields[number]}


def _status(parts: Parts) -> Fields:
    vehicle = parts.car.vehicle
    enrolment = parts.car.desk.enrolment
    pending = enrolment and enrolment.pending
    radio = (parts.radio.trouble or "on") if parts.radio else "off"
    return _told({
        CarStatus.uptime: parts.clock.now(),
        CarStatus.boot: parts.boot.encode(),
        CarStatus.version: VERSION.encode(),
        CarStatus.board: parts.board.NAME.encode(),
        CarStatus.micropython: b"%d.%d.%d" % tuple(sys.implementation.version[:3]),
        CarStatus.development: "latchkey.prompt" in sys.modules,
        CarStatus.radio: radio.encode()[:_REASON],
        CarStatus.locked: vehicle.locked,
        CarStatus.asleep: vehicle.asleep,
        CarStatus.user_present: vehicle.user_present,
        CarStatus.brake: vehicle.brake_pressed,
        CarStatus.start_enabled: vehicle.start_enabled,
        CarStatus.start_left: vehicle.start_left(),
        CarStatus.open: sum(1 << i for i, is_open in enumerate(vehicle.closures) if is_open),
        CarStatus.pending: pending
        and {
            PendingKey.id: pending.change.key_id,
            PendingKey.role: pending.change.role,
            PendingKey.left: max(0, pending.deadline - parts.clock.now()),
        },
        CarStatus.collision: enrolment and enrolment.collision,
    })


def _keys(keychain: Keychain, start: int, own: Record | None) -> Fields:
    """Of the slots from `start` on, the next few that are in use; stale keys too, and none that cannot be read."""
    if own:
        return {KeysPage.keys: [_key(own, keychain)] if own.slot >= start else []}
    found = []
    slot = _used(keychain.slots, start)
    for _ in range(_KEYS):
        if slot >= 0:
            record = keychain.find_slot(slot, True)
            if record:
                found.append(_key(record, keychain))
            slot = _used(keychain.slots, slot + 1)
    return {KeysPage.keys: found, KeysPage.next: max(slot, 0) or None}


def _used(slots: bytearray, at: int) -> int:
    """The next slot in use, from `at` on; -1: there is none. To look at each of 4,096 would hold up the loop."""
    while at < len(slots):
        if slots[at] != _FREE:
            return at
        at += _ROW if slots.count(b"\xff", at, at + _ROW) == _ROW else 1
    return -1


def _key(record: Record, keychain: Keychain) -> Fields:
    from latchkey.keys import limits

    commands, not_before, not_after, uses, used, left, number = limits.told(record, keychain)
    return _told({
        KeyEntry.slot: record.slot,
        KeyEntry.public: record.public,
        KeyEntry.role: record.role,
        KeyEntry.form: record.form,
        KeyEntry.origin: record.origin,
        KeyEntry.label: record.label.encode(),
        KeyEntry.impermanent: record.impermanent,
        KeyEntry.seconds: record.seconds,
        KeyEntry.commands: commands,
        KeyEntry.not_before: not_before,
        KeyEntry.not_after: not_after,
        KeyEntry.uses: uses,
        KeyEntry.used: used,
        KeyEntry.powered_left: left,
        KeyEntry.number: number,
        KeyEntry.signer: any(record.signer) and record.signer,
    })


def _log(log: AccessLog, asked: Fields, whose: str | None) -> Fields:
    """Of the next few entries, those that are sound, and that who asks may see; raw: as they are in flash."""
    from latchkey.store import logreader

    found, since = logreader.read(log, asked.get(LogRequest.since, 0), _ENTRIES)
    if whose:
        found = [entry for entry in found if entry["key"] == whose]
    if not asked.get(LogRequest.raw):
        kinds = logreader.KINDS
        return {LogPage.entries: [_entry(entry, kinds) for entry in found], LogPage.next: since or None}
    end, chain = logreader.head(log)
    return {
        LogPage.entries: [{LogEntry.raw: entry["raw"]} for entry in found if entry["seq"] <= end],
        LogPage.next: (since < end and since) or None,
        LogPage.head: None if whose else {LogHead.number: end or None, LogHead.chain: chain},
    }


def _entry(entry: dict[str, Any], kinds: tuple[str, ...]) -> Fields:
    return _told({
        LogEntry.number: entry["seq"],
        LogEntry.boot: entry["boot"],
        LogEntry.at: entry["at"],
        LogEntry.kind: kinds.index(entry["kind"]),
        LogEntry.link: CONNS.index(entry["conn"]),
        LogEntry.key: entry["key"] and bytes.fromhex(entry["key"]),
        LogEntry.command: entry["command"],
        LogEntry.outcome: entry["outcome"],
        LogEntry.detail: entry["detail"],
        LogEntry.count: entry["count"],
    })
