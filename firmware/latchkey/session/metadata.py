# SPDX-License-Identifier: Apache-2.0
"""Metadata: tag-length-value items in ascending order, then 0xFF (protocol.md, "Metadata serialization").

What the tag of a command, of a response and of session info is bound to. All are written into one buffer: a view is
good until the next.
"""

from micropython import const

_HMAC = const(6)  # signature types
_AES_GCM_RESPONSE = const(9)

_SIGNATURE_TYPE = const(0)  # tags
_DOMAIN = const(1)
_PERSONALIZATION = const(2)
_EPOCH = const(3)
_EXPIRES_AT = const(4)
_COUNTER = const(5)
_CHALLENGE = const(6)
_FLAGS = const(7)
_REQUEST_HASH = const(8)
_FAULT = const(9)

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
    at = _byte(0, _SIGNATURE_TYPE, signature_type)
    at = _byte(at, _DOMAIN, domain)
    at = _item(at, _PERSONALIZATION, vin)
    at = _item(at, _EPOCH, epoch)
    at = _uint(at, _EXPIRES_AT, expires_at)
    at = _uint(at, _COUNTER, counter)
    if flags:
        at = _uint(at, _FLAGS, flags)
    return _view(at)


def response(domain: int, vin: bytes, counter: int, request_hash: bytes, fault: int) -> memoryview:
    at = _byte(0, _SIGNATURE_TYPE, _AES_GCM_RESPONSE)
    at = _byte(at, _DOMAIN, domain)
    at = _item(at, _PERSONALIZATION, vin)
    at = _uint(at, _COUNTER, counter)
    at = _uint(at, _FLAGS, 0)
    at = _item(at, _REQUEST_HASH, request_hash)
    return _view(_uint(at, _FAULT, fault))


def session_info(vin: bytes, challenge: bytes) -> memoryview:
    at = _byte(0, _SIGNATURE_TYPE, _HMAC)
    at = _item(at, _PERSONALIZATION, vin)
    if challenge:
        at = _item(at, _CHALLENGE, challenge)
    return _view(at)
