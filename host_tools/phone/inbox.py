# SPDX-License-Identifier: Apache-2.0
"""What a connection has heard from a car and nobody has taken yet, whatever carried it."""

from __future__ import annotations

import queue

from host_tools.faults import NoAnswer


class Inbox:
    """Filled by one thread, emptied by another. `ended` once nothing more will be taken from it."""

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.ended = False

    def put(self, message: bytes | None) -> None:
        """A message has come; None: the connection is gone, and nothing more comes."""
        self._arrived.put(message)

    def end(self) -> None:
        """Nobody wants any more, and whoever waits is told."""
        self.ended = True
        self._arrived.put(None)

    def receive(self, timeout: float) -> bytes | None:
        """The next message, or None when none came in time. Raises NoAnswer once the connection is gone."""
        try:
            message = None if self.ended else self._arrived.get(timeout=max(0.0, timeout))
        except queue.Empty:
            return None
        if message is None:
            self.ended = True
            raise NoAnswer("this phone connection has ended", "make a new one: the car may have restarted")
        return message
