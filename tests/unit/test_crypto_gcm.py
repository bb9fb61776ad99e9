# SPDX-License-Identifier: Apache-2.0
"""AES-128-GCM: the protocol's own vector, round trips, tampering, and what it costs in heap."""

import gc
import os
import random
import sys
from binascii import unhexlify

import micropython

import latchkey.crypto as crypto

_LOADED = "latchkey.crypto.p256" in sys.modules

from latchkey.crypto import base, gcm, ghash_plain  # noqa: E402
from runner import Skip  # noqa: E402

_K = unhexlify("1b2fce19967b79db696f909cff89ea9a")
_NONCE = unhexlify("dbf79447fa156674dae1caed")
_METADATA = unhexlify(
    "000105010103021135594a333031323334353637383941424303104c463f9cc0d3d26906e982ed224adde6040400000a5f050400000007ff"
)
_BUDGET = 3 * 1024 if sys.maxsize > 1 << 31 else 1536


def _bytes(size):
    return bytes(random.getrandbits(8) for _ in range(size))


def _refused(*arguments):
    try:
        crypto.gcm_decrypt(*arguments)
    except crypto.AuthError:
        return True
    return False


def _not_encrypted(key, nonce):
    try:
        crypto.gcm_encrypt(key, nonce, b"", b"open")
    except crypto.CryptoError:
        return True
    return False


def _flipped(data, bit):
    data = bytearray(data)
    data[bit >> 3] ^= 1 << (bit & 7)
    return data


def _native():
    try:
        from latchkey.crypto import ghash
    except (SyntaxError, ValueError):
        raise Skip("this interpreter has no native code")
    return ghash


def test_the_protocol_vector():
    aad = crypto.sha256(_METADATA)
    plaintext, ciphertext = unhexlify("120452020801"), unhexlify("38038e8c0f2e")
    tag = unhexlify("8e128da165f162f4d7d2c8da866cf82a")
    assert crypto.gcm_encrypt(_K, _NONCE, aad, plaintext) == (ciphertext, tag)
    assert crypto.gcm_decrypt(_K, _NONCE, aad, ciphertext, tag) == plaintext


def test_public_key_code_is_not_loaded_with_the_facade():
    assert not _LOADED


def test_what_is_encrypted_decrypts_at_every_length():
    random.seed(5)
    sizes = list(range(50)) + [63, 64, 65, 239, 240, 241, 255, 256, 257, 271, 272, 273, 511, 512, 513, 1023, 1024, 1500]
    for size in sizes:
        key, nonce, aad, plaintext = _bytes(16), _bytes(12), _bytes(size % 37), _bytes(size)
        ciphertext, tag = crypto.gcm_encrypt(key, nonce, aad, plaintext)
        assert len(ciphertext) == size
        assert len(tag) == 16
        assert size < 8 or ciphertext != plaintext
        assert crypto.gcm_decrypt(key, nonce, aad, ciphertext, tag) == plaintext


def test_a_long_message_begins_like_a_short_one():
    random.seed(6)
    plaintext = _bytes(1000)
    whole, _ = crypto.gcm_encrypt(_K, _NONCE, b"", plaintext)
    for size in (1, 16, 255, 256, 257, 512, 700):
        assert crypto.gcm_encrypt(_K, _NONCE, b"", plaintext[:size])[0] == whole[:size]


def test_every_kind_of_buffer_gives_the_same():
    plaintext, aad = bytes(range(40)), b"aad"
    expected = crypto.gcm_encrypt(_K, _NONCE, aad, plaintext)
    for kind in (bytearray, memoryview, lambda data: memoryview(b"xx" + data + b"yy")[2:-2]):
        given = kind(_K), kind(_NONCE), kind(aad), kind(plaintext)
        assert crypto.gcm_encrypt(*given) == expected
        assert crypto.gcm_decrypt(*(given[:3] + (kind(expected[0]), kind(expected[1])))) == plaintext
        assert bytes(given[3]) == plaintext


def test_every_bit_of_the_tag_counts():
    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, b"aad", b"open the door")
    for bit in range(128):
        assert _refused(_K, _NONCE, b"aad", ciphertext, _flipped(tag, bit)), bit


def test_every_bit_of_key_nonce_aad_and_ciphertext_counts():
    aad = bytes(range(20))
    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, aad, b"open the door")
    given = [_K, _NONCE, aad, ciphertext, tag]
    assert crypto.gcm_decrypt(*given) == b"open the door"
    for which in range(4):
        for bit in range(8 * len(given[which])):
            changed = list(given)
            changed[which] = _flipped(given[which], bit)
            assert _refused(*changed), (which, bit)


def test_bytes_do_not_move_between_aad_and_ciphertext():
    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, bytes(16), bytes(16))
    assert _refused(_K, _NONCE, bytes(16) + ciphertext, b"", tag)
    assert _refused(_K, _NONCE, b"", bytes(16) + ciphertext, tag)
    assert _refused(_K, _NONCE, bytes(17), ciphertext, tag)
    assert _refused(_K, _NONCE, bytes(15), ciphertext, tag)


def test_short_long_and_missing_tags_are_refused():
    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, b"", b"open")
    for wrong in (b"", tag[:1], tag[:4], tag[:12], tag[:15], tag + b"\x00"):
        assert _refused(_K, _NONCE, b"", ciphertext, wrong)


def test_nonces_and_keys_of_another_length_are_refused():
    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, b"", b"open")
    for size in (0, 1, 8, 11, 13, 16):
        assert _refused(_K, bytes(size), b"", ciphertext, tag)
        assert _not_encrypted(_K, bytes(size))
    for size in (0, 15, 17, 24, 32):
        assert _refused(bytes(size), _NONCE, b"", ciphertext, tag)
        assert _not_encrypted(bytes(size), _NONCE)


