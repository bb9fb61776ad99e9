# SPDX-License-Identifier: Apache-2.0
"""Picks the native byte loops where this interpreter can run them, and the plain ones everywhere else."""

try:
    from latchkey.crypto.ghash import ghash as ghash
    from latchkey.crypto.ghash import xor as xor
except (ImportError, SyntaxError, ValueError, MemoryError):  # left out; no emitter; another architecture; no room
    from latchkey.crypto.ghash_plain import ghash as ghash
    from latchkey.crypto.ghash_plain import xor as xor
