# SPDX-License-Identifier: Apache-2.0
"""AES-128-GCM with a 12-byte nonce and a 16-byte tag, on the AES-ECB that every board has.

One call to the cipher makes the hash key, the tag's mask and the first 256 bytes of key stream. The scratch buffers
are shared: these functions never give way, so no two of them ever run at once.
"""

from cryptolib import aes
from micropython import const

from latchkey.crypto.errors import CryptoError
from latchkey.crypto.hmac import verify_equal
from latchkey.crypto.loops import counters, ghash, xor

_ECB = const(1)
_BLOCKS = const(16)  # of key stream made at a time
_CHUNK = const(16 * _BLOCKS)

_SCRATCH = bytearray(32 + _CHUNK)  # hash key | tag mask | key stream
_VIEW = memoryview(_SCRATCH)
_HASH_KEY = _VIEW[:16]
_MASK = _VIEW[16:32]
_REST = _VIEW[16:]
_STREAM = _VIEW[32:]
_ZERO = bytes(16)
_TAG = bytearray(16)


def _start(key: bytes, nonce: bytes, size: int) -> aes:
    if len(key) != 16 or len(nonce) != 12:
        raise CryptoError("key or nonce length")
    cipher = aes(key, _ECB)
    blocks = min((size + 15) >> 4, _BLOCKS)
    _SCRATCH[:16] = _ZERO
    counters(_REST, nonce, 1, 1 + blocks)
    view = _VIEW[: 32 + 16 * blocks]
    cipher.encrypt(view, view)
    return cipher


def _crypt(cipher: aes, nonce: bytes, data: bytes) -> bytearray:
    out = bytearray(data)
    size = len(out)
    for at in range(0, size, _CHUNK):
        if at:
            counters(_STREAM, nonce, 2 + (at >> 4), _BLOCKS)
            cipher.encrypt(_STREAM, _STREAM)
        xor(out, at, _STREAM, min(size - at, _CHUNK))
    return out


def _tag(aad: bytes, ciphertext: bytes) -> None:
    ghash(_HASH_KEY, aad, ciphertext, _TAG)
    xor(_TAG, 0, _MASK, 16)


def gcm_encrypt(key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    out = _crypt(_start(key, nonce, len(plaintext)), nonce, plaintext)
    _tag(aad, out)
    return bytes(out), bytes(_TAG)


def gcm_decrypt(key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    if len(tag) != 16:
        raise CryptoError("tag length")
    cipher = _start(key, nonce, len(ciphertext))
    _tag(aad, ciphertext)
    verify_equal(_TAG, tag)
    return bytes(_crypt(cipher, nonce, ciphertext))
