# SPDX-License-Identifier: Apache-2.0
"""A board that is no car yet, or cannot be one just now: what it tells phones, and how it comes by an identity."""

from latchkey.crypto import publickey
from latchkey.faults import Fault
from latchkey.session.reply import Reply
from latchkey.wire import envelope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.link.connection import Connection


class Unprovisioned:
    """Stands for the router: it has nothing to sign a reply with, and says why by a fault. `car` takes its messages
    once there is one."""

    def __init__(self, fault: int) -> None:
        self.car: Callable[[Connection, memoryview], None] | None = None
        self._fault = fault

    def handle(self, conn: Connection, data: memoryview) -> None:
        """Take one whole message: for the car, once there is one; until then what can be read is answered
        with the fault."""
        if self.car:
            self.car(conn, data)
            return
        try:
            request = envelope.read(data)
        except Fault:
            return
        Reply(conn, request, b"").fault(self._fault)


async def new_identity() -> tuple[bytes, bytes]:
    """Draw the private and the public key of a car that has none."""
    private = await publickey.generate_private()
    return private, await publickey.public_key(private)
