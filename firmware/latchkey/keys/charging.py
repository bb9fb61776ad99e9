# SPDX-License-Identifier: Apache-2.0
"""What limits cost is written down before it is spent (docs/protocol.md, "Limits"): no cut of the power gives anything
back."""

import asyncio

from micropython import const

from latchkey import store
from latchkey.store import calendarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain

_LAST = const(0xFFFFFFFF)  # as in store/calendarfile.py
_EIO = const(5)
_ROW = const(0xFF)  # free slots that are passed over in one stretch


async def lease(keychain: Keychain, seconds: int) -> int:
    """The total at which a key will have had that many powered seconds, which count from here on. Raises OSError."""
    clock = keychain.clock
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
    until: int = min(clock.powered() + seconds, _LAST - 1)
    with await store.alone():
        calendarfile.write(clock, keychain.root, until)
    return until
