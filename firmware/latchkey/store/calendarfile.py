# SPDX-License-Identifier: Apache-2.0
"""What is kept of the calendar: one small sealed record in two places, the first of which counts; of the powered
seconds the higher does, whatever became of the other.

Each is written over by one write, which littlefs makes whole or not at all. Loaded at boot and when there is something
to write.
"""

import asyncio
import struct

from micropython import const

from latchkey import forget, store
from latchkey.store import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.clock import Clock

_VERSION = const(1)
_NAME = const("calendar")
_LAST = const(0xFFFFFFFF)
_LAYOUT = const("<III")  # the time, the powered seconds, the highest limit
_AGAIN = const(30)  # seconds until a flash that failed is tried again
_EIO = const(5)
_ROW = const(0xFF)  # free slots that are passed over in one stretch
_HOUR = const(3600)
_MINUTE = const(60)
_EARLY = const(10)  # seconds before the powered ones in flash are used up


def opened(clock: Clock, root: str, report: Callable[[str], None]) -> None:
    """For a boot: what is kept. While somebody's powered seconds are counted, the first of this start are kept here."""
    from latchkey.store import files

    found: list[tuple[int, int, int] | None] = []
    for path in files.places(root, _NAME):
        try:
            body = files.read_sealed(path, _VERSION)
            found.append(struct.unpack(_LAYOUT, body) if body else None)
        except formats.UnknownVersion as error:
            report(str(error))
            clock.until = _LAST  # it stays as it is, and nobody has any powered seconds
            return
        except (formats.Damaged, OSError, ValueError) as error:
            report(f"{path}: {error}")
            found.append(None)
    sound = [each for each in found if each]
    if not sound:
        return
    clock.least = max(sound[0][0], clock.least)
    clock.base = clock.ahead = max(each[1] for each in sound)
    clock.until = max(each[2] for each in sound)
    if found[0] != found[1] or clock.ahead < clock.until:
        try:
            write(clock, root, clock.until)
        except OSError as error:
            report(f"calendar: {error}")


async def lease(keychain: Any, seconds: int) -> int:
    """The total at which a key will have had that many powered seconds, which count from here on. Raises OSError."""
    clock: Clock = keychain.clock
    if clock.powered() >= _LAST:  # there is none: a new one begins above all limits that there are
        highest = 0
        keychain.buckets.failed = False
        for slot in range(keychain.CAPACITY):
            record = keychain.find_slot(slot, True)
            if record or not slot & _ROW:
                highest = max(highest, record.powered if record else 0)
                await asyncio.sleep_ms(0)
        if keychain.buckets.failed:
            raise OSError(_EIO, "a bucket cannot be read")
        clock.base = highest - clock.now()
        clock.ahead = highest
    until = min(clock.powered() + seconds, _LAST - 1)
    with await store.alone():
        write(clock, keychain.root, until)
    return until


def start(clock: Clock, root: str) -> None:
    """Keep it as it is now, in a moment."""
    clock.due = clock.now() + _AGAIN
    asyncio.create_task(_keep(clock, root))


async def _keep(clock: Clock, root: str) -> None:
    try:
        with await store.alone():
            write(clock, root, clock.until)
        forget("latchkey.store.calendarfile")
    except (OSError, MemoryError) as error:  # it is due again
        print("calendar:", error)


def write(clock: Clock, root: str, until: int) -> None:
    """Keep it, for who has store.lock, with a limit that ends at that total. Raises OSError.

    What is ahead grows with what has been counted since the start, or since the last limit came, from a minute to an
    hour: a power cut costs as much.
    """
    if clock.until == _LAST:
        raise OSError("another firmware's calendar")
    now = clock.now()
    total = clock.powered()
    ahead = clock.ahead
    if until > clock.until:
        clock.since = now
    until = max(until, clock.until)
    if ahead < until:
        ahead = min(total + min(max(now - clock.since, _MINUTE), _HOUR), until)
    body = struct.pack(_LAYOUT, min(clock.time(), _LAST), ahead, until)
    head = formats.mark(_VERSION)
    data = head + formats.digest(head, body) + body
    _put(f"{root}/{_NAME}", data)
    clock.ahead = ahead
    clock.until = until
    clock.due = now + _HOUR
    if ahead < until:
        clock.due = now + max(1, min(ahead - total - _EARLY, _HOUR))
    try:
        _put(f"{root}/twin/{_NAME}", data)
    except OSError as error:
        print("calendar: one of two:", error)  # until the next time


def tell(clock: Clock, seconds: int) -> None:
    """That is how late it is."""
    clock.least = seconds - clock.now()


def _put(path: str, data: bytes) -> None:
    try:
        with open(path, "r+b") as f:
            f.write(data)
    except OSError:
        from latchkey.store import files

        files.make_folder(path[: path.rfind("/")])  # it is not there yet, or no file
        files.run(files.write(path, (data,)))
