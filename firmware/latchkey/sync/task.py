# SPDX-License-Identifier: Apache-2.0
"""Loads what a poll needs, a module at a time, has it made, and drops all of it again. The first is only planned."""

import asyncio
import sys

from micropython import const

from latchkey import forget, load
from latchkey.crypto import random_bytes
from latchkey.faults import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.sync import Sync

_AGAIN_MS = const(1000)


async def run(sync: Sync, first: bool) -> None:
    """Make a poll (the `first` time: plan one). Raises nothing: a car that does not poll is still a car."""
    try:
        number = int.from_bytes(random_bytes(4), "big") >> 2
        await load("latchkey.sync.polling")
        if first:
            from latchkey.sync import polling

            interval = polling.interval(sync.authority.interval)
            sync.at = sync.parts.clock.now() + 1 + polling.first(interval, number)
        else:
            await load("latchkey.sync.poll")
            from latchkey.sync import poll

            await poll.poll(sync, number)
    except Exception as error:  # noqa: BLE001 - no memory, above all: the next one is in a day
        tell(error)
    while True:
        try:
            for name in list(sys.modules):
                if name.startswith("latchkey.sync."):
                    forget(name)
            return
        except MemoryError:
            await asyncio.sleep_ms(_AGAIN_MS)
