# SPDX-License-Identifier: Apache-2.0
"""P-256's points over native arithmetic: the formulas are programs for the machine of `field`.

Which entry of its table a digit takes depends on the scalar, and nothing else does: invisible in the ESP32's internal
RAM, which has no cache, but not proven so on a board that keeps its heap in PSRAM.

`points_plain` is the same over Python's integers; the tests hold the two against each other.
"""

from array import array

from latchkey.crypto.field import P as P
from latchkey.crypto.field import get, put, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    Jacobian = tuple[int, int, int]

BLINDING = 0  # bytes: see p256

# The sum x, y, z; a table's entry X, Y, Z with S = Z^2 and C = Z^3, limbs 60 to 159; what formulas need meanwhile.
_REGISTERS = "xyzXYZSCabcdt"


def _program(text: str) -> bytes:
    """Each word is an instruction: its target, two registers, and for a sum their two factors."""
    program = []
    for word in text.split():
        program += [_REGISTERS.index(name) for name in word[:3]]
        program += [int(word[at : at + 2] or "0") + 8 for at in (3, 5)]
    return bytes(program)


_SCALE = _program("tzz xxt ttz yyt")  # from affine x, y and any z
_DOUBLE = _program("dzz ayy+1+1 bay cxb txd+1-1 dxd+3+3 ttd zaz xtt xxc+1-4 ccx+2-1 ctc bbb ycb+1-2")
_ADD = _program(
    "azz bxS cyC dXa aaz aYa ddb+1-1 aac+1-1 zzZ zzd tdd ddt bbt ccd xaa xxd+1-1 xxb+1-2 bbx+1-1 yab yyc+1-1"
)
_ENTRY = _program("Xxx+1+0 Yyy+1+0 Zzz+1+0 SZZ CSZ")
_BEGIN = _program("xXX+1+0 yYY+1+0 zZZ+1+0")
_SIGN = _program("YYY+1+0")  # whose fourth byte is another for an entry's opposite


def walk(size: int, *terms: tuple[int, int, int, int]) -> "Generator[None, None, Jacobian]":
    """The sum of odd scalar times point for each (scalar, x, y, z); every scalar is below 256 ** size.

    x and y are affine, z is any number but zero modulo p. A step is a window of 4 bits.
    """
    registers = array("H", bytes(40 * len(_REGISTERS)))
    rows = []
    for k, x, y, z in terms:
        for at, value in enumerate((x, y, z)):
            put(registers, at, value)
        run(registers, _SCALE + _ENTRY)
        table = [registers[60:160]]
        run(registers, _DOUBLE + _ENTRY)
        twice = registers[60:160]
        registers[:60] = table[0][:60]
        while len(table) < 8:
            yield
            registers[60:160] = twice
            run(registers, _ADD + _ENTRY)
            table.append(registers[60:160])
        rows.append(((k >> 1 | 1 << 8 * size - 1).to_bytes(size, "big"), table))  # digit d stands for 2 d - 15
    first, moved, added = [bytearray(_SIGN + program) for program in (_BEGIN, 4 * _DOUBLE + _ADD, _ADD)]
    for i in range(2 * size):
        step = moved if i else first
        for digits, table in rows:
            digit = digits[i >> 1] >> (0 if i & 1 else 4) & 15
            registers[60:160] = table[digit - 8 if digit > 7 else 7 - digit]
            step[3] = 9 if digit > 7 else 7
            run(registers, step)
            step = added
        yield
    x, y, z = [get(registers, at) for at in range(3)]
    if not z:  # a sum that met itself or its opposite stays at zero from there on: as rare as being asked for it
        from latchkey.crypto import points_plain

        x, y, z = yield from points_plain.walk(size, *terms)
    return x, y, z
