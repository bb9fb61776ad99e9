# SPDX-License-Identifier: Apache-2.0
"""Metadata: tag-length-value items in ascending order, then 0xFF (protocol.md, "Metadata serialization").

What the tag of a command, of a response and of session info is bound to. All are written into one buffer: a view is
good until the next.
"""

from latchkey.wire.schema import SignatureType, Tag

_buffer = memoryview(bytearray(96))  # the longest, a command's: 3 + 3 + 19 + 18 + 6 + 6 + 6 + 1


def _byte(at: int, tag: int, value: int) -> int:
    _buffer[at] = tag
    _buffer[at + 1] = 1
    _buffer[at + 2] = value
    return at + 3


def _uint(at: int, tag: int, value: int) -> int:
    _buffer[at] = tag
    _buffer[at + 1] = 4
    for i in range(at + 5, at + 1, -1):
        _buffer[i] = value & 0xFF
        value >>= 8
    return at + 6


def _item(at: int, tag: int, value: bytes | memoryview) -> int:
    end = at + 2 + len(value)
    _buffer[at] = tag
    _buffer[at + 1] = len(value)
    _buffer[at + 2 : end] = value
    return end


def _view(at: int) -> memoryview:
    _buffer[at] = 0xFF
    return _buffer[: at + 1]


def command(
    signature_type: int, domain: int, vin: bytes, epoch: bytes, expires_at: int, counter: int, flags: int
) -> memoryview:
    """Of a request: `epoch` 16 bytes, `expires_at` seconds of the car's clock."""
    at = _byte(0, Tag.SIGNATURE_TYPE, signature_type)
    at = _byte(at, Tag.DOMAIN, domain)
    at = _item(at, Tag.PERSONALIZATION, vin)
    at = _item(at, Tag.EPOCH, epoch)
    at = _uint(at, Tag.EXPIRES_AT, expires_at)
    at = _uint(at, Tag.COUNTER, counter)
    if flags:
        at = _uint(at, Tag.FLAGS, flags)
    return _view(at)


def response(domain: int, vin: bytes, counter: int, request_hash: bytes, fault: int) -> memoryview:
    """Of an encrypted answer: `request_hash` is the signature type and tag that it answers."""
    at = _byte(0, Tag.SIGNATURE_TYPE, SignatureType.AES_GCM_RESPONSE)
    at = _byte(at, Tag.DOMAIN, domain)
    at = _item(at, Tag.PERSONALIZATION, vin)
    at = _uint(at, Tag.COUNTER, counter)
    at = _uint(at, Tag.FLAGS, 0)
    at = _item(at, Tag.REQUEST_HASH, request_hash)
    return _view(_uint(at, Tag.FAULT, fault))


def session_info(vin: bytes, challenge: bytes) -> memoryview:
    """Of a SessionInfo: `challenge` is the request's uuid."""
    at = _byte(0, Tag.SIGNATURE_TYPE, SignatureType.HMAC)
    at = _item(at, Tag.PERSONALIZATION, vin)
    if challenge:
        at = _item(at, Tag.CHALLENGE, challenge)
    return _view(at)
