# SPDX-License-Identifier: Apache-2.0
"""Messages in a stream of writes: each after its length, two bytes, big end first."""

from micropython import const

from latchkey.clock import elapsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE = const(1024)
_GAP_MS = const(1000)  # a message that pauses for longer was abandoned


class Assembler:
    """Collects the writes of one connection into messages, in one buffer that is allocated once."""

    def __init__(self) -> None:
        self._buffer = bytearray(MAX_MESSAGE)
        self._view = memoryview(self._buffer)
        self._length = 0  # of the message under way
        self._header = 0  # bytes of the length that have come: 0, 1 or 2
        self._have = 0
        self._heard = 0

    def reset(self) -> None:
        """Forget the message under way: the next bytes begin one."""
        self._header = 0

    def tick(self, now_ms: int) -> None:
        """Give up a message that has paused for too long. To be called once a day at least: ticks come round."""
        if self._header and elapsed(now_ms, self._heard) > _GAP_MS:
            self._header = 0

    def feed(self, data: bytes | memoryview, now_ms: int) -> Iterator[memoryview]:
        """Yield a view of every message that `data` completes, valid until the next step. Use it up."""
        self.tick(now_ms)
        self._heard = now_ms
        view = memoryview(data)
        end = len(data)
        at = 0
        while at < end:
            if self._header < 2:
                byte = view[at]
                at += 1
                self._length = self._length << 8 | byte if self._header else byte
                self._header += 1
                if self._header < 2:
                    continue
                self._have = 0
                if self._length > MAX_MESSAGE:
                    self._header = 0  # where the next message starts is anyone's guess: not in this write
                    return
                if not self._length:
                    self._header = 0
                continue
            take = min(end - at, self._length - self._have)
            self._buffer[self._have : self._have + take] = view[at : at + take]
            self._have += take
            at += take
            if self._have == self._length:
                self._header = 0
                yield self._view[: self._length]


def encode(message: bytes) -> bytes:
    """The message as it goes on the air."""
    return len(message).to_bytes(2, "big") + message
