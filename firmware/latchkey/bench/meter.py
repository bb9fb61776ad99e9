# SPDX-License-Identifier: Apache-2.0
"""What passes between the links and the router, counted and timed; and the answers that are to be lost, or late."""

import asyncio
import time

from latchkey.clock import elapsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.link.connection import Connection
    from latchkey.parts import Parts


class Meter:
    """Events go to the serial port of `parts`."""

    def __init__(self, parts: Parts) -> None:
        self.verified = 0
        self.refused = 0
        self.handshakes = 0
        self.last_us = 0  # what the last message took
        self.relay_us = 0  # from the last message that changed the vehicle to its outputs' edge
        self.drop = 0  # answers to lose
        self.late = 0  # answers to delay, after those,
        self.delay_ms = 0  # by so much
        self._parts = parts
        self._started = 0

    def watch(self, handle: Callable[[Connection, memoryview], None]) -> Callable[[Connection, memoryview], None]:
        """`handle` for the links, with all of this before it."""

        def watched(conn: Connection, data: memoryview) -> None:
            if self.drop or self.late:
                conn.send = self._bent(conn)
            self._started = started = time.ticks_us()
            handle(conn, data)
            self.last_us = elapsed(time.ticks_us(), started)
            self._started = 0

        return watched

    def emit(self, event: dict[str, Any]) -> None:
        """What the car did, and why it refused."""
        name = event["event"]
        if name == "verified":
            self.verified += 1
            return
        if name == "state" and self._started:
            self.relay_us = elapsed(time.ticks_us(), self._started)
        elif name == "handshake":
            self.handshakes += 1
        elif name == "refused" and "fault" in event:  # a message, and not a key operation later
            self.refused += 1
        if self._parts.serial:
            self._parts.serial.event(event)

    def _bent(self, conn: Connection) -> Callable[[bytes], None]:
        send: Any = type(conn).send  # its own, however often this is done

        async def later(message: bytes) -> None:
            await asyncio.sleep_ms(self.delay_ms)
            send(conn, message)

        def bent(message: bytes) -> None:
            if self.drop:
                self.drop -= 1
            elif self.late:
                self.late -= 1
                self._task = asyncio.create_task(later(message))
            else:
                send(conn, message)

        return bent
