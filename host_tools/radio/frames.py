# SPDX-License-Identifier: Apache-2.0
"""Messages in a stream of bytes, as they travel over the radio: two bytes of length, then the message."""

from __future__ import annotations

from collections.abc import Iterator

LARGEST = 1024
GAP = 1.0  # seconds of silence inside a message after which it counts as abandoned


class TooLong(Exception):
    """A length that no message has: the stream cannot be followed any further."""


def encode(message: bytes) -> bytes:
    """A message with its length in front."""
    if len(message) > LARGEST:
        raise TooLong(f"a message has at most {LARGEST} bytes, not {len(message)}")
    return len(message).to_bytes(2, "big") + message


class Assembler:
    """Puts messages together from pieces of any size."""

    def __init__(self) -> None:
        self._held = b""
        self._last = 0.0

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._held)

    def feed(self, data: bytes, now: float) -> Iterator[bytes]:
        """Take some bytes that came at `now` (seconds, monotonic); yield the messages that are complete."""
        if self._held and now - self._last > GAP:
            self._held = b""
        self._last = now
        self._held += data
        while len(self._held) >= 2:
            size = int.from_bytes(self._held[:2], "big")
            if size > LARGEST:
                raise TooLong(f"a message has at most {LARGEST} bytes, not {size}")
            if len(self._held) < 2 + size:
                return
            message, self._held = self._held[2 : 2 + size], self._held[2 + size :]
            if message:
                yield message
