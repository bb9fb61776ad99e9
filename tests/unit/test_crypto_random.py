# SPDX-License-Identifier: Apache-2.0
"""The random source: what the start-up check catches, and that nothing is made from a source that fails it."""

from latchkey import crypto
from latchkey.crypto import p256
from latchkey.crypto import random as source


class _Source:
    """The system's source replaced by a function of the number of bytes asked for, not yet checked."""

    def __init__(self, urandom):
        self.urandom = urandom

    def __enter__(self):
        self.original = source.urandom
        source.urandom = self.urandom
        source._healthy = False

    def __exit__(self, *_):
        source.urandom = self.original
        source._healthy = False


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


def test_a_refused_source_stays_refused():
    with _Source(lambda size: bytes(size)):
        for _ in range(3):
            try:
                crypto.random_bytes(16)
                raise AssertionError
            except crypto.CryptoError:
                pass


async def test_no_key_is_made_or_used_with_a_source_that_fails():
    key = await crypto.generate_private()
    with _Source(lambda size: bytes(size)):
        for made in (crypto.generate_private(), crypto.public_key(key), crypto.ecdsa_sign(key, bytes(32))):
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
            assert int.from_bytes(await crypto.generate_private(), "big") == expected
    assert candidates == []
