# SPDX-License-Identifier: Apache-2.0
"""The random source: what the start-up check catches, and that nothing is made from a source that fails it."""

from latchkey import crypto
from latchkey.crypto import p256, publickey
from latchkey.crypto import random as source


class _Source:
    """The system's source replaced by a function of the number of bytes asked for, not yet checked."""

    def __init__(self, urandom):
        self.urandom = urandom

    def __enter__(self):
        self.original = source.urandom
        source.urandom = self.urandom
        source._healthy = False
        source._pool = b""

    def __exit__(self, *_):
        source.urandom = self.original
        source._healthy = False
        source._pool = b""


def _refused(urandom):
    with _Source(urandom):
        try:
            crypto.random_bytes(16)
        except crypto.CryptoError:
            return True
        return False


def test_bytes_come_in_the_number_asked_for_and_are_not_the_same_twice():
    for size in (0, 1, 16, 300):
        assert len(crypto.random_bytes(size)) == size
    assert crypto.random_bytes(16) != crypto.random_bytes(16)


def test_the_system_source_passes_the_check_every_time():
    for _ in range(200):
        source._check()


def test_the_check_is_made_once():
    drawn = []

    def urandom(size, original=source.urandom):
        drawn.append(size)
        return original(size)

    with _Source(urandom):
        for _ in range(3):
            crypto.random_bytes(5)
    assert len(drawn) > 3
    assert drawn[-3:] == [5, 5, 5]
    assert 5 not in drawn[:-3]


def test_a_stuck_source_is_refused():
    for byte in (0, 1, 255):
        assert _refused(lambda size, byte=byte: bytes((byte,)) * size)


def test_a_source_that_sticks_for_a_moment_is_refused():
    def urandom(size, original=source.urandom):
        data = bytearray(original(size))
        data[size // 2 : size // 2 + 8] = bytes(8)
        return bytes(data)

    assert _refused(urandom)


def test_a_source_that_says_the_same_every_time_is_refused():
    once = source.urandom(1024)
    assert _refused(lambda size: once[:size])


def test_a_source_that_favours_a_byte_is_refused():
    def urandom(size, original=source.urandom):
        return bytes(7 if i % 8 == 0 else b for i, b in enumerate(original(size)))

    assert _refused(urandom)


def test_a_source_that_counts_in_a_short_cycle_is_refused():
    assert _refused(lambda size: bytes(i % 16 for i in range(size)))


def test_a_source_that_gives_too_little_is_refused():
    assert _refused(lambda size: b"")
    assert _refused(lambda size, original=source.urandom: original(size - 1))


def test_a_source_that_repeats_after_a_reset_gives_other_bytes_once_a_boots_number_is_stirred_in():
    def boot(number, secret=b"key"):
        """What a board draws that starts with the same random numbers every time."""
        with _Source(lambda size: bytes(range(size))):
            source._healthy = True
            source._drawn = 0
            if number:
                source.stir(secret, number)
            return [crypto.random_bytes(size) for size in (12, 16, 16, 100)]

    assert boot(0) == boot(0)
    first, second, elsewhere = boot(1), boot(2), boot(1, b"another")
    assert first == boot(1)
    drawn = [data for drawn in (first, second, elsewhere) for data in drawn]
    assert len(set(drawn)) == len(drawn)
    assert [len(data) for data in first] == [12, 16, 16, 100]
    assert first[3][:32] != first[3][32:64]


def test_what_is_stirred_in_does_not_take_anything_out():
    with _Source(source.urandom):
        source.stir(b"key", 1)
        assert len({crypto.random_bytes(16) for _ in range(100)}) == 100


def test_a_refused_source_stays_refused():
    with _Source(lambda size: bytes(size)):
        for _ in range(3):
            try:
                crypto.random_bytes(16)
                raise AssertionError
            except crypto.CryptoError:
                pass


async def test_no_key_is_made_or_used_with_a_source_that_fails():
    key = await publickey.generate_private()
    with _Source(lambda size: bytes(size)):
        for made in (publickey.generate_private(), publickey.public_key(key), publickey.ecdsa_sign(key, bytes(32))):
            try:
                await made
            except crypto.CryptoError:
                continue
            raise AssertionError


async def test_keys_are_candidates_plus_one_and_candidates_out_of_range_are_rejected():
    n = p256.N
    candidates = [(1 << 256) - 1, n, n - 1, n - 2, 0, 12345]

    def urandom(size):
        return candidates.pop(0).to_bytes(size, "big")

    with _Source(urandom):
        source._healthy = True
        for expected in (n - 1, 1, 12346):
            assert int.from_bytes(await publickey.generate_private(), "big") == expected
    assert candidates == []
