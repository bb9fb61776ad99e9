# SPDX-License-Identifier: Apache-2.0
"""Takes a parcel that has the car's address, and loads no more for it than it deserves: it is looked at and opened by
little; what verifies, and writes, is loaded for what the authority has sealed and the car has not got yet."""

import gc

from micropython import const

from latchkey import forget, load
from latchkey.faults import Fault
from latchkey.wire.schema import Decline, LogKind, MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.link.connection import Connection
    from latchkey.wire.pb import Fields

_ROOM = const(49_152)  # bytes that taking a parcel may need, and what others do meanwhile
_USUAL = (Decline.OLD, Decline.PART, Decline.BUSY)  # of honest couriers
_LOOKING = ("latchkey.store.files", "latchkey.store.journal", "latchkey.roster.kept")
_OURS = ("latchkey.crypto.ecdsa", "latchkey.roster.parcels", "latchkey.roster.intake", "latchkey.roster.taking")
# Native code stays: a board does not give its memory back. And the bench counts publickey's operations.
_SHARED = _LOOKING + (
    "latchkey.keys.labels",
    "latchkey.crypto.p256",
    "latchkey.crypto.points",
    "latchkey.crypto.points_plain",
)


async def take(parts: Any, parcel: Fields, conn: Connection | None) -> int:
    """Take a parcel (as decoded), of whoever brings it; None: the car itself. Returns a Decline, 0: it was taken."""
    desk = parts.car.desk
    roster = desk.keychain.roster
    if not roster:
        return Decline.NO_AUTHORITY
    code = 0
    new = False
    desk.drop()  # before what both need is loaded: it goes with enrolment
    try:
        await load(*_LOOKING)
        await load("latchkey.roster.lookup", "latchkey.roster.parcels")
        from latchkey.roster.parcels import Declined

        try:
            new = await _taken(parts, roster, parcel)
        except Declined as declined:
            code = declined.code
    except (OSError, MemoryError, ImportError) as error:
        print("roster:", repr(error))
        code = Decline.FLASH
    if conn and not new and code not in _USUAL:
        conn.bad_tag()
    if code and code not in _USUAL:
        roster.declined = code
        desk.log.append(LogKind.DECLINED, conn.name if conn else "", None, 0, 0, code)
        if desk.emit:
            desk.emit({"event": "declined", "reason": code})
    return code


async def _taken(parts: Any, roster: Any, parcel: Fields) -> bool:
    """Whether it was new. Raises Declined, OSError, MemoryError, ImportError."""
    from latchkey.roster import parcels
    from latchkey.store.journal import Unclear

    parcels.check(roster, parcel)
    plain = parcels.opened(roster.state.seal, parcel)
    if parcels.known(roster, parcel, plain):
        return False
    # There is memory for one of them; where there is more, who asks for a key for ever stops nobody.
    if isinstance(roster.intake, _Loading) or (not parts.car.desk.drop() and gc.mem_free() < _ROOM):
        raise parcels.Declined(Decline.BUSY)
    if not roster.intake:
        await _load(parts, roster)
        return await _taken(parts, roster, parcel)  # others may have brought it meanwhile
    try:
        await roster.intake.take(parcel, plain)
    except Unclear:
        parts.tasks.reset()  # what the flash says after a restart holds
    return True


async def _load(parts: Any, roster: Any) -> None:
    intake: Any = None
    roster.intake = _Loading()
    try:
        await load("latchkey.crypto.publickey")
        from latchkey.crypto import publickey

        await publickey.prepare()  # the arithmetic, native or plain
        await load("latchkey.crypto.ecdsa", "latchkey.keys.labels", *_LOOKING)
        await load("latchkey.roster.intake")
        from latchkey.roster.intake import Intake

        desk = parts.car.desk
        vin = parts.settings.vin.encode()
        intake = Intake(roster, desk.keychain, desk.sessions, desk.log, vin, lambda: unload(parts))
    finally:
        roster.intake = intake


class _Loading:
    """Stands where the intake will be: neither enrolment nor another one is loaded beside it."""

    def drop(self) -> None:
        """Not now."""
        raise Fault(MessageFault.BUSY, "a parcel is being taken")


def unload(parts: Any) -> None:
    """Drop all this, but for what enrolment has loaded too, and drops when it goes."""
    forget(*_OURS)
    if not parts.car.desk.enrolment:
        forget(*_SHARED)
