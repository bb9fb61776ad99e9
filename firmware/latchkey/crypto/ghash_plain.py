# SPDX-License-Identifier: Apache-2.0
"""GHASH for an interpreter that cannot run the native code of `ghash`: same names, same results, slower."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Buffer = bytes | bytearray | memoryview


def _absorb(table: list[int], total: int, data: Buffer) -> int:
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        block = total ^ (int.from_bytes(part, "big") << 8 * (16 - len(part)))
        total = 0
        for shift in range(0, 128, 4):
            low = total & 15
            fold = low << 12 ^ low << 11 ^ low << 10 ^ low << 5
            total = (total >> 4) ^ table[block >> shift & 15] ^ (fold << 112)
    return total


def xor(target: bytearray, at: int, source: Buffer, size: int) -> None:
    for i in range(size):
        target[at + i] ^= source[i]


def ghash(h: Buffer, aad: Buffer, ciphertext: Buffer, out: bytearray) -> None:
    table = [0] * 16
    entry = int.from_bytes(h, "big")
    for bit in (8, 4, 2, 1):
        for i in range(16):
            if i & bit:
                table[i] ^= entry
        entry = (entry >> 1) ^ ((entry & 1) * 0xE1 << 120)
    total = _absorb(table, _absorb(table, 0, aad), ciphertext)
    lengths = (len(aad) << 67 | len(ciphertext) << 3).to_bytes(16, "big")
    out[:] = _absorb(table, total, lengths).to_bytes(16, "big")
