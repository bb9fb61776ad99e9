# SPDX-License-Identifier: Apache-2.0
"""GHASH and the byte loops of GCM as native code.

A viper int is a machine word, 32 or 64 bits, so every number here stays within 16 bits plus a shift: the same code
is right on both. The field element is eight 16-bit limbs, most significant first, multiplied by 4-bit windows of
precomputed multiples. The sequence of operations depends on lengths only. Table look-ups do depend on data: that is
invisible in the ESP32's internal RAM, which has no cache, and might not be on a board that keeps its heap in PSRAM.

`ghash_plain` does the same without native code; the tests hold the two against each other.
"""

import micropython
from struct import pack_into

TYPE_CHECKING = False
if TYPE_CHECKING:
    from micropython import ptr8, ptr16

# 16-bit words: 16 multiples of H (8 words each), 16 reductions, the running sum (8), the block being multiplied (8)
_SCRATCH = bytearray(2 * (128 + 16 + 8 + 8))
_LENGTHS = bytearray(16)


@micropython.viper
def _start(h: ptr8, s: ptr16) -> None:
    i = 0
    while i < 8:
        s[64 + i] = (h[2 * i] << 8) | h[2 * i + 1]
        s[i] = 0
        s[144 + i] = 0
        i += 1
    n = 32  # entry n / 8 is entry n / 4 times x: bits run from the most significant end, so it is a shift right
    while n > 4:
        s[n] = (s[2 * n] >> 1) ^ ((s[2 * n + 7] & 1) * 0xE100)
        i = 1
        while i < 8:
            s[n + i] = (s[2 * n + i] >> 1) | (s[2 * n + i - 1] << 15)
            i += 1
        n >>= 1
    n = 16
    while n < 128:
        i = 8
        while i < n:
            s[n + i] = s[n + (i & 7)] ^ s[i]
            i += 1
        n <<= 1
    i = 0
    while i < 16:  # what the four bits that a shift drops come back as
        s[128 + i] = ((i & 1) * 0x1C20) ^ ((i >> 1 & 1) * 0x3840) ^ ((i >> 2 & 1) * 0x7080) ^ ((i >> 3) * 0xE100)
        i += 1


@micropython.viper
def _absorb(data: ptr8, size: int, s: ptr16) -> None:
    at = 0
    while at < size:
        i = 0
        while i < 8:  # the block, padded with zeros, on top of the sum; then the sum starts again from zero
            limb = s[144 + i]
            if at < size:
                limb ^= data[at] << 8
            if at + 1 < size:
                limb ^= data[at + 1]
            s[152 + i] = limb
            s[144 + i] = 0
            at += 2
            i += 1
        n = 31
        while n >= 0:
            entry = (s[152 + (n >> 2)] >> (12 - 4 * (n & 3)) & 15) << 3
            fold = s[128 + (s[151] & 15)]
            i = 7
            while i > 0:
                s[144 + i] = ((s[144 + i] >> 4) | (s[143 + i] << 12)) ^ s[entry + i]
                i -= 1
            s[144] = (s[144] >> 4) ^ s[entry] ^ fold
            n -= 1


@micropython.viper
def _finish(out: ptr8, s: ptr16) -> None:
    i = 0
    while i < 8:
        out[2 * i] = s[144 + i] >> 8
        out[2 * i + 1] = s[144 + i]
        i += 1


@micropython.viper
def xor(target: ptr8, at: int, source: ptr8, size: int) -> None:
    """target[at:at + size] ^= source[:size]; the caller has checked both lengths"""
    i = 0
    while i < size:
        target[at + i] ^= source[i]
        i += 1


@micropython.viper
def counters(blocks: ptr8, nonce: ptr8, first: int, count: int) -> None:
    """fills count blocks of nonce || counter, from the counter first on"""
    at = 0
    while count > 0:
        i = 0
        while i < 12:
            blocks[at + i] = nonce[i]
            i += 1
        blocks[at + 12] = first >> 24
        blocks[at + 13] = first >> 16
        blocks[at + 14] = first >> 8
        blocks[at + 15] = first
        first += 1
        at += 16
        count -= 1


def ghash(h: bytes, aad: bytes, ciphertext: bytes, out: bytearray) -> None:
    _start(h, _SCRATCH)
    _absorb(aad, len(aad), _SCRATCH)
    _absorb(ciphertext, len(ciphertext), _SCRATCH)
    pack_into(">QQ", _LENGTHS, 0, 8 * len(aad), 8 * len(ciphertext))
    _absorb(_LENGTHS, 16, _SCRATCH)
    _finish(out, _SCRATCH)
