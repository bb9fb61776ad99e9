# SPDX-License-Identifier: Apache-2.0
"""AES-128-GCM with a 12-byte nonce and a 16-byte tag, on the AES-ECB that every board has.

One call to the cipher makes the hash key, the tag's mask and the first 256 bytes of key stream. The scratch buffers
are shared: these functions never give way, so no two of them ever run at once.
"""

from struct import pack_into

from cryptolib import aes
from micropython import const

from latchkey.crypto.base import AuthError, ghash, xor
from latchkey.crypto.hmac import verify_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.crypto.base import Buffer

_ECB = const(1)
_BLOCKS = const(16)  # of key stream made at a time
_CHUNK = const(16 * _BLOCKS)

_SCRATCH = bytearray(32 + _CHUNK)  # hash key | tag mask | key stream
_VIEW = memoryview(_SCRATCH)
_HASH_KEY = _VIEW[:16]
_MASK = _VIEW[16:32]
_STREAM = _VIEW[32:]
_ZERO = bytes(16)
_TAG = bytearray(16)


def _count(nonce: Buffer, first: int, at: int, blocks: int) -> None:
    for counter in range(first, first + blocks):
        pack_into(">12sI", _SCRATCH, at, nonce, counter)
        at += 16


def _start(key: Buffer, nonce: Buffer, size: int) -> aes:
    if len(key) != 16 or len(nonce) != 12:
        raise AuthError("key or nonce length")
    cipher = aes(key, _ECB)
    blocks = min((size + 15) >> 4, _BLOCKS)
    _SCRATCH[:16] = _ZERO
    _count(nonce, 1, 16, 1 + blocks)
    view = _VIEW[: 32 + 16 * blocks]
    cipher.encrypt(view, view)
    return cipher


def _crypt(cipher: aes, nonce: Buffer, data: Buffer) -> bytearray:
    out = bytearray(data)
    size = len(out)
    for at in range(0, size, _CHUNK):
        if at:
            _count(nonce, 2 + (at >> 4), 32, _BLOCKS)
            cipher.encrypt(_STREAM, _STREAM)
        xor(out, at, _STREAM, min(size - at, _CHUNK))
    return out


def _tag(aad: Buffer, ciphertext: Buffer) -> None:
    ghash(_HASH_KEY, aad, ciphertext, _TAG)
    xor(_TAG, 0, _MASK, 16)


def gcm_encrypt(key: Buffer, nonce: Buffer, aad: Buffer, plaintext: Buffer) -> tuple[bytes, bytes]:
    out = _crypt(_start(key, nonce, len(plaintext)), nonce, plaintext)
    _tag(aad, out)
    return bytes(out), bytes(_TAG)


def gcm_decrypt(key: Buffer, nonce: Buffer, aad: Buffer, ciphertext: Buffer, tag: Buffer) -> bytes:
    cipher = _start(key, nonce, len(ciphertext))
    _tag(aad, ciphertext)
    verify_equal(_TAG, tag)
    return bytes(_crypt(cipher, nonce, ciphertext))
