# SPDX-License-Identifier: Apache-2.0
"""Session info: what a phone needs to sign its next command (protocol.md, "Handshake").

It answers a session-info request, and rides on every fault that a phone out of step could have caused.
"""

from latchkey import crypto
from latchkey.session import metadata
from latchkey.wire import messages
from latchkey.wire.pb import encode
from latchkey.wire.schema import Session_Info_Status, SessionInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session


NOT_ON_WHITELIST = encode(messages.SESSION_INFO, {SessionInfo.status: Session_Info_Status.KEY_NOT_ON_WHITELIST})


def session_info(session: Session, public: bytes, now: int) -> bytes:
    """The encoded SessionInfo: vehicle key, epoch, counter, seconds on the vehicle's clock."""
    return encode(
        messages.SESSION_INFO,
        {
            SessionInfo.counter: session.counter or None,
            SessionInfo.publicKey: public,
            SessionInfo.epoch: session.epoch,
            SessionInfo.clock_time: now or None,
            SessionInfo.handle: session.handle,
        },
    )


def tag(session: Session, vin: bytes, challenge: bytes, info: bytes) -> bytes:
    """HMAC-SHA256 over metadata and session info; the challenge is the request's uuid."""
    key = crypto.hmac_sha256(session.key, b"session info")
    return crypto.hmac_sha256(key, metadata.session_info(vin, challenge), info)
