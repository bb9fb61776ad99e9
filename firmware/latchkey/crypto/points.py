# SPDX-License-Identifier: Apache-2.0
"""P-256's points over native arithmetic: the formulas are programs for the machine of `field`.

Which entry of its table a digit takes depends on the scalar, and nothing else does: invisible in the ESP32's internal
RAM, which has no cache, but not proven so on a board that keeps its heap in PSRAM.

`points_plain` is the same over Python's integers; the tests hold the two against each other.
"""

from micropython import const

from latchkey.crypto.field import P as P
from latchkey.crypto.field import get, new, put, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Jacobian = tuple[int, int, int]

BLINDING = 0  # bytes: see p256

_S = const(100)  # where registers begin
_X = const(200)
_Y = const(220)
_Z = const(240)

# x, y, z are the sum; s, t, u an entry of a table, with v = u^2 and w = u^3; n to r are what formulas need.
_SCALE = b"rzz55 xxr55 rrz55 yyr55 "  # from affine x, y and any z
_DOUBLE = (
    b"qzz55 nyy66 ony55 pxo55 rxq64 qxq88 rrq55 znz55 xrr55 xxp61 "  # r = 3 (x - z^2) (x + z^2), p = 2 x y^2, o = 2 y^2
    b"ppx74 prp55 ooo55 ypo63 "
)
_ADD = (
    b"nzz55 oxv55 pyw55 qsn55 nnz55 ntn55 qqo64 nnp64 "  # o = x u^2, p = y u^3; q and n: what the entry has more
    b"zzu55 zzq55 rqq55 qqr55 oor55 ppq55 xnn55 xxq64 xxo63 oox64 yno55 yyp64 "
)
_ENTRY = b"sxx65 tyy65 uzz65 vzz55 wvz55 "
_BEGIN = b"xss65 ytt65 zuu65 "
_SIGN = b"ttt65 "  # or 4 in place of 6: an entry's opposite


def walk(size: int, *terms: tuple[int, int, int, int]) -> "Generator[None, None, Jacobian]":
    """The sum of odd scalar times point for each (scalar, x, y, z); every scalar is below 256 ** size.

    x and y are affine, z is any number but zero modulo p. A step is a window of 4 bits.
    """
    registers = new()
    rows = []
    for k, x, y, z in terms:
        put(registers, _X, x)
        put(registers, _Y, y)
        put(registers, _Z, z)
        run(registers, _SCALE + _ENTRY)
        table = [registers[_S:_X]]
        run(registers, _DOUBLE + _ENTRY)
        twice = registers[_S:_X]
        registers[_X:] = table[0][:60]
        while len(table) < 8:
            yield
            registers[_S:_X] = twice
            run(registers, _ADD + _ENTRY)
            table.append(registers[_S:_X])
        rows.append(((k >> 1 | 1 << 8 * size - 1).to_bytes(size, "big"), table))  # digit d stands for 2 d - 15
    first, moved, added = [bytearray(_SIGN + program) for program in (_BEGIN, 4 * _DOUBLE + _ADD, _ADD)]
    for i in range(2 * size):
        step = moved if i else first
        for digits, table in rows:
            digit = digits[i >> 1] >> (0 if i & 1 else 4) & 15
            registers[_S:_X] = table[digit - 8 if digit > 7 else 7 - digit]
            step[3] = 54 if digit > 7 else 52
            run(registers, step)
            step = added
        yield
    x, y, z = [get(registers, at) for at in (_X, _Y, _Z)]
    if not z:  # a sum that met itself or its opposite stays at zero from there on: as rare as being asked for it
        from latchkey.crypto import points_plain

        x, y, z = yield from points_plain.walk(size, *terms)
    return x, y, z
