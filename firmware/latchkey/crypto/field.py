# SPDX-License-Identifier: Apache-2.0
"""Numbers modulo p, P-256's prime, in native code: a machine whose programs are formulas.

A step from Python into native code costs as much as half a product, so a program is as long as can be: that of a whole
window of a scalar is one step. An instruction is six characters: the target register, two others, two digits and a
space. "zxy64 " sets z to x - y: a digit is a factor from 5, which is 0. Where both are, the two are multiplied instead,
in Montgomery's way: "zxy55 " sets z to x y 2^-260. Registers are the letters n to z. Which instructions the processor
goes through depends on the program only.

A register has 20 limbs of 13 bits (the last one a little more: the value stays below 1.05 * 2^256), so that a column of
a product stays below 2^31, and a sum's limbs wait for their carries. p is -1 modulo 2^13: what Montgomery's step adds
is the limb that it makes zero, shifted to where p has its other powers of two. One of these is negative, and a load of
32 bits on a machine of 64 knows no sign: so every column begins with a bias, and carries take it along.
"""

from array import array

import micropython
from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.crypto.base import Buffer

    ptr8 = Any
    ptr16 = Any
    ptr32 = Any

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_BACK = 0xFFFFFFFE00000003FFFFFFFD0000000200000001FFFFFFFE000000030000000  # 2^-260
_FIRST = const(110)  # n
_ZERO = const(53)  # 5
_BIAS = const((1 << 20) - 128)  # and 128 by the carry from the column before, whose bias has become 2^20

_columns = bytearray(160)


