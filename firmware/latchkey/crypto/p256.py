# SPDX-License-Identifier: Apache-2.0
"""P-256 in steps: scalar multiplication is a generator, and every `yield` is a place to let the event loop run.

Points are Jacobian. A scalar is made odd and written as 4-bit signed odd digits, none of them zero, so that every
scalar is the same sequence: four doublings, one addition, again. A secret one's point gets a random Z, so that no two
runs compute with the same numbers. `points` does it in native code where this interpreter can run it, `points_plain` in
Python's integers where it cannot.
"""

from latchkey.crypto.base import CryptoError
from latchkey.crypto.random import random_bytes

try:
    from latchkey.crypto.points import BLINDING, walk
    from latchkey.crypto.points import P as P
except (ImportError, SyntaxError, ValueError, MemoryError):  # as in `base`
    from latchkey.crypto.points_plain import BLINDING, walk
    from latchkey.crypto.points_plain import P as P

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from latchkey.crypto.base import Buffer

    Jacobian = tuple[int, int, int]

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5


class InvalidPoint(CryptoError):
    pass


def _on_curve(x: int, y: int) -> bool:
    return (y * y - (x * x - 3) * x - _B) % P == 0


def decode(public: Buffer) -> tuple[int, int]:
    """A point from its 65 bytes. The order is prime, so a point on the curve is a point in the group."""
    if len(public) != 65 or public[0] != 4:
        raise InvalidPoint("form")
    x = int.from_bytes(public[1:33], "big")
    y = int.from_bytes(public[33:], "big")
    if x >= P or y >= P or not _on_curve(x, y):
        raise InvalidPoint("not on curve")
    return x, y


def scalar(private: Buffer) -> int:
    value = int.from_bytes(private, "big")
    if len(private) != 32 or not 0 < value < N:
        raise CryptoError("private key range")
    return value


def random_scalar() -> int:
    """In [1, n - 1], by rejection (FIPS 186-5 A.2.2)."""
    while True:
        value = int.from_bytes(random_bytes(32), "big")
        if value <= N - 2:
            return value + 1


def inverse(a: int, m: int) -> int:
    """Euclid: its time depends on a, so a secret comes here multiplied by something random."""
    r0, r1, t0, t1 = m, a, 0, 1
    while r1:
        q = r0 // r1
        r0, r1 = r1, r0 - q * r1
        t0, t1 = t1, t0 - q * t1
    return t0 % m


def _odd(k: int, y: int) -> tuple[int, int]:
    """The scalar or its opposite, whichever is odd, and the y that goes with it."""
    return (k, y) if k & 1 else (N - k, P - y)


def multiply(k: int, x: int, y: int) -> "Generator[None, None, tuple[int, int]]":
    """A secret scalar in [1, n - 1] times a point."""
    k, y = _odd(k, y)
    k += (int.from_bytes(random_bytes(BLINDING), "big") >> 1 << 1) * N
    x, y, z = yield from walk(32 + BLINDING, (k, x, y, random_scalar()))
    blind = random_scalar()
    z = inverse(z * blind % P, P) * blind % P
    zz = z * z % P
    x = x * zz % P
    y = y * zz % P * z % P
    if not _on_curve(x, y):  # a glitch: its result could tell the scalar
        raise CryptoError("computation")
    return x, y


def multiply_sum(u: int, v: int, x: int, y: int) -> "Generator[None, None, Jacobian]":
    """u times the base point plus v times (x, y): everything here is public."""
    u, gy = _odd(u, GY)
    v, y = _odd(v, y)
    return (yield from walk(32, (u, GX, gy, 1), (v, x, y, 1)))


def public_key(private: Buffer) -> "Generator[None, None, bytes]":
    x, y = yield from multiply(scalar(private), GX, GY)
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def ecdh(private: Buffer, public: Buffer) -> "Generator[None, None, bytes]":
    x, y = decode(public)
    x, y = yield from multiply(scalar(private), x, y)
    return x.to_bytes(32, "big")
