# SPDX-License-Identifier: Apache-2.0
"""What all of crypto stands on: its errors, and the byte loops, native where this interpreter can run them."""

try:
    from latchkey.crypto.ghash import ghash as ghash
    from latchkey.crypto.ghash import xor as xor
except (ImportError, SyntaxError, ValueError, MemoryError):  # left out; no emitter; another architecture; no room
    from latchkey.crypto.ghash_plain import ghash as ghash
    from latchkey.crypto.ghash_plain import xor as xor

TYPE_CHECKING = False
if TYPE_CHECKING:
    Buffer = bytes | bytearray | memoryview


class CryptoError(Exception):
    """No message of one ever carries a key, a tag or a plaintext."""


class AuthError(CryptoError):
    """A tag does not fit."""