def test_nothing_is_decrypted_before_the_tag_is_verified():
    decrypted = 0

    def crypt(*arguments, original=gcm._crypt):
        nonlocal decrypted
        decrypted += 1
        return original(*arguments)

    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, b"", bytes(600))
    original, gcm._crypt = gcm._crypt, crypt
    try:
        assert _refused(_K, _NONCE, b"", ciphertext, _flipped(tag, 5))
        assert decrypted == 0
        crypto.gcm_decrypt(_K, _NONCE, b"", ciphertext, tag)
        assert decrypted == 1
    finally:
        gcm._crypt = original


def test_a_refused_message_does_not_disturb_the_next_one():
    expected = crypto.gcm_encrypt(_K, _NONCE, b"aad", b"next")
    ciphertext, _ = crypto.gcm_encrypt(_K, _NONCE, b"", bytes(600))
    assert _refused(_K, _NONCE, b"", ciphertext, bytes(16))
    assert crypto.gcm_encrypt(_K, _NONCE, b"aad", b"next") == expected


def test_native_code_is_used_where_there_is_any():
    assert base.ghash is _native().ghash
    assert base.xor is _native().xor


def test_native_and_plain_loops_give_the_same():
    native = _native()
    random.seed(7)
    for size in list(range(70)) + [127, 128, 129, 1024]:
        h, aad, data = _bytes(16), _bytes(random.getrandbits(5)), _bytes(size)
        ours, plain = bytearray(16), bytearray(16)
        native.ghash(h, aad, data, ours)
        ghash_plain.ghash(h, aad, data, plain)
        assert ours == plain, size
        other, at = bytearray(data + b"12345"), size % 6
        same = bytearray(other)
        native.xor(other, at, data, size)
        ghash_plain.xor(same, at, data, size)
        assert other == same, size
    for h in (bytes(16), b"\xff" * 16, b"\x80" + bytes(15), bytes(15) + b"\x01"):
        for data in (b"\xff" * 40, bytes(16), b"\x80" + bytes(15), bytes(15) + b"\x01"):
            native.ghash(h, data, data, ours)
            ghash_plain.ghash(h, data, data, plain)
            assert ours == plain


def test_ghash_is_that_of_the_gcm_specification():
    """Test case 2 of McGrew and Viega's paper."""
    h = unhexlify("66e94bd4ef8a2c3b884cfa59ca342b2e")
    data = unhexlify("0388dace60b6a392f328c2b971b2fe78")
    out = bytearray(16)
    for ghash in (base.ghash, ghash_plain.ghash):
        ghash(h, b"", data, out)
        assert out == unhexlify("f38cbb1ad69223dcc3457ae5b6b0f885")


def test_without_native_code_the_plain_loops_take_its_place():
    saved = sys.modules["latchkey.crypto.base"], sys.modules.pop("latchkey.crypto.ghash", None)
    del sys.modules["latchkey.crypto.base"]
    sys.modules["latchkey.crypto.ghash"] = Skip  # something that has neither name
    try:
        again = __import__("latchkey.crypto.base", None, None, ["ghash"])
        assert again.ghash is ghash_plain.ghash
        assert again.xor is ghash_plain.xor
    finally:
        sys.modules["latchkey.crypto.base"] = saved[0]
        del sys.modules["latchkey.crypto.ghash"]
        if saved[1]:
            sys.modules["latchkey.crypto.ghash"] = saved[1]


def test_native_code_for_another_processor_fails_to_import_in_a_way_that_is_caught():
    mpy = sys.implementation._mpy
    other = 3 if mpy >> 10 != 3 else 4
    header = bytes((77, mpy & 255, (other << 2) | (mpy >> 8 & 3), 31, 1, 0))
    folder = "latchkey-other-processor"
    name = folder + "/otherprocessor.mpy"
    os.mkdir(folder)
    try:
        with open(name, "wb") as file:
            file.write(header)
        sys.path.insert(0, folder)
        try:
            import otherprocessor  # noqa: F401

            raise AssertionError("it was imported")
        except (ImportError, SyntaxError, ValueError, MemoryError):
            pass
    finally:
        sys.path.remove(folder)
        os.remove(name)
        os.rmdir(folder)


def test_the_loops_allocate_nothing():
    native = _native()
    h, aad, data, out = bytes(range(16)), memoryview(bytes(32)), bytearray(range(50)), bytearray(16)
    native.ghash(h, aad, data, out)
    micropython.heap_lock()
    try:
        native.ghash(h, aad, data, out)
        native.xor(out, 0, h, 16)
    finally:
        micropython.heap_unlock()


def test_one_command_and_its_encrypted_reply_stay_within_their_heap_budget():
    aad, plaintext = crypto.sha256(_METADATA), bytes(range(10))
    ciphertext, tag = crypto.gcm_encrypt(_K, _NONCE, aad, plaintext)
    gc.collect()
    gc.disable()
    try:
        before = gc.mem_alloc()
        crypto.gcm_decrypt(_K, _NONCE, crypto.sha256(_METADATA), ciphertext, tag)
        crypto.gcm_encrypt(_K, _NONCE, crypto.sha256(_METADATA), plaintext)
        used = gc.mem_alloc() - before
    finally:
        gc.enable()
    print("note: {} bytes of heap for one command and its encrypted reply".format(used))
    assert 0 < used <= _BUDGET, used
