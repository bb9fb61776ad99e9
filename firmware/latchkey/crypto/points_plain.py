# SPDX-License-Identifier: Apache-2.0
"""P-256's points over Python's integers, for an interpreter that cannot run `field`: same names, same results, slower.

Python's integers take longer when they are longer, which a random Z hides from one run to the next, and a digit picks
its table entry by index: so a secret scalar is also blinded by a random multiple of the order (63 bits of it).

`%` does the reduction: folding by the shape of p takes 2.6 times as long in Python. With 100 us for a multiplication
modulo p on an ESP32, a step of 46 takes 5 ms, and none is over 80.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Jacobian = tuple[int, int, int]
    Entry = tuple[int, int, int, int, int]

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
BLINDING = 8


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


def walk(size: int, *terms: tuple[int, int, int, int]) -> "Generator[None, None, Jacobian]":
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
