# SPDX-License-Identifier: Apache-2.0
"""Session info: what a phone needs to sign its next command (protocol.md, "Handshake").

It answers a session-info request, and rides on every fault that a phone out of step could have caused.
"""

from latchkey import crypto
from latchkey.session import metadata
from latchkey.wire import messages
from latchkey.wire.pb import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session

_meta = metadata.Metadata()

NOT_ON_WHITELIST = encode(messages.SESSION_INFO, {"status": 1})


def session_info(session: Session, public: bytes, now: int) -> bytes:
    """The encoded SessionInfo: vehicle key, epoch, counter, seconds on the vehicle's clock."""
    return encode(
        messages.SESSION_INFO,
        {
            "counter": session.counter or None,
            "publicKey": public,
            "epoch": session.epoch,
            "clock_time": now or None,
            "handle": session.handle,
        },
    )


def tag(session: Session, vin: bytes, challenge: bytes, info: bytes) -> bytes:
    """HMAC-SHA256 over metadata and session info; the challenge is the request's uuid."""
    _meta.start(metadata.HMAC)
    _meta.item(metadata.PERSONALIZATION, vin)
    if challenge:
        _meta.item(metadata.CHALLENGE, challenge)
    return crypto.hmac_sha256(session.info_key, _meta.view(), info)
