# SPDX-License-Identifier: Apache-2.0
"""P-256: the group's laws, what is refused, and what a secret scalar is hidden behind; native code and without."""

import asyncio
import random
import sys
from binascii import unhexlify

from latchkey import crypto
from latchkey.crypto import p256, points_plain, publickey
from runner import Skip, needs_memory

try:
    from latchkey.crypto import field, points
except (ImportError, SyntaxError, ValueError):
    field = points = None  # this interpreter has no native code

_V = unhexlify("344EE5B466A7CF1EEB12B6F50331DB2E5EC5834EF5F4BEFCFD8CBE55C2528D70")
_V_PUBLIC = unhexlify(
    "04c7a1f47138486aa4729971494878d33b1a24e39571f748a6e16c5955b3d877d3"
    "a6aaa0e955166474af5d32c410f439a2234137ad1bb085fd4e8813c958f11d97"
)
_C = unhexlify("2538CDC29A97C19C1E99A637D6CF4F8C970C118B56EDE1E6323E6D162C4B30DB")
_C_PUBLIC = unhexlify(
    "04b2b6bc68c2da0665ce656815594996c62394edd8bea905fe781a754fe6a845a7"
    "14330902f225e9269d466e05b349981fda9d85cc23c6fb444aa73b629105dc6e"
)
# Points with a coordinate so small that it can also be written with p added to it.
_SMALL_X = 5, 0x459243B9AA581806FE913BCE99817ADE11CA503C64D9A3C533415C083248FBCC
_SMALL_Y = 0xD7325D7646CD60D80A92738CEB345F844CFFAF35841022CAB176F692DE8DE1D7, 5
_K = unhexlify("1b2fce19967b79db696f909cff89ea9a")


def _run(steps):
    """The result of a generator, and how many times it gave way."""
    given = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, given
        given += 1


def _times(k, x=p256.GX, y=p256.GY):
    return _run(p256.multiply(k, x, y))[0]


