# SPDX-License-Identifier: Apache-2.0
"""Random bytes from the system's source, which has to look alive before the first of them is used.

The start-up tests are those of NIST SP 800-90B 4.4 for a source of full bytes. They catch a source that is stuck or
repeats itself, not one that is merely predictable: nothing that looks at the output can. An ESP32's source is weak
while its radio is off, so the board's secret and the number of its boot are stirred in: a source that says the same
after every reset still gives no epoch and no nonce twice.
"""

from os import urandom

from micropython import const

from latchkey.crypto.base import CryptoError
from latchkey.crypto.hmac import sha256

_WINDOW = const(512)
_REPEATED = const(6)  # equal bytes in a row: 2^-40 for each place in a good source
_FREQUENT = const(26)  # occurrences of the first byte in the window: under 2^-50 in a good source

_healthy = False
_pool = b""
_drawn = 0


def _check() -> None:
    global _healthy
    sample = urandom(_WINDOW)
    previous = -1
    run = same = 0
    for byte in sample:
        run = run + 1 if byte == previous else 1
        previous = byte
        same += byte == sample[0]
        if run >= _REPEATED or same >= _FREQUENT:
            raise CryptoError("random source")
    if len(sample) != _WINDOW or sample == urandom(_WINDOW):
        raise CryptoError("random source")
    _healthy = True


def stir(secret: bytes, number: int) -> None:
    """Mix in a secret of this board and a number that never comes twice with it."""
    global _pool
    _pool = sha256(_pool, secret, number.to_bytes(4, "big"))


def random_bytes(size: int) -> bytes:
    global _drawn
    if not _healthy:
        _check()
    data = urandom(size)
    if not _pool:
        return data
    mixed = bytearray(data)
    for at in range(0, size, 32):
        _drawn += 1
        mask = sha256(_pool, _drawn.to_bytes(4, "big"))
        for i in range(at, min(at + 32, size)):
            mixed[i] ^= mask[i - at]
    return bytes(mixed)
