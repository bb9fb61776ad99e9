# SPDX-License-Identifier: Apache-2.0
"""Metadata: tag-length-value items in ascending order, then 0xFF (protocol.md, "Metadata serialization").

One preallocated buffer: a Metadata is filled, read through `view()`, and filled again.
"""

from micropython import const

SIGNATURE_TYPE = const(0)
DOMAIN = const(1)
PERSONALIZATION = const(2)
EPOCH = const(3)
EXPIRES_AT = const(4)
COUNTER = const(5)
CHALLENGE = const(6)
FLAGS = const(7)
REQUEST_HASH = const(8)
FAULT = const(9)

AES_GCM_PERSONALIZED = const(5)
HMAC = const(6)
HMAC_PERSONALIZED = const(8)
AES_GCM_RESPONSE = const(9)

_SIZE = const(96)  # the longest, a command's: 3 + 3 + 19 + 18 + 6 + 6 + 6 + 1


class Metadata:
    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_SIZE))
        self._end = 0

    def start(self, signature_type: int) -> None:
        self._end = 0
        self.byte(SIGNATURE_TYPE, signature_type)

    def byte(self, tag: int, value: int) -> None:
        end = self._end
        buffer = self._buffer
        buffer[end] = tag
        buffer[end + 1] = 1
        buffer[end + 2] = value
        self._end = end + 3

    def uint(self, tag: int, value: int) -> None:
        end = self._end
        buffer = self._buffer
        buffer[end] = tag
        buffer[end + 1] = 4
        buffer[end + 2] = value >> 24 & 0xFF
        buffer[end + 3] = value >> 16 & 0xFF
        buffer[end + 4] = value >> 8 & 0xFF
        buffer[end + 5] = value & 0xFF
        self._end = end + 6

    def item(self, tag: int, value: bytes | memoryview) -> None:
        end = self._end + 2
        size = len(value)
        self._buffer[self._end] = tag
        self._buffer[self._end + 1] = size
        self._buffer[end : end + size] = value
        self._end = end + size

    def view(self) -> memoryview:
        """The finished string; good until the next start()."""
        self._buffer[self._end] = 0xFF
        return self._buffer[: self._end + 1]