def _encode(x, y):
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def _raises(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return True
    return False


class _Replaced:
    """A name of a module that stands for something else while a block runs."""

    def __init__(self, module, name, value):
        self.module, self.name, self.value = module, name, value

    def __enter__(self):
        self.original = getattr(self.module, self.name)
        setattr(self.module, self.name, self.value)

    def __exit__(self, *_):
        setattr(self.module, self.name, self.original)


def _versions():
    """The modules that p256 may stand on, while it does."""
    for version in (points, points_plain):
        if version:
            with _Replaced(p256, "walk", version.walk), _Replaced(p256, "BLINDING", version.BLINDING):
                yield version


def _native():
    if not points:
        raise Skip("this interpreter has no native code")


def _affine(x, y, z):
    zi = p256.inverse(z, p256.P)
    return x * zi * zi % p256.P, y * zi * zi * zi % p256.P


def _scalar():
    return random.getrandbits(32) ** 8 % p256.N or 1


async def test_public_keys_of_the_protocol_vectors():
    assert await publickey.public_key(_V) == _V_PUBLIC
    assert await publickey.public_key(_C) == _C_PUBLIC


async def test_both_sides_of_the_protocol_vectors_get_the_session_key():
    ours = await publickey.ecdh(_V, _C_PUBLIC)
    assert ours == await publickey.ecdh(_C, _V_PUBLIC)
    assert crypto.sha1(ours)[:16] == _K


async def test_keys_may_be_memoryviews():
    assert await publickey.ecdh(memoryview(_V), memoryview(bytearray(_C_PUBLIC))) == await publickey.ecdh(_C, _V_PUBLIC)


async def test_two_new_keys_agree():
    for _ in range(8):
        a, b = await publickey.generate_private(), await publickey.generate_private()
        assert a != b
        public_a, public_b = await publickey.public_key(a), await publickey.public_key(b)
        assert await publickey.ecdh(a, public_b) == await publickey.ecdh(b, public_a)


def test_native_code_is_used_where_there_is_any():
    _native()
    assert p256.walk is points.walk


def test_without_native_code_the_plain_version_takes_its_place():
    hidden = "latchkey.crypto.field", "latchkey.crypto.points", "latchkey.crypto.p256"
    saved = {name: sys.modules.pop(name) for name in hidden if name in sys.modules}
    sys.modules["latchkey.crypto.field"] = Skip  # something that has none of its names
    try:
        again = __import__("latchkey.crypto.p256", None, None, ["walk"])
        assert again.walk is points_plain.walk
        assert again.BLINDING == 8
    finally:
        del sys.modules["latchkey.crypto.field"]
        sys.modules.update(saved)
        crypto.p256 = p256


def test_native_and_plain_versions_give_the_same():
    _native()
    random.seed(5)
    for number in range(40):
        size = 32 + 8 * (number & 1)
        terms = []
        for _ in range(1 + number % 3):
            x, y = _times(_scalar())
            terms.append((_scalar() | 1, x, y, _scalar()))
        ours, _ = _run(points.walk(size, *terms))
        assert _affine(*ours) == _affine(*_run(points_plain.walk(size, *terms))[0]), terms


def test_numbers_modulo_p_are_right_at_all_their_ends():
    """Limbs as large as they can be, of numbers above p and above 2^256; what comes out is in shape again."""
    _native()
    random.seed(6)
    shapes = (
        lambda: 8191,
        lambda: 0,
        lambda: random.getrandbits(13),
        lambda: (0, 1, 8190, 8191)[random.getrandbits(2)],
    )
    p = p256.P
    registers = field.new()
    for number in range(400):
        for at in (0, 20):
            limb = shapes[random.getrandbits(2)]
            for i in range(at, at + 19):
                registers[i] = limb()
            registers[at + 19] = (0, 511, 512, 535, random.getrandbits(9))[number % 5]
        n, o = field.get(registers, 0), field.get(registers, 20)
        for program, expected in ((b"pno55 ", n * o), (b"pnn55 ", n * n)):
            field.run(registers, program)
            _assert_in_shape(registers, 40, expected % p, program)
        for c, d in ((6, 6), (6, 4), (0, 0), (9, 9), (0, 9), (1, 5), (9, 5)):
            program = "pno{}{} ".format(c, d).encode()
            field.run(registers, program)
            _assert_in_shape(registers, 40, (n * (c - 5) + o * (d - 5)) % p, program)


def _assert_in_shape(registers, at, expected, program):
    assert field.get(registers, at) == expected, (registers, program)
    assert max(registers[at : at + 19]) < 8192 and registers[at + 19] < 536, (registers, program)


def test_numbers_modulo_p_go_in_and_come_out():
    _native()
    registers = field.new()
    for value in (0, 1, p256.P - 1, p256.GX, (1 << 255) + 1):
        field.put(registers, 240, value)
        assert field.get(registers, 240) == value
        assert field.get(registers, 220) == 0


def test_small_scalars_and_their_opposites_are_repeated_additions():
    for version in _versions():
        x, y, z = p256.GX, p256.GY, 1
        for k in range(1, 40):
            affine = _affine(x, y, z)
            assert _times(k) == affine, (version, k)
            assert _times(p256.N - k) == (affine[0], p256.P - affine[1]), (version, k)
            x, y, z = points_plain._add(x, y, z, (p256.GX, p256.GY, 1, 1, 1))


def test_multiplication_distributes_over_sums_of_scalars():
    random.seed(1)
    for version in _versions():
        for _ in range(8):
            u, v, k = _scalar(), _scalar(), _scalar()
            result, _ = _run(p256.multiply_sum(u, v, *_times(k)))
            assert _affine(*result) == _times((u + v * k) % p256.N), (version, u, v, k)


def test_a_sum_that_meets_doubling_zero_or_infinity_is_right():
    gx, gy, n = p256.GX, p256.GY, p256.N
    sums = ((0, 0, 0), (0, 5, 5), (5, 0, 5), (1, 1, 2), (7, n - 7, 0), (n - 1, 2, 1), (n - 3, 1, n - 2))
    for version in _versions():
        for u, v, expected in sums:
            result, _ = _run(p256.multiply_sum(u, v, gx, gy))
            if expected == 0:
                assert result[2] == 0, (version, u, v)
            else:
                assert _affine(*result) == _times(expected), (version, u, v)


def test_random_scalars_are_what_is_drawn_unless_it_is_out_of_range():
    drawn = [b"\xff" * 32, (p256.N - 1).to_bytes(32, "big"), (p256.N - 2).to_bytes(32, "big"), bytes(32)]
    with _Replaced(p256, "random_bytes", lambda _: drawn.pop(0)):
        assert p256.random_scalar() == p256.N - 1
        assert p256.random_scalar() == 1


def test_inverse_is_that_of_fermat():
    random.seed(2)
    for m in (p256.P, p256.N):
        for a in [1, 2, 3, m - 1, m - 2, 1 << 255] + [random.getrandbits(32) ** 8 % m or 1 for _ in range(30)]:
            assert p256.inverse(a, m) == pow(a, m - 2, m)


def test_points_that_are_none_are_refused():
    x, y = p256.GX, p256.GY
    good = _encode(x, y)
    root = pow(p256._B, (p256.P + 1) // 4, p256.P)  # the point whose x is 0
    publickey.validate_public(_encode(0, root))
    publickey.validate_public(good)
    publickey.validate_public(memoryview(good))
    publickey.validate_public(_encode(*_SMALL_X))
    publickey.validate_public(_encode(*_SMALL_Y))
    for wrong in (
        b"",
        b"\x00",
        b"\x00" + good[1:],
        good[:-1],
        good + b"\x00",
        b"\x02" + good[1:33],
        b"\x03" + good[1:33],
        b"\x02" + good[1:],
        b"\x06" + good[1:],
        b"\x07" + good[1:],
        b"\x05" + good[1:],
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        _encode(x, y ^ 1),
        _encode(x ^ 1, y),
        _encode(y, x),
        _encode(0, 0),
        _encode(_SMALL_X[0] + p256.P, _SMALL_X[1]),
        _encode(_SMALL_Y[0], _SMALL_Y[1] + p256.P),
        _encode(p256.P, 0),
        _encode(p256.P, root),
    ):
        assert _raises(p256.InvalidPoint, publickey.validate_public, wrong), wrong


async def test_private_keys_out_of_range_are_refused():
    for wrong in (
        bytes(32),
        p256.N.to_bytes(32, "big"),
        (p256.N + 1).to_bytes(32, "big"),
        b"\xff" * 32,
        _V[1:],
        _V + b"\x00",
        b"",
    ):
        signing = publickey.ecdsa_sign(wrong, bytes(32))
        for asked in (publickey.public_key(wrong), publickey.ecdh(wrong, _C_PUBLIC), signing):
            try:
                await asked
            except crypto.CryptoError:
                continue
            raise AssertionError(wrong)


async def test_a_bad_point_costs_no_multiplication_and_good_ones_are_counted():
    before = publickey.operations()
    try:
        await publickey.ecdh(_V, _C_PUBLIC[:-1] + b"\x00")
        raise AssertionError
    except p256.InvalidPoint:
        pass
    assert publickey.operations() == before
    await publickey.ecdh(_V, _C_PUBLIC)
    await publickey.public_key(_V)
    assert publickey.operations() == before + 2


async def test_other_tasks_run_between_the_steps_of_an_operation():
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep_ms(0)

    for version in _versions():
        turns = 0
        task = asyncio.create_task(other())
        await publickey.ecdh(_V, _C_PUBLIC)
        task.cancel()
        assert turns >= (80 if version is points_plain else 70), (version, turns)  # a window is a step, and the table 7


class _Watched:
    """Counts the products of a version, and keeps what each of its formulas was told that a scalar must not change."""

    def __init__(self, version):
        self.products = 0
        self.trace = []
        if version is points:
            self._replaced = (_Replaced(points, "run", self._run),)
            self._original = (points.run,)
        else:
            self._replaced = (
                _Replaced(version, "_double", self._double),
                _Replaced(version, "_add", self._add),
            )
            self._original = (version._double, version._add)

    def __enter__(self):
        for each in self._replaced:
            each.__enter__()
        return self

    def __exit__(self, *_):
        for each in self._replaced:
            each.__exit__()

    def _run(self, registers, program):
        self.products += bytes(program).count(b"55 ")
        self.trace.append(bytes(program[:3]) + bytes(program[4:]))  # the fourth character may be a sign
        self._original[0](registers, program)

    def _double(self, x, y, z, times):
        self.products += 8 * times
        self.trace.append(bytes([times]))
        return self._original[0](x, y, z, times)

    def _add(self, x, y, z, entry):
        self.products += 14
        self.trace.append(b"+")
        return self._original[1](x, y, z, entry)


def test_no_step_is_longer_than_eighty_multiplications():
    """At 100 us each on an ESP32 in Python this is 8 ms, in native code it is 2."""
    for version in _versions():
        with _Watched(version) as watched:
            worst = 0
            for steps in (p256.multiply(5, p256.GX, p256.GY), p256.multiply_sum(3, 4, p256.GX, p256.GY)):
                while _run_one(steps):
                    worst = max(worst, watched.products)
                    watched.products = 0
                worst = max(worst, watched.products)
            assert 46 <= worst <= 80, (version, worst)


def _run_one(steps):
    try:
        next(steps)
        return True
    except StopIteration:
        return False


def test_every_scalar_is_the_same_sequence_of_operations():
    needs_memory()
    for version in _versions():
        seen = []
        with _Watched(version) as watched:
            for k in (1 << 40, 1 << 255, p256.N - 1 - (1 << 100), 0x5555 << 200, 3**161):
                watched.trace.clear()
                _, given = _run(p256.multiply(k, p256.GX, p256.GY))
                seen.append((list(watched.trace), given))
        steps = len(seen[0][0])
        assert steps == 73 if version is points else steps > 160, (version, steps)
        assert all(each == seen[0] for each in seen), version


def test_no_two_runs_compute_with_the_same_coordinates_nor_in_python_with_the_same_scalar():
    for version in _versions():
        terms = []

        def walked(size, *given, original=version.walk, terms=terms):
            terms.extend(given)
            return original(size, *given)

        with _Replaced(p256, "walk", walked):
            for _ in range(6):
                _times(12345)
        assert len({z for _, _, _, z in terms}) == 6
        assert all(0 < z < p256.P and z >> 200 for _, _, _, z in terms)
        assert all(k & 1 and k % p256.N == 12345 for k, _, _, _ in terms)
        if version is points_plain:
            assert len({k for k, _, _, _ in terms}) == 6
            assert all(k >> 300 for k, _, _, _ in terms)


def test_a_result_that_a_glitch_made_wrong_is_not_released():
    for version in _versions():
        calls = 0

        def added(x, y, z, entry, original=points_plain._add):
            nonlocal calls
            calls += 1
            x, y, z = original(x, y, z, entry)
            return (x ^ (calls == 50)), y, z

        def ran(registers, program, original=field and field.run):
            nonlocal calls
            calls += 1
            original(registers, program)
            registers[203] ^= calls == 50

        with _Replaced(version, "_add", added) if version is points_plain else _Replaced(version, "run", ran):
            assert _raises(crypto.CryptoError, _times, 77), version
        assert calls > 50
