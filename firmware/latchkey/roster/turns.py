# SPDX-License-Identifier: Apache-2.0
"""First contacts take turns (R26): each is an agreement and a write of flash, and whoever knows the public keys on a
roster may ask for one of each. Loaded while somebody waits, and for a pause after the last of them."""

import asyncio

from micropython import const

from latchkey import forget

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.session.reply import Reply

    class Parts(Protocol):
        """What a car is made of (parts.py)."""

        clock: Clock
        links: list[Any]
        car: Any


_PAUSE = const(5)  # seconds from one to the next, whoever asks
_LOOK_MS = const(100)

_line: list[tuple[bytes, Reply]] = []
_serving = False


def ask(parts: Parts, public: bytes | memoryview, reply: Reply) -> None:
    """The phone of a listed key says hello. It is answered in its turn: a connection has one place in the line, where
    what it said last counts."""
    global _serving
    _line[:] = [held for held in _line if _here(parts, held[1])]  # no more than there are connections
    for at in range(len(_line)):
        if _line[at][1].conn is reply.conn:
            _line[at] = bytes(public), reply
            return
    _line.append((bytes(public), reply))
    if not _serving:
        asyncio.create_task(_serve(parts))
        _serving = True


async def _serve(parts: Parts) -> None:
    global _serving
    desk = parts.car.desk
    while _line:
        public, reply = _line.pop(0)
        since = parts.clock.now()
        pause = 0
        try:
            if not _here(parts, reply):
                continue  # who has left has given up its turn
            if desk.sessions.find(public) or not desk.sessions.listed(public):
                reply.hello(public, reply)  # it had its turn when it said hello before, or is not listed any more
            else:
                pause = _PAUSE
                desk.ask(public, reply, None, "latchkey.roster.contact")
        except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
            desk.failed(reply.conn, reply, error)
        await asyncio.sleep_ms(_LOOK_MS)
        while parts.clock.now() - since < pause:
            await asyncio.sleep_ms(_LOOK_MS)
    _serving = False
    try:
        forget("latchkey.roster.turns")
    except MemoryError:
        pass  # the next time


def _here(parts: Parts, reply: Reply) -> bool:
    """Whether its phone still is."""
    for link in parts.links:
        for phone in link.everybody():
            if phone is reply.conn:
                return True
    return False
