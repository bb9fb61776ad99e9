# SPDX-License-Identifier: Apache-2.0
"""P-256 in steps: scalar multiplication is a generator, and every `yield` is a place to let the event loop run.

Points are Jacobian. A scalar is made odd and written as 4-bit signed odd digits, none of them zero, so that every
scalar is the same sequence: four doublings, one addition, again. What that cannot hide is that Python's integers
take longer when they are longer, and that a digit picks its table entry by index; so a secret scalar is also
blinded by a random multiple of the order, and its point by a random Z: no two runs compute with the same numbers.

With 100 us for a multiplication modulo p on an ESP32, a step of 46 takes 5 ms, and none is over 80; an inversion is
worth 90. `%` does the reduction: folding by the shape of p takes 2.6 times as long in Python, and Fermat's inversion
4.5 times as long as Euclid's.
"""

from latchkey.crypto.base import CryptoError
from latchkey.crypto.random import random_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from latchkey.crypto.base import Buffer

    Jacobian = tuple[int, int, int]
    Entry = tuple[int, int, int, int, int]

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
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


def _double(x: int, y: int, z: int, times: int) -> Jacobian:
    p = P
    for _ in range(times):
        delta = z * z % p
        gamma = y * y % p
        beta = x * gamma % p
        alpha = (x - delta) * (x + delta) * 3 % p
        z = y * z * 2 % p
        x = (alpha * alpha - beta * 8) % p
        y = (alpha * (beta * 4 - x) - gamma * gamma * 8) % p
    return x, y, z


def _add(x: int, y: int, z: int, entry: Entry) -> Jacobian:
    p = P
    x2, y2, z2, zz2, zzz2 = entry
    if not z:
        return x2, y2, z2
    zz = z * z % p
    u = x * zz2 % p
    s = y * zzz2 % p
    h = (x2 * zz - u) % p
    r = (y2 * z % p * zz - s) % p
    if not h:  # the same x: the same point, or its opposite
        return (1, 1, 0) if r else _double(x, y, z, 1)
    hh = h * h % p
    hhh = hh * h % p
    v = u * hh % p
    x = (r * r - hhh - v * 2) % p
    return x, (r * (v - x) - s * hhh) % p, z * z2 % p * h % p


def _entry(x: int, y: int, z: int) -> Entry:
    zz = z * z % P
    return x, y, z, zz, zz * z % P


def _table(x: int, y: int, z: int) -> "Generator[None, None, list[Entry]]":
    """-15, -13 … -1, 1 … 15 times the point, with Z as its third coordinate."""
    zz = z * z % P
    x = x * zz % P
    y = y * zz % P * z % P
    twice = _entry(*_double(x, y, z, 1))
    low: list[Entry] = []
    high: list[Entry] = []
    while True:
        entry = _entry(x, y, z)
        high.append(entry)
        low.append((x, P - y) + entry[2:])
        if len(high) == 8:
            low.reverse()
            return low + high
        yield
        x, y, z = _add(x, y, z, twice)


def _walk(size: int, *terms: tuple[int, int, int, int]) -> "Generator[None, None, Jacobian]":
    """The sum of odd scalar times point for each (scalar, x, y, z); every scalar is below 256 ** size."""
    rows = []
    for k, x, y, z in terms:
        digits = (k >> 1 | 1 << 8 * size - 1).to_bytes(size, "big")  # digit d stands for 2 d - 15
        rows.append((digits, (yield from _table(x, y, z))))
    x, y, z = 1, 1, 0
    for i in range(size):
        for shift in (4, 0):
            x, y, z = _double(x, y, z, 4)
            for digits, table in rows:
                x, y, z = _add(x, y, z, table[digits[i] >> shift & 15])
            yield
    return x, y, z


def multiply(k: int, x: int, y: int) -> "Generator[None, None, tuple[int, int]]":
    """A secret scalar in [1, n - 1] times a point."""
    k += int.from_bytes(random_bytes(8), "big") * N
    if not k & 1:
        k += N
    x, y, z = yield from _walk(40, (k, x, y, random_scalar()))
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
    gy = GY
    if not u & 1:
        u = N - u
        gy = P - gy
    if not v & 1:
        v = N - v
        y = P - y
    return (yield from _walk(32, (u, GX, gy, 1), (v, x, y, 1)))


def public_key(private: Buffer) -> "Generator[None, None, bytes]":
    x, y = yield from multiply(scalar(private), GX, GY)
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def ecdh(private: Buffer, public: Buffer) -> "Generator[None, None, bytes]":
    x, y = decode(public)
    x, y = yield from multiply(scalar(private), x, y)
    return x.to_bytes(32, "big")
