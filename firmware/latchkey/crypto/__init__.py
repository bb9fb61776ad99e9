# SPDX-License-Identifier: Apache-2.0
"""All of the car's cryptography, behind one door.

A message needs only what is loaded at once: hashes (`hmac`), AES-GCM (`gcm` over the native loops of `ghash`) and the
checked random source. Public-key work is rare (a key's first contact, signatures) and is loaded when it is first
asked for: `p256` and `ecdsa` are generators that give way every few milliseconds, and the functions here drive them
under asyncio. Nothing outside this folder imports a module of it, so each can become C or native code by itself.
Everything that fails raises a CryptoError.
"""

import asyncio

from latchkey.crypto.errors import AuthError as AuthError
from latchkey.crypto.errors import BadSignature as BadSignature
from latchkey.crypto.errors import CryptoError as CryptoError
from latchkey.crypto.errors import InvalidPoint as InvalidPoint
from latchkey.crypto.gcm import gcm_decrypt as gcm_decrypt
from latchkey.crypto.gcm import gcm_encrypt as gcm_encrypt
from latchkey.crypto.hmac import hmac_sha256 as hmac_sha256
from latchkey.crypto.hmac import sha1 as sha1
from latchkey.crypto.hmac import sha256 as sha256
from latchkey.crypto.hmac import verify_equal as verify_equal
from latchkey.crypto.random import random_bytes as random_bytes
from latchkey.crypto.random import stir as stir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeVar

    from latchkey.crypto.errors import Buffer

    Result = TypeVar("Result")

_operations = 0


def operations() -> int:
    """P-256 scalar multiplications begun since boot (a verification's two are done as one)."""
    return _operations


async def _run(steps: "Generator[None, None, Result]") -> "Result":
    global _operations
    try:
        next(steps)  # raises here when what arrived is refused before any multiplication
        _operations += 1
        while True:
            await asyncio.sleep_ms(0)
            next(steps)
    except StopIteration as end:
        result: Result = end.value
        return result


async def generate_private() -> bytes:
    from latchkey.crypto import p256

    return p256.random_scalar().to_bytes(32, "big")


async def public_key(private: Buffer) -> bytes:
    from latchkey.crypto import p256

    return await _run(p256.public_key(private))


def validate_public(public: Buffer) -> None:
    from latchkey.crypto import p256

    p256.decode(public)


async def ecdh(private: Buffer, public: Buffer) -> bytes:
    from latchkey.crypto import p256

    return await _run(p256.ecdh(private, public))


async def ecdsa_sign(private: Buffer, digest: Buffer) -> bytes:
    """DER, with the nonce of RFC 6979."""
    from latchkey.crypto import ecdsa

    return await _run(ecdsa.sign(private, digest))


async def ecdsa_verify(public: Buffer, digest: Buffer, signature: Buffer) -> None:
    """`signature` is strict DER. Raises BadSignature, or InvalidPoint for the key."""
    from latchkey.crypto import ecdsa

    await _run(ecdsa.verify(public, digest, *ecdsa.from_der(signature)))


async def ecdsa_verify_raw(public: Buffer, digest: Buffer, signature: Buffer) -> None:
    """`signature` is r and s, 32 bytes each."""
    from latchkey.crypto import ecdsa

    await _run(ecdsa.verify(public, digest, *ecdsa.from_raw(signature)))
