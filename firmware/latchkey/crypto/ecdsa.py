# SPDX-License-Identifier: Apache-2.0
"""ECDSA over P-256 and SHA-256 digests, with nonces of RFC 6979. A signature is r and s, 32 bytes each (IEEE P1363)."""

from latchkey.crypto import p256
from latchkey.crypto.base import CryptoError
from latchkey.crypto.hmac import hmac_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from latchkey.crypto.base import Buffer


class BadSignature(CryptoError):
    pass


def _nonces(private: bytes, digest: int) -> "Generator[int, None, None]":
    seed = private + digest.to_bytes(32, "big")
    v = b"\x01" * 32
    key = bytes(32)
    for mark in (b"\x00", b"\x01"):
        key = hmac_sha256(key, v, mark, seed)
        v = hmac_sha256(key, v)
    while True:
        v = hmac_sha256(key, v)
        k = int.from_bytes(v, "big")
        if 0 < k < p256.N:
            yield k
        key = hmac_sha256(key, v, b"\x00")
        v = hmac_sha256(key, v)


def _digest(digest: Buffer) -> int:
    if len(digest) != 32:
        raise CryptoError("digest length")
    return int.from_bytes(digest, "big")


def sign(private: Buffer, digest: Buffer) -> "Generator[None, None, bytes]":
    n = p256.N
    d = p256.scalar(private)
    e = _digest(digest) % n
    for k in _nonces(bytes(private), e):
        x, _ = yield from p256.multiply(k, p256.GX, p256.GY)
        yield
        r = x % n
        blind = p256.random_scalar()
        s = p256.inverse(k * blind % n, n) * (blind * d % n * r + blind * e) % n
        if r and s:
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    raise CryptoError("no nonce")


def verify(public: Buffer, digest: Buffer, signature: Buffer) -> "Generator[None, None, None]":
    n = p256.N
    p = p256.P
    e = _digest(digest)
    if len(signature) != 64:
        raise BadSignature("encoding")
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    x, y = p256.decode(public)
    if not (0 < r < n and 0 < s < n):
        raise BadSignature("range")
    w = p256.inverse(s, n)
    x, y, z = yield from p256.multiply_sum(e * w % n, r * w % n, x, y)
    zz = z * z % p
    if not z or ((r * zz - x) % p and (r + n >= p or ((r + n) * zz - x) % p)):
        raise BadSignature("mismatch")
