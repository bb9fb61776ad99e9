# SPDX-License-Identifier: Apache-2.0
"""Session info: what a phone needs to sign its next command (protocol.md, "Handshake").

It answers a session-info request, and rides on every fault that a phone out of step could have caused.
"""

from micropython import const

from latchkey import crypto
from latchkey.session import metadata
from latchkey.wire import messages
from latchkey.wire.pb import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session

# SessionInfo
_COUNTER = const(1)
_PUBLIC_KEY = const(2)
_EPOCH = const(3)
_CLOCK_TIME = const(4)
_STATUS = const(5)
_HANDLE = const(6)

NOT_ON_WHITELIST = encode(messages.SESSION_INFO, {_STATUS: 1})


def session_info(session: Session, public: bytes, now: int) -> bytes:
    """The encoded SessionInfo: vehicle key, epoch, counter, seconds on the vehicle's clock."""
    return encode(
        messages.SESSION_INFO,
        {
            _COUNTER: session.counter or None,
            _PUBLIC_KEY: public,
            _EPOCH: session.epoch,
            _CLOCK_TIME: now or None,
            _HANDLE: session.handle,
        },
    )


def tag(session: Session, vin: bytes, challenge: bytes, info: bytes) -> bytes:
    """HMAC-SHA256 over metadata and session info; the challenge is the request's uuid."""
    key = crypto.hmac_sha256(session.key, b"session info")
    return crypto.hmac_sha256(key, metadata.session_info(vin, challenge), info)
