# SPDX-License-Identifier: Apache-2.0
"""P-256: the group's laws, what is refused, and what a secret scalar is hidden behind."""

import asyncio
import random
from binascii import unhexlify

from latchkey import crypto
from latchkey.crypto import p256, publickey

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
    """A name of p256 that stands for something else while a block runs."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def __enter__(self):
        self.original = getattr(p256, self.name)
        setattr(p256, self.name, self.value)

    def __exit__(self, *_):
        setattr(p256, self.name, self.original)


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


def test_small_scalars_and_their_opposites_are_repeated_additions():
    x, y, z = p256.GX, p256.GY, 1
    for k in range(1, 40):
        zi = p256.inverse(z, p256.P)
        affine = x * zi * zi % p256.P, y * zi * zi * zi % p256.P
        assert _times(k) == affine, k
        assert _times(p256.N - k) == (affine[0], p256.P - affine[1]), k
        x, y, z = p256._add(x, y, z, (p256.GX, p256.GY, 1, 1, 1))


def test_multiplication_distributes_over_sums_of_scalars():
    random.seed(1)
    for _ in range(8):
        u, v, k = (random.getrandbits(32) ** 8 % p256.N or 1 for _ in range(3))
        qx, qy = _times(k)
        (x, y, z), _ = _run(p256.multiply_sum(u, v, qx, qy))
        zi = p256.inverse(z, p256.P)
        assert (x * zi * zi % p256.P, y * zi * zi * zi % p256.P) == _times((u + v * k) % p256.N)


def test_a_sum_that_meets_doubling_zero_or_infinity_is_right():
    gx, gy, n = p256.GX, p256.GY, p256.N
    for u, v, expected in ((0, 0, 0), (0, 5, 5), (5, 0, 5), (1, 1, 2), (7, n - 7, 0), (n - 1, 2, 1), (n - 3, 1, n - 2)):
        (x, y, z), _ = _run(p256.multiply_sum(u, v, gx, gy))
        if expected == 0:
            assert z == 0, (u, v)
        else:
            zi = p256.inverse(z, p256.P)
            assert (x * zi * zi % p256.P, y * zi * zi * zi % p256.P) == _times(expected), (u, v)


def test_inverse_is_that_of_fermat():
    random.seed(2)
    for m in (p256.P, p256.N):
        for a in [1, 2, 3, m - 1, m - 2, 1 << 255] + [random.getrandbits(32) ** 8 % m or 1 for _ in range(30)]:
            assert p256.inverse(a, m) == pow(a, m - 2, m)


def test_points_that_are_none_are_refused():
    x, y = p256.GX, p256.GY
    good = _encode(x, y)
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

    task = asyncio.create_task(other())
    await publickey.ecdh(_V, _C_PUBLIC)
    task.cancel()
    assert turns >= 80, turns


def test_no_step_is_longer_than_eighty_multiplications():
    """Counts `%` by p; at 100 us each on an ESP32 this is 8 ms; an inversion is about 9 ms."""
    count = 0
    worst = 0

    def doubled(x, y, z, times, original=p256._double):
        nonlocal count
        count += 8 * times
        return original(x, y, z, times)

    def added(x, y, z, entry, original=p256._add):
        nonlocal count
        count += 14
        return original(x, y, z, entry)

    with _Replaced("_double", doubled), _Replaced("_add", added):
        for steps in (p256.multiply(5, p256.GX, p256.GY), p256.multiply_sum(3, 4, p256.GX, p256.GY)):
            for _ in steps:
                worst = max(worst, count)
                count = 0
            worst = max(worst, count)
    assert 46 <= worst <= 80, worst


def test_every_scalar_is_the_same_sequence_of_operations():
    trace = []

    def doubled(x, y, z, times, original=p256._double):
        trace.append(times)
        return original(x, y, z, times)

    def added(x, y, z, entry, original=p256._add):
        trace.append(0)
        return original(x, y, z, entry)

    seen = []
    with _Replaced("_double", doubled), _Replaced("_add", added):
        for k in (1 << 40, 1 << 255, p256.N - 1 - (1 << 100), 0x5555 << 200, 3**161):
            trace.clear()
            _, given = _run(p256.multiply(k, p256.GX, p256.GY))
            seen.append((bytes(trace), given))
    assert len(seen[0][0]) > 160
    assert all(each == seen[0] for each in seen)


def test_no_two_runs_compute_with_the_same_scalar_or_coordinates():
    terms = []

    def walked(size, *given, original=p256._walk):
        terms.extend(given)
        return original(size, *given)

    with _Replaced("_walk", walked):
        for _ in range(6):
            _times(12345)
    assert len({k for k, _, _, _ in terms}) == 6
    assert len({z for _, _, _, z in terms}) == 6
    assert all(k & 1 and k % p256.N == 12345 and k >> 300 for k, _, _, _ in terms)
    assert all(0 < z < p256.P and z >> 200 for _, _, _, z in terms)


def test_a_result_that_a_glitch_made_wrong_is_not_released():
    calls = 0

    def added(x, y, z, entry, original=p256._add):
        nonlocal calls
        calls += 1
        x, y, z = original(x, y, z, entry)
        return (x ^ (calls == 50)), y, z

    with _Replaced("_add", added):
        assert _raises(crypto.CryptoError, _times, 77)
    assert calls > 50
