# SPDX-License-Identifier: Apache-2.0
"""One poll: whether this is the moment, whose turn the radio is, the fetching, and when the next one is.

Where BLE and Wi-Fi do not fit into the memory together they take turns, and BLE's is over only when no phone is here or
was lately. It comes on again whatever happened; where Wi-Fi's memory is then missing for it, the car restarts, as
MicroPython gives that back at no other time.
"""

import asyncio
from time import ticks_ms

from micropython import const

from latchkey import load
from latchkey.clock import elapsed
from latchkey.sync import polling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.sync import Parts, Sync

_LATELY = const(600)  # seconds after a phone has left
_WHOLE = const(60)  # seconds from the first question to the last parcel
_CALM_MS = const(1000)  # since a phone's last command
_LOOK_MS = const(100)
_LOOKS = const(100)


async def poll(sync: Sync, number: int) -> None:
    """Make one, and plan the next one with a random number (polling.py). Whatever goes wrong is told, once."""
    now = sync.parts.clock.now
    interval = polling.interval(sync.authority.interval)
    try:
        told, wait = await _poll(sync)
        wait = wait or polling.after_success(interval, number)
    except Exception as error:  # noqa: BLE001 - whatever the server, the network or the flash has done: later
        told, retry_after = _why(error)
        sync.failures += 1
        wait = polling.after_failure(interval, sync.failures, retry_after, number)
    sync.at = now() + wait
    if told != sync.told:
        sync.told = told
        print("sync:", told)
        emit = sync.parts.car.desk.emit
        if emit:
            emit({"event": "sync", "why": told})


def _why(error: Exception) -> tuple[str, int]:
    from latchkey.sync.http import HttpError

    if isinstance(error, HttpError):
        return error.args
    return str(error) if isinstance(error, OSError) else type(error).__name__, 0  # what others say may hold anything


async def _poll(sync: Sync) -> tuple[str, int]:
    """What has become of it, and how many seconds to wait, 0: as is usual. Raises when a server was asked in vain."""
    await load("latchkey.sync.wifi", "latchkey.sync.dns", "latchkey.sync.http")
    from latchkey.sync import wifi

    parts = sync.parts
    tls = sync.authority.url.startswith(b"https")
    missing = wifi.missing(tls)
    radio = parts.radio if missing else None  # which then has to make room
    lately = parts.clock.now() - sync.seen < _LATELY
    if (lately and (radio or tls)) or parts.car.vehicle.start_enabled:  # when the watchdog is short
        return "not while the car is used", _LATELY
    sound = radio is not None and not radio.trouble
    try:
        if radio:
            await radio.pause()
            missing = wifi.missing(tls)
        if missing:
            return "couriers only: " + missing, 0
        await _calm(parts)
        try:
            server = await wifi.up(*parts.settings.wifi)
            return await asyncio.wait_for(_fetch(sync, server), _WHOLE) if server else "no Wi-Fi", 0
        finally:
            wifi.down()
    finally:
        if radio:
            await _back(parts, radio, sound)


async def _fetch(sync: Sync, server: str) -> str:
    from latchkey.sync import http

    async def take(parcel: memoryview) -> bool:
        await _calm(sync.parts)
        return await sync.take(parcel)

    name = sync.authority.address.hex().encode()
    url = b"%s/%s/%s" % (sync.authority.url, name[:2], name)
    status, sync.etag = await http.get(url, server, sync.etag, take)
    sync.failures = 0
    return "no change" if status == 304 else "fetched"


async def _calm(parts: Parts) -> None:
    """Until no phone has given a command for a second; not for ever."""
    for _ in range(_LOOKS):
        last = ticks_ms()
        busy = False
        for link in parts.links:
            for phone in link.everybody():
                busy = busy or elapsed(last, phone.authenticated_ms) < _CALM_MS
        if not busy:
            return
        await asyncio.sleep_ms(_LOOK_MS)


async def _back(parts: Parts, radio: Any, sound: bool) -> None:
    """BLE comes on again: by a restart, where it was `sound` and does not otherwise."""
    radio.resume()
    for _ in range(_LOOKS):
        if not radio.trouble:
            return
        await asyncio.sleep_ms(_LOOK_MS)
    if sound and not parts.car.vehicle.start_enabled:
        await parts.car.log.flush()
        parts.tasks.reset()
