# SPDX-License-Identifier: Apache-2.0
"""The composition root: who talks to whom is read here, leaves first."""

import asyncio

from micropython import const

from latchkey.clock import Clock
from latchkey.link.serial import SerialLink
from latchkey.parts import Parts
from latchkey.wire.schema import LogKind, MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.bench.operations import Bench
    from latchkey.link.connection import Connection
    from latchkey.start import Start
    from latchkey.tasks import Tasks
    from latchkey.vehicle.pins import Pins

    Handle = Callable[[Connection, memoryview], None]
    Emit = Callable[[dict[str, Any]], None]

_AGAIN_MS = const(3000)


async def assemble(start: Start, pins: Pins, tasks: Tasks) -> Parts:
    """Put a board together, and start its tasks. One that cannot be a car yet says BUSY, and is one as soon as it can
    be."""
    settings = start.settings
    parts = Parts(start.board, start.root, settings, Clock(), pins, tasks, start.boot)
    bench = _bench(parts) if settings.bench else None
    emit = bench.emit if bench else None
    door: Any = None  # an Unprovisioned
    handle: Handle
    if settings.vin and await start.ready():
        handle = car(parts, start, emit)
    else:
        from latchkey.unprovisioned import Unprovisioned

        door = Unprovisioned(MessageFault.BUSY if settings.vin else MessageFault.NOT_PROVISIONED_WITH_IDENTITY)
        handle = door.handle
    if bench:
        handle = bench.watch(handle)
    serial = parts.serial = SerialLink(handle, bench.handle if bench else None, parts.hello)
    parts.links.append(serial)
    for name, task in serial.tasks():
        tasks.start(name, task)
    if settings.vin and door:
        tasks.start("waiting", _waiting(parts, start, emit, door))
    if settings.radio:
        from latchkey.link.radio import Radio

        radio = parts.radio = Radio(handle, settings.vin, parts.clock, emit)
        parts.links.append(radio)
        tasks.start("radio", radio.run())
    return parts


def car(parts: Parts, start: Start, emit: Emit | None) -> Handle:
    """Make the car, of a start that is ready. Returns what takes its messages."""
    from latchkey.car import Car
    from latchkey.keys.buckets import missing
    from latchkey.keys.desk import Desk
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import key_id
    from latchkey.router import Router
    from latchkey.security import Security
    from latchkey.session.sessions import Sessions
    from latchkey.store import calendarfile, logreader
    from latchkey.vehicle.state import Vehicle

    if not start.identity or start.number is None:
        raise ValueError
    private, public = start.identity
    clock = parts.clock
    calendarfile.opened(clock, parts.root, print)
    log = logreader.opened(parts.root, clock.now, start.number)
    keychain = Keychain(parts.root, vehicle=key_id(public))
    keychain.clock = clock
    keychain.open()
    kept = parts.root + "/roster/authority", parts.root + "/twin/roster/authority"
    if parts.settings.authority or not (missing(kept[0]) and missing(kept[1])):
        from latchkey.roster import opening

        keychain.roster = opening.opened(parts.root, clock, parts.settings.authority)
    sessions = Sessions(keychain, public)
    vehicle = Vehicle(clock.now)
    desk = Desk(clock, keychain, sessions, private, log, parts.tasks.start, emit)
    security = Security(vehicle, keychain, desk.ask, log.append, emit)
    router = Router(parts.settings.vin.encode(), clock, sessions, security, log.append, emit, parts)
    desk.failed = security.failed = router.failed
    parts.car = Car(vehicle, parts.pins, log, desk, parts.links, emit)
    log.append(LogKind.BOOT, "", None, 0, 0)
    parts.lost = start.lost
    if start.lost:
        log.append(LogKind.IDENTITY, "", None, 0, 0)
    parts.tasks.start("log", log.run())
    return router.handle


async def _waiting(parts: Parts, start: Start, emit: Emit | None, door: Any) -> None:
    while not await start.ready():
        await asyncio.sleep_ms(_AGAIN_MS)
    door.car = car(parts, start, emit)
    await asyncio.Event().wait()  # a task's end is the agent's


def _bench(parts: Parts) -> Bench | None:
    try:
        from latchkey.bench.operations import Bench
    except ImportError:
        return None  # a production build does not contain it
    return Bench(parts)
