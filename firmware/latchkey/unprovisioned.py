# SPDX-License-Identifier: Apache-2.0
"""A board that has no identity yet: what it tells phones, and how it comes by one."""

from micropython import const

from latchkey.crypto import publickey
from latchkey.faults import Fault
from latchkey.session.reply import Reply
from latchkey.store import provisioning
from latchkey.wire import envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# MessageFault_E
_NOT_PROVISIONED = const(18)


class Unprovisioned:
    """Stands for the router: it has nothing to sign a reply with."""

    def handle(self, conn: Any, data: memoryview) -> None:
        try:
            request = envelope.read(data)
        except Fault:
            return
        Reply(conn, request, b"", lambda conn, message: conn.send(message)).fault(_NOT_PROVISIONED)

    def closed(self, conn: Any) -> None:
        pass


async def new_identity(root: str) -> tuple[bytes, bytes]:
    """A settings file was put on the board by hand: draw the identity that goes with it."""
    private = await publickey.generate_private()
    public = await publickey.public_key(private)
    await provisioning.set_identity(root, private, public)
    return private, public
