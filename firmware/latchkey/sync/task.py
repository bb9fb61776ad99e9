# SPDX-License-Identifier: Apache-2.0
"""Loads what a poll needs, a module at a time, has it made, and drops all of it again."""

import asyncio
import sys

from micropython import const

from latchkey import forget, load
from latchkey.faults import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.sync import Sync

_AGAIN_MS = const(1000)


async def run(sync: Sync, first: bool) -> None:
    """Make a poll (the `first` time: plan one). Raises nothing: a car that does not poll is still a car."""
    try:
        await load("latchkey.sync.polling", "latchkey.sync.poll")
        from latchkey.sync import poll

        await poll.poll(sync, first)
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
