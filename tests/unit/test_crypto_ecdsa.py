# SPDX-License-Identifier: Apache-2.0
"""ECDSA: RFC 6979's own signatures, round trips, and that nothing else verifies."""

import random
from binascii import unhexlify

from latchkey import crypto
from latchkey.crypto import ecdsa, p256, publickey

# RFC 6979, A.2.5 (P-256, SHA-256)
_KEY = unhexlify("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
_PUBLIC = unhexlify(
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
_SIGNATURES = (
    (
        b"sample",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    (
        b"test",
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
    ),
)
_DIGEST = crypto.sha256(b"sample")


_R, _S = (unhexlify(number) for number in _SIGNATURES[0][1:])
_GOOD = _R + _S


async def _refused(public, digest, signature, error=ecdsa.BadSignature):
    try:
        await publickey.ecdsa_verify(public, digest, signature)
    except error:
        return True
    return False


async def test_signatures_are_those_of_rfc_6979():
    assert await publickey.public_key(_KEY) == _PUBLIC
    for message, r, s in _SIGNATURES:
        digest = crypto.sha256(message)
        assert await publickey.ecdsa_sign(_KEY, digest) == unhexlify(r + s), message
        await publickey.ecdsa_verify(_PUBLIC, digest, unhexlify(r + s))


async def test_what_is_signed_verifies_and_nothing_else_does():
    random.seed(3)
    for _ in range(6):
        private = await publickey.generate_private()
        public = await publickey.public_key(private)
        digest = crypto.sha256(private, b"message")
        signature = await publickey.ecdsa_sign(private, digest)
        await publickey.ecdsa_verify(memoryview(public), memoryview(digest), memoryview(signature))
        bit = random.getrandbits(8)
        other = bytearray(digest)
        other[bit >> 3] ^= 1 << (bit & 7)
        assert await _refused(public, other, signature)
        assert await _refused(_PUBLIC, digest, signature)
        broken = bytearray(signature)
        broken[-1 - (bit >> 4)] ^= 1 << (bit & 7)
        assert await _refused(public, digest, broken)


async def test_digests_at_both_ends_sign_and_verify():
    for digest in (bytes(32), b"\xff" * 32, p256.N.to_bytes(32, "big"), (p256.N - 1).to_bytes(32, "big")):
        await publickey.ecdsa_verify(_PUBLIC, digest, await publickey.ecdsa_sign(_KEY, digest))


async def test_a_digest_of_another_length_is_refused():
    for digest in (b"", _DIGEST[1:], _DIGEST + b"\x00"):
        assert await _refused(_PUBLIC, digest, _GOOD, error=crypto.CryptoError)
        try:
            await publickey.ecdsa_sign(_KEY, digest)
            raise AssertionError
        except crypto.CryptoError:
            pass


async def test_r_and_s_out_of_range_are_refused():
    n = p256.N.to_bytes(32, "big")
    for r, s in ((bytes(32), _S), (_R, bytes(32)), (n, _S), (_R, n), (b"\xff" * 32, _S), (_R, b"\xff" * 32)):
        assert await _refused(_PUBLIC, _DIGEST, r + s)


async def test_signatures_have_64_bytes():
    for wrong in (b"", _R, _R + _S[:-1], _R + _S + b"\x00", b"\x00" + _R + b"\x00" + _S):
        assert await _refused(_PUBLIC, _DIGEST, wrong)


async def test_a_key_off_the_curve_is_refused():
    assert await _refused(_PUBLIC[:-1] + b"\x00", _DIGEST, _GOOD, error=p256.InvalidPoint)
