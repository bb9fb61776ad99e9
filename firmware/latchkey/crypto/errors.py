# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in crypto. No message here ever carries a key, a tag or a plaintext."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    Buffer = bytes | bytearray | memoryview


class CryptoError(Exception):
    pass


class AuthError(CryptoError):
    pass
