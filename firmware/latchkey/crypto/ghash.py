# SPDX-License-Identifier: Apache-2.0
"""GHASH as native code: 4-bit windows over a table of sixteen multiples of the hash key.

A viper int is a machine word, 32 or 64 bits; every number here stays far below either, because the field element is
kept as bytes. Eight 16-bit limbs are twice as fast and 1 KB larger; at 16 bytes a block that buys nothing a command
would notice. The sequence of operations depends on lengths only. Table look-ups do depend on data: invisible in the
ESP32's internal RAM, which has no cache, but not proven so on a board that keeps its heap in PSRAM.

`ghash_plain` is the same without native code; the tests hold the two against each other.
"""

from struct import pack_into

import micropython

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Buffer = bytes | bytearray | memoryview

    ptr8 = Any

_TABLE = bytearray(16 * 16 + 16)  # entry i is i times the key, so entry 0 stays zero; then the block being multiplied
_LENGTHS = bytearray(16)


@micropython.viper
def _start(t: ptr8, h: ptr8, z: ptr8) -> object:  # type: ignore[return] # viper has no `-> None`
    i = 0
    while i < 16:
        t[128 + i] = h[i]  # entry 8: the first bit of a byte is its highest
        z[i] = 0
        i += 1
    n = 128
    while n > 16:  # entries 4, 2, 1: each the one before times x, which is a shift right
        carry = (t[n + 15] & 1) * 0xE1
        i = 0
        while i < 16:
            byte = t[n + i]
            t[(n >> 1) + i] = (byte >> 1) ^ carry
            carry = byte << 7
            i += 1
        n >>= 1
    while n < 256:  # all others are sums
        i = 16
        while i < n:
            t[n + i] = t[n + (i & 15)] ^ t[i]
            i += 1
        n <<= 1


@micropython.viper
def _absorb(t: ptr8, data: ptr8, size: int, z: ptr8) -> object:  # type: ignore[return] # viper has no `-> None`
    at = 0
    while at < size:
        i = 0
        while i < 16:  # the block, padded with zeros, on top of the sum; then the sum starts again from zero
            byte = z[i]
            if at < size:
                byte ^= data[at]
            t[256 + i] = byte
            z[i] = 0
            at += 1
            i += 1
        n = 32
        while n > 0:
            n -= 1
            entry = t[256 + (n >> 1)] << ((n & 1) << 2) & 0xF0
            low = z[15] & 15  # the four bits that the shift drops come back at the top
            fold = low << 12 ^ low << 11 ^ low << 10 ^ low << 5
            carry = 0
            i = 0
            while i < 16:
                byte = z[i]
                z[i] = (byte >> 4) ^ carry ^ t[entry + i]
                carry = byte << 4
                i += 1
            z[0] ^= fold >> 8
            z[1] ^= fold


@micropython.viper
def xor(target: ptr8, at: int, source: ptr8, size: int) -> object:  # type: ignore[return] # viper has no `-> None`
    """target[at:at + size] ^= source[:size]; the caller answers for both lengths"""
    i = 0
    while i < size:
        target[at + i] ^= source[i]
        i += 1


def ghash(h: Buffer, aad: Buffer, ciphertext: Buffer, out: bytearray) -> None:
    """Shared scratch: never to be called from two places at once, which synchronous code cannot do."""
    _start(_TABLE, h, out)
    _absorb(_TABLE, aad, len(aad), out)
    _absorb(_TABLE, ciphertext, len(ciphertext), out)
    pack_into(">QQ", _LENGTHS, 0, 8 * len(aad), 8 * len(ciphertext))
    _absorb(_TABLE, _LENGTHS, 16, out)
