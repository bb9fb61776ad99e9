# SPDX-License-Identifier: Apache-2.0
"""Verify a signed request (protocol.md, "Authorizing commands"): law 3.

Key look-up, epoch, tag, expiry, and only then the counter: a request that is refused here has changed nothing. The tag
comes before the expiry because the reference verifier has it so: what a phone hears of its clock is then about a
message that it did sign.
"""

from micropython import const

from latchkey import crypto
from latchkey.faults import Fault
from latchkey.session import metadata
from latchkey.wire.schema import (
    AES_GCM_Personalized_Signature_Data as Gcm,
)
from latchkey.wire.schema import (
    Domain,
    KeyIdentity,
    MessageFault,
    RoutableMessage,
    SignatureData,
    SignatureType,
    Wire,
)
from latchkey.wire.schema import (
    HMAC_Personalized_Signature_Data as Hmac,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session, Sessions
    from latchkey.wire.envelope import Request

_MAX_EPOCH = const(1 << 30)  # seconds; also what keeps times small ints on a 32-bit board
# Official clients ask for 5 s, others for 30: two minutes leaves room for their context timeouts, not for hoarding.
_MAX_LIFETIME = const(120)


class Verified:
    """Whose request it is, its plaintext, and the hash that binds the reply to it."""

    def __init__(self, session: Session, plaintext: bytes | memoryview, request_hash: bytes) -> None:
        self.session = session
        self.plaintext = plaintext
        self.request_hash = request_hash


class Unverified(Fault):
    """A request in a session's name that did not verify: its answer carries that session's fresh, signed info."""

    def __init__(self, code: int, why: str, session: Session, expected: object = None, got: object = None) -> None:
        super().__init__(code, why, expected, got)
        self.session = session


def verify(request: Request, sessions: Sessions, vin: bytes, now: int) -> Verified:
    """Raises Fault: unknown key or handle, what was not signed so, or was before. On return
    the counter is spent, so that no request passes twice."""
    signature = request.body[RoutableMessage.signature_data]
    identity = signature.get(SignatureData.signer_identity, {})
    kind = identity.get(Wire.ONE_OF)
    if kind == KeyIdentity.public_key:
        session = sessions.find(identity[kind], request.domain)
    elif kind == KeyIdentity.handle:
        session = sessions.find_handle(identity[kind], request.domain)
    else:
        raise Fault(MessageFault.UNKNOWN_KEY_ID, "no signer")
    if session is None:
        if kind == KeyIdentity.public_key:
            raise Fault(MessageFault.UNKNOWN_KEY_ID, "public key")
        raise Fault(MessageFault.INVALID_KEY_HANDLE, "handle")
    payload = request.body.get(RoutableMessage.protobuf_message_as_bytes, b"")
    kind = signature.get(Wire.ONE_OF)
    data = signature.get(kind)
    if kind == SignatureData.AES_GCM_Personalized_data:
        method = SignatureType.AES_GCM_PERSONALIZED
        epoch, tag = data.get(Gcm.epoch, b""), data.get(Gcm.tag, b"")
        expires_at, counter = data.get(Gcm.expires_at, 0), data.get(Gcm.counter, 0)
        nonce = data.get(Gcm.nonce, b"")
        if len(nonce) != 12:
            raise Fault(MessageFault.IV_INCORRECT_LENGTH, "nonce", 12, len(nonce))
    elif kind == SignatureData.HMAC_Personalized_data:
        method = SignatureType.HMAC_PERSONALIZED
        epoch, tag = data.get(Hmac.epoch, b""), data.get(Hmac.tag, b"")
        expires_at, counter = data.get(Hmac.expires_at, 0), data.get(Hmac.counter, 0)
        nonce = None
    else:
        raise Fault(MessageFault.BAD_PARAMETER, "signature_type")

    if len(epoch) and epoch != session.epoch:
        raise Unverified(MessageFault.INCORRECT_EPOCH, "epoch", session, session.epoch.hex(), bytes(epoch).hex())
    signed = metadata.command(method, request.domain, vin, session.epoch, expires_at, counter, request.flags)
    try:
        if nonce is not None:
            payload = crypto.gcm_decrypt(session.key, nonce, crypto.sha256(signed), payload, tag)
        else:
            command_key = crypto.hmac_sha256(session.key, b"authenticated command")
            crypto.verify_equal(crypto.hmac_sha256(command_key, signed, payload), tag)
    except crypto.AuthError:
        raise Unverified(MessageFault.INVALID_SIGNATURE, "tag", session)

    if expires_at > _MAX_EPOCH:
        raise Unverified(MessageFault.BAD_PARAMETER, "expires_at", session, _MAX_EPOCH, expires_at)
    if expires_at < now or not expires_at:
        raise Unverified(MessageFault.TIME_EXPIRED, "expired", session, now, expires_at)
    if expires_at - now > _MAX_LIFETIME:
        raise Unverified(MessageFault.TIME_TO_LIVE_TOO_LONG, "lifetime", session, _MAX_LIFETIME, expires_at - now)
    if counter <= session.counter:
        raise Unverified(MessageFault.INVALID_TOKEN_OR_COUNTER, "counter", session, session.counter + 1, counter)
    # Vehicle security truncates the request hash to the type and 16 bytes of the tag.
    whole = tag[:16] if request.domain == Domain.VEHICLE_SECURITY else tag
    verified = Verified(session, payload, bytes((method,)) + bytes(whole))
    sessions.spend(session, counter)
    return verified
