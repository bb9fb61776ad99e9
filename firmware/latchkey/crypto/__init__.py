# SPDX-License-Identifier: Apache-2.0
"""All of the car's cryptography, behind one door.

A message needs only what is loaded at once: hashes (`hmac`), AES-GCM (`gcm` over the native loops of `ghash`) and the
checked random source. Public-key work is rare (a key's first contact, signatures) and is loaded when it is first
asked for: `p256` and `ecdsa` are generators that give way every few milliseconds, and the functions here drive them
under asyncio. Nothing outside this folder imports a module of it, so each can become C or native code by itself.
Everything that fails raises a CryptoError.
"""

import asyncio

from latchkey.crypto.errors import AuthError, BadSignature, CryptoError, InvalidPoint
from latchkey.crypto.gcm import gcm_decrypt, gcm_encrypt
from latchkey.crypto.hmac import hmac_sha256, sha1, sha256, verify_equal
from latchkey.crypto.random import random_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeVar

    Result = TypeVar("Result")

__all__ = (
    "AuthError",
    "BadSignature",
    "CryptoError",
    "InvalidPoint",
    "ecdh",
    "ecdsa_sign",
    "ecdsa_verify",
    "ecdsa_verify_raw",
    "gcm_decrypt",
    "gcm_encrypt",
    "generate_private",
    "hmac_sha256",
    "operations",
    "public_key",
    "random_bytes",
    "sha1",
    "sha256",
    "validate_public",
    "verify_equal",
)

_operations = 0


def operations() -> int:
    """P-256 scalar multiplications begun since boot (a verification's two are done as one)."""
    return _operations


async def _run(steps: "Generator[None, None, Result]") -> "Result":
    global _operations
    _operations += 1
    try:
        while True:
            next(steps)
            await asyncio.sleep_ms(0)
    except StopIteration as end:
        return end.value


async def generate_private() -> bytes:
    from latchkey.crypto import p256

    return p256.random_scalar().to_bytes(32, "big")


async def public_key(private: bytes) -> bytes:
    from latchkey.crypto import p256

    return await _run(p256.public_key(private))


def validate_public(public: bytes) -> None:
    from latchkey.crypto import p256

    p256.decode(public)


async def ecdh(private: bytes, public: bytes) -> bytes:
    from latchkey.crypto import p256

    return await _run(p256.ecdh(private, public))


async def ecdsa_sign(private: bytes, digest: bytes) -> bytes:
    from latchkey.crypto import ecdsa

    r, s = await _run(ecdsa.sign(private, digest))
    return ecdsa.to_der(r, s)


async def ecdsa_verify(public: bytes, digest: bytes, signature: bytes) -> None:
    from latchkey.crypto import ecdsa

    r, s = ecdsa.from_der(signature)
    await _run(ecdsa.verify(public, digest, r, s))


async def ecdsa_verify_raw(public: bytes, digest: bytes, signature: bytes) -> None:
    from latchkey.crypto import ecdsa

    r, s = ecdsa.from_raw(signature)
    await _run(ecdsa.verify(public, digest, r, s))
