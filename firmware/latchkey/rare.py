# SPDX-License-Identifier: Apache-2.0
"""Requests of a rare kind: the first one waits while what answers it is loaded, a module in a stretch."""

import asyncio
import sys

from latchkey import forget, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.link.connection import Connection
    from latchkey.session.reply import Reply

_BEFORE = {  # what a module needs that is loaded with it
    "latchkey.keys.charging": (),
    "latchkey.infotainment": ("latchkey.wire.carmessages",),
    "latchkey.proof": (),
    "latchkey.timetoken": ("latchkey.keys.asked", "latchkey.store.calendarfile", "latchkey.wire.timemessages"),
    "latchkey.view": ("latchkey.keys.limits", "latchkey.wire.viewmessages", "latchkey.store.logreader"),
}


def answer(name: str, what: Any, reply: Reply, failed: Callable[[Connection, Reply, Exception], None]) -> None:
    """Have the module of that name answer, by act(what, reply). What that raises in a moment goes to `failed`; what it
    raises at once is raised."""
    if name in sys.modules:
        sys.modules[name].act(what, reply)
    else:
        verified: Any = reply.verified
        verified.plaintext = bytes(verified.plaintext)  # the next message comes into the same buffer
        asyncio.create_task(_first(name, what, reply, failed))


async def _first(name: str, what: Any, reply: Reply, failed: Callable[[Connection, Reply, Exception], None]) -> None:
    modules = _BEFORE[name] + (name,)
    try:
        await load(*modules)
        sys.modules[name].act(what, reply)
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        failed(reply.conn, reply, error)
        if name not in sys.modules:
            forget(*modules)
