# SPDX-License-Identifier: Apache-2.0
"""GHASH and the byte loops of GCM for an interpreter that cannot run the native code of `ghash`: same names, slower."""


def _absorb(table: list[int], total: int, data: bytes) -> int:
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        block = total ^ (int.from_bytes(part, "big") << 8 * (16 - len(part)))
        total = 0
        for shift in range(0, 128, 4):
            low = total & 15
            fold = ((low & 1) * 0x1C20) ^ ((low >> 1 & 1) * 0x3840) ^ ((low >> 2 & 1) * 0x7080) ^ ((low >> 3) * 0xE100)
            total = (total >> 4) ^ table[block >> shift & 15] ^ (fold << 112)
    return total


def ghash(h: bytes, aad: bytes, ciphertext: bytes, out: bytearray) -> None:
    table = [0] * 16
    entry = int.from_bytes(h, "big")
    for bit in (8, 4, 2, 1):
        for i in range(bit, 16, 2 * bit):
            for j in range(i, i + bit):
                table[j] ^= entry
        entry = (entry >> 1) ^ ((entry & 1) * 0xE1 << 120)
    total = _absorb(table, _absorb(table, 0, aad), ciphertext)
    lengths = (len(aad) << 67 | len(ciphertext) << 3).to_bytes(16, "big")
    out[:] = _absorb(table, total, lengths).to_bytes(16, "big")


def xor(target: bytearray, at: int, source: bytes, size: int) -> None:
    for i in range(size):
        target[at + i] ^= source[i]


def counters(blocks: bytearray, nonce: bytes, first: int, count: int) -> None:
    for at in range(0, 16 * count, 16):
        for i in range(12):
            blocks[at + i] = nonce[i]
        blocks[at + 12] = first >> 24 & 255
        blocks[at + 13] = first >> 16 & 255
        blocks[at + 14] = first >> 8 & 255
        blocks[at + 15] = first & 255
        first += 1
