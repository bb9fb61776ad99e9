# SPDX-License-Identifier: Apache-2.0
"""Public-key work under asyncio: `p256` and `ecdsa` are generators, and the loop has its turn after each step.

Everything that fails raises a CryptoError. Both are loaded when they are asked for, and may be forgotten in between.
"""

import asyncio

from latchkey import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import TypeVar

    from latchkey.crypto.base import Buffer

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


async def prepare() -> None:
    """Load the arithmetic, a module at a time."""
    try:
        await load("latchkey.crypto.field", "latchkey.crypto.points")
    except (ImportError, SyntaxError, ValueError, MemoryError):
        pass  # p256 takes the plain one, as in `base`
    await load("latchkey.crypto.p256")


async def generate_private() -> bytes:
    await prepare()
    from latchkey.crypto import p256

    return p256.random_scalar().to_bytes(32, "big")


async def public_key(private: Buffer) -> bytes:
    await prepare()
    from latchkey.crypto import p256

    return await _run(p256.public_key(private))


def validate_public(public: Buffer) -> None:
    """Raises InvalidPoint."""
    from latchkey.crypto import p256

    p256.decode(public)


async def ecdh(private: Buffer, public: Buffer) -> bytes:
    await prepare()
    from latchkey.crypto import p256

    return await _run(p256.ecdh(private, public))


async def ecdsa_sign(private: Buffer, digest: Buffer) -> bytes:
    """r and s, 32 bytes each, with the nonce of RFC 6979."""
    await prepare()
    from latchkey.crypto import ecdsa

    return await _run(ecdsa.sign(private, digest))


async def ecdsa_verify(public: Buffer, digest: Buffer, signature: Buffer) -> None:
    """Raises BadSignature, or InvalidPoint for the key."""
    await prepare()
    from latchkey.crypto import ecdsa

    await _run(ecdsa.verify(public, digest, signature))