@micropython.viper
def _run(t: ptr32, limb: int, registers: ptr8, program: ptr8, size: int) -> object:  # type: ignore[return] # no `-> None`
    """t: 20 columns, and room for y. Its first two names are what viper keeps in the processor's registers."""
    at = 0
    while at < size:
        z = ptr16(int(registers) + 40 * (program[at] - _FIRST))
        x = ptr16(int(registers) + 40 * (program[at + 1] - _FIRST))
        y = ptr16(int(registers) + 40 * (program[at + 2] - _FIRST))
        c = program[at + 3] - _ZERO
        d = program[at + 4] - _ZERO
        at += 6
        limb = _BIAS
        t[0] = limb + 128
        t[1] = limb
        t[2] = limb
        t[3] = limb
        t[4] = limb
        t[5] = limb
        t[6] = limb
        t[7] = limb
        t[8] = limb
        t[9] = limb
        t[10] = limb
        t[11] = limb
        t[12] = limb
        t[13] = limb
        t[14] = limb
        t[15] = limb
        t[16] = limb
        t[17] = limb
        t[18] = limb
        t[19] = limb
        if c:
            i = 2
            while i:
                i -= 1
                limb = c
                t[0] = x[0] * limb + t[0]
                t[1] = x[1] * limb + t[1]
                t[2] = x[2] * limb + t[2]
                t[3] = x[3] * limb + t[3]
                t[4] = x[4] * limb + t[4]
                t[5] = x[5] * limb + t[5]
                t[6] = x[6] * limb + t[6]
                t[7] = x[7] * limb + t[7]
                t[8] = x[8] * limb + t[8]
                t[9] = x[9] * limb + t[9]
                t[10] = x[10] * limb + t[10]
                t[11] = x[11] * limb + t[11]
                t[12] = x[12] * limb + t[12]
                t[13] = x[13] * limb + t[13]
                t[14] = x[14] * limb + t[14]
                t[15] = x[15] * limb + t[15]
                t[16] = x[16] * limb + t[16]
                t[17] = x[17] * limb + t[17]
                t[18] = x[18] * limb + t[18]
                t[19] = x[19] * limb + t[19]
                x = y
                c = d
        else:
            t[20] = y[0]
            t[21] = y[1]
            t[22] = y[2]
            t[23] = y[3]
            t[24] = y[4]
            t[25] = y[5]
            t[26] = y[6]
            t[27] = y[7]
            t[28] = y[8]
            t[29] = y[9]
            t[30] = y[10]
            t[31] = y[11]
            t[32] = y[12]
            t[33] = y[13]
            t[34] = y[14]
            t[35] = y[15]
            t[36] = y[16]
            t[37] = y[17]
            t[38] = y[18]
            t[39] = y[19]
            i = 0
            while i < 20:  # one limb of x, and one of the sum made zero: columns move down, and a bias in
                limb = x[i]
                i += 1
                low = t[20] * limb + t[0]
                t[0] = t[21] * limb + t[1] + (low >> 13)
                low &= 8191
                t[1] = t[22] * limb + t[2]
                t[2] = t[23] * limb + t[3]
                t[3] = t[24] * limb + t[4]
                t[4] = t[25] * limb + t[5]
                t[5] = t[26] * limb + t[6]
                t[6] = t[27] * limb + t[7] + (low << 5)
                t[7] = t[28] * limb + t[8]
                t[8] = t[29] * limb + t[9]
                t[9] = t[30] * limb + t[10]
                t[10] = t[31] * limb + t[11]
                t[11] = t[32] * limb + t[12]
                t[12] = t[33] * limb + t[13]
                t[13] = t[34] * limb + t[14] + (low << 10)
                t[14] = t[35] * limb + t[15]
                t[15] = t[36] * limb + t[16]
                t[16] = t[37] * limb + t[17] - (low << 3)
                t[17] = t[38] * limb + t[18]
                t[18] = t[39] * limb + t[19] + (low << 9)
        limb = (t[19] + ((t[18] + 128) >> 13) - ((1 << 20) + 2)) >> 9  # how often p can go, or one less
        t[0] += limb
        t[7] -= limb << 5
        t[14] -= limb << 10
        t[17] += limb << 3
        t[19] -= limb << 9
        limb = t[0]
        z[0] = limb & 8191
        limb = (limb >> 13) + t[1]
        z[1] = limb & 8191
        limb = (limb >> 13) + t[2]
        z[2] = limb & 8191
        limb = (limb >> 13) + t[3]
        z[3] = limb & 8191
        limb = (limb >> 13) + t[4]
        z[4] = limb & 8191
        limb = (limb >> 13) + t[5]
        z[5] = limb & 8191
        limb = (limb >> 13) + t[6]
        z[6] = limb & 8191
        limb = (limb >> 13) + t[7]
        z[7] = limb & 8191
        limb = (limb >> 13) + t[8]
        z[8] = limb & 8191
        limb = (limb >> 13) + t[9]
        z[9] = limb & 8191
        limb = (limb >> 13) + t[10]
        z[10] = limb & 8191
        limb = (limb >> 13) + t[11]
        z[11] = limb & 8191
        limb = (limb >> 13) + t[12]
        z[12] = limb & 8191
        limb = (limb >> 13) + t[13]
        z[13] = limb & 8191
        limb = (limb >> 13) + t[14]
        z[14] = limb & 8191
        limb = (limb >> 13) + t[15]
        z[15] = limb & 8191
        limb = (limb >> 13) + t[16]
        z[16] = limb & 8191
        limb = (limb >> 13) + t[17]
        z[17] = limb & 8191
        limb = (limb >> 13) + t[18]
        z[18] = limb & 8191
        z[19] = (limb >> 13) + t[19] - (1 << 20)


def new() -> array[int]:
    """Registers n to z."""
    return array("H", bytes(40 * 13))


def run(registers: array[int], program: Buffer) -> None:
    _run(_columns, 0, registers, program, len(program))


def put(registers: array[int], at: int, value: int) -> None:
    """A number into the register whose first limb is at `at`."""
    value = (value << 260) % P
    for i in range(at, at + 20):
        registers[i] = value & 8191
        value >>= 13


def get(registers: array[int], at: int) -> int:
    """The number in that register, below p."""
    value = 0
    for i in range(at + 19, at - 1, -1):
        value = (value << 13) + registers[i]
    return value * _BACK % P
