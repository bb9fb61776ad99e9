# SPDX-License-Identifier: Apache-2.0
"""Hashes, HMAC-SHA256, and the comparison that tells nothing but its outcome."""

from binascii import hexlify, unhexlify

import micropython

from latchkey import crypto

_K = unhexlify("1b2fce19967b79db696f909cff89ea9a")


def _refused(a, b):
    try:
        crypto.verify_equal(a, b)
    except crypto.AuthError:
        return True
    return False


def test_hashes_of_nothing_and_of_parts():
    assert hexlify(crypto.sha256()) == b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert crypto.sha256(b"ab", memoryview(b"xcx")[1:2], bytearray(b"")) == crypto.sha256(b"abc")
    assert hexlify(crypto.sha1(b"5YJS0000000000000")[:8]) == b"1a87a5a75f3df858"
    assert hexlify(crypto.sha1(memoryview(b"abc"))) == b"a9993e364706816aba3e25717850c26c9cd0d89d"


def test_the_session_info_key_of_the_protocol_vectors():
    expected = unhexlify("fceb679ee7bca756fcd441bf238bf2f338629b41d9eb9c67be1b32c9672ce300")
    assert crypto.hmac_sha256(_K, b"session info") == expected
    assert crypto.hmac_sha256(memoryview(_K), b"session", b"", memoryview(b" info")) == expected


def test_keys_of_any_length_are_those_of_rfc_2104():
    for size in (0, 1, 32, 63, 64, 65, 200):
        key = bytes(range(size))
        padded = (crypto.sha256(key) if size > 64 else key) + bytes(64)
        inner = bytes(b ^ 0x36 for b in padded[:64])
        outer = bytes(b ^ 0x5C for b in padded[:64])
        assert crypto.hmac_sha256(key, b"m") == crypto.sha256(outer, crypto.sha256(inner, b"m")), size


def test_a_long_key_leaves_nothing_behind_for_a_short_one():
    before = crypto.hmac_sha256(b"k", b"m")
    crypto.hmac_sha256(b"\xff" * 64, b"m")
    assert crypto.hmac_sha256(b"k", b"m") == before


def test_equal_bytes_pass_whatever_holds_them():
    crypto.verify_equal(b"", b"")
    crypto.verify_equal(b"tag", bytearray(b"tag"))
    crypto.verify_equal(memoryview(b"xtag")[1:], b"tag")


def test_any_bit_that_differs_is_refused():
    tag = bytes(range(32))
    for bit in range(256):
        other = bytearray(tag)
        other[bit >> 3] ^= 1 << (bit & 7)
        assert _refused(tag, other)
        assert _refused(other, tag)


def test_another_length_is_refused():
    tag = bytes(range(32))
    for other in (b"", tag[:1], tag[:31], tag + b"\x00"):
        assert _refused(tag, other)
        assert _refused(other, tag)


def test_the_comparison_looks_at_every_byte_wherever_they_differ():
    class Counted:
        def __init__(self, data):
            self.data, self.looks = data, 0

        def __len__(self):
            return len(self.data)

        def __getitem__(self, at):
            self.looks += 1
            return self.data[at]

    for at in range(16):
        counted = Counted(bytes(at) + b"\x01" + bytes(15 - at))
        assert _refused(counted, bytes(16))
        assert counted.looks == 16


def test_the_comparison_allocates_nothing():
    a, b = bytearray(range(16)), memoryview(bytearray(range(16)))
    crypto.verify_equal(a, b)
    micropython.heap_lock()
    try:
        crypto.verify_equal(a, b)
    finally:
        micropython.heap_unlock()
