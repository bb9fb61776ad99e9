# SPDX-License-Identifier: Apache-2.0
"""P-256's native code for the boards, run instruction by instruction: 32 bits hold all of it, and it takes few."""

import random
from array import array
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.build.compiling import BOARD_MARCHES
from tests.native.counted import BASE, Counted

_MILLION = 1_000_000


@pytest.fixture(params=BOARD_MARCHES)
def counted(request: pytest.FixtureRequest) -> Counted:
    return Counted(request.param)


def test_numbers_modulo_p_are_right_at_all_their_ends(counted: Counted) -> None:
    field, p = counted.field, counted.field.P
    shapes: tuple[tuple[int, ...], ...] = ((8191,), (0,), (0, 1, 8190, 8191), tuple(range(8192)))
    random.seed(7)
    for _ in range(300):
        registers = field.new()
        for at in (0, 20):
            registers[at : at + 19] = array("H", random.choices(random.choice(shapes), k=19))
            registers[at + 19] = random.choice((0, 511, 512, 535, random.getrandbits(9)))
        n, o = field.get(registers, 0), field.get(registers, 20)
        c, d = random.choice((0, 1, 4, 6, 9)), random.randint(0, 9)
        expected = {b"pno55 ": n * o, b"pnn55 ": n * n, b"pno%d%d " % (c, d): (c - 5) * n + (d - 5) * o}
        for program, result in expected.items():
            field.run(registers, program)
            assert field.get(registers, 40) == result % p, (registers, program)
            assert max(registers[40:59]) < 8192
            assert registers[59] < 536


def test_a_secret_scalar_takes_at_most_30_million_instructions(
    counted: Counted, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    k = random.Random(8).getrandbits(255) | 1
    expected = ec.derive_private_key(k, ec.SECP256R1()).public_key().public_numbers()
    assert counted.walk(32, (k, *BASE, 0xC0FFEE)) == (expected.x, expected.y)
    record_property("note", f"{counted.instructions:,} instructions; the longest step has {counted.longest:,}")
    assert counted.instructions <= 30 * _MILLION
    assert counted.longest <= 2.5 * _MILLION


def test_a_sum_of_two_is_right(counted: Counted) -> None:
    u, v, k = 0xFEDCBA9876543211, 0x8F1BBCDC6ED9EBA1, 0x123456789
    other = ec.derive_private_key(k, ec.SECP256R1()).public_key().public_numbers()
    expected = ec.derive_private_key(u + v * k, ec.SECP256R1()).public_key().public_numbers()
    assert counted.walk(8, (u, *BASE, 1), (v, other.x, other.y, 1)) == (expected.x, expected.y)
