# SPDX-License-Identifier: Apache-2.0
"""SHA-256, HMAC-SHA256 (RFC 2104) and the one way to compare a secret with what somebody sent."""

import hashlib

from latchkey.crypto.base import AuthError, xor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.crypto.base import Buffer

_INNER = b"\x36" * 64
_OUTER = b"\x5c" * 64
_BLOCK = bytearray(64)


def sha1(data: Buffer) -> bytes:
    digest: bytes = hashlib.sha1(data).digest()
    return digest


def sha256(*parts: Buffer) -> bytes:
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    digest: bytes = state.digest()
    return digest


def hmac_sha256(key: Buffer, *parts: Buffer) -> bytes:
    if len(key) > 64:
        key = sha256(key)
    _BLOCK[:] = _INNER
    xor(_BLOCK, 0, key, len(key))
    inner = sha256(_BLOCK, *parts)
    _BLOCK[:] = _OUTER
    xor(_BLOCK, 0, key, len(key))
    return sha256(_BLOCK, inner)


def verify_equal(a: Buffer, b: Buffer) -> None:
    """Looks at every byte whatever it finds; only lengths, which are public, end it early. Does not allocate."""
    size = len(a)
    if size != len(b):
        raise AuthError("length")
    difference = 0
    for i in range(size):
        difference |= a[i] ^ b[i]
    if difference:
        raise AuthError("mismatch")
