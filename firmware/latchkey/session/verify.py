# SPDX-License-Identifier: Apache-2.0
"""Verify a signed request (protocol.md, "Authorizing commands"), in the order of law 3.

Key look-up, epoch and expiry, tag, and only then the counter: a request that is refused here has changed nothing.
"""

from micropython import const

from latchkey import crypto, faults
from latchkey.faults import Fault
from latchkey.session import metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session, Sessions
    from latchkey.wire.envelope import Request
    from latchkey.wire.pb import Fields

_MAX_EPOCH = const(1 << 30)  # seconds; also what keeps times small ints on a 32-bit board
# Official clients ask for 5 s, others for 30: two minutes leaves room for their context timeouts, not for hoarding.
MAX_LIFETIME = const(120)

_meta = metadata.Metadata()


class Verified:
    """Whose request it is, its plaintext, and the hash that binds the reply to it."""

    def __init__(self, session: Session, plaintext: bytes | memoryview, request_hash: bytes) -> None:
        self.session = session
        self.plaintext = plaintext
        self.request_hash = request_hash


def identify(identity: Fields, sessions: Sessions) -> Session:
    """The session of a KeyIdentity. Raises Fault: unknown key, unknown handle, or a key that is out of time."""
    public = identity.get("public_key")
    if public is None:
        if "handle" not in identity:
            raise Fault(faults.UNKNOWN_KEY_ID, "no signer identity")
        session = sessions.find_handle(identity["handle"])
        if session is None:
            raise Fault(faults.INVALID_KEY_HANDLE, "unknown handle")
    else:
        session = sessions.find(public)
        if session is None:
            raise Fault(faults.UNKNOWN_KEY_ID, "key is not enrolled")
    if not sessions.active(session):
        raise Fault(faults.INACTIVE_KEY, "the key's time is over")
    return session


def verify(request: Request, sessions: Sessions, vin: bytes, now: int) -> Verified:
    """Raises Fault; on return the counter is spent, so that no request passes twice."""
    signature = request.body["signature_data"]
    session = identify(signature.get("signer_identity", {}), sessions)
    payload = request.body.get("protobuf_message_as_bytes", b"")
    name = signature.get("sig_type")
    data = signature.get(name)
    method = _METHODS.get(name)
    if method is None:
        raise Fault(faults.BAD_PARAMETER, "unknown signature type")
    if method == metadata.AES_GCM_PERSONALIZED and len(data.get("nonce", b"")) != 12:
        raise Fault(faults.IV_INCORRECT_LENGTH, "nonce", None, 12, len(data.get("nonce", b"")))

    epoch = data.get("epoch", b"")
    if len(epoch) and epoch != session.epoch:
        raise Fault(faults.INCORRECT_EPOCH, "epoch", session, session.epoch.hex(), bytes(epoch).hex())
    expires_at = data.get("expires_at", 0)
    if expires_at > _MAX_EPOCH:
        raise Fault(faults.BAD_PARAMETER, "expiry beyond the end of the epoch", session, _MAX_EPOCH, expires_at)
    if expires_at < now or not expires_at:
        raise Fault(faults.TIME_EXPIRED, "expired", session, now, expires_at)
    if expires_at - now > MAX_LIFETIME:
        raise Fault(faults.TIME_TO_LIVE_TOO_LONG, "lifetime", session, MAX_LIFETIME, expires_at - now)

    counter = data.get("counter", 0)
    _meta.start(method)
    _meta.byte(metadata.DOMAIN, request.domain)
    _meta.item(metadata.PERSONALIZATION, vin)
    _meta.item(metadata.EPOCH, session.epoch)
    _meta.uint(metadata.EXPIRES_AT, expires_at)
    _meta.uint(metadata.COUNTER, counter)
    if request.flags:
        _meta.uint(metadata.FLAGS, request.flags)
    tag = data.get("tag", b"")
    try:
        if method == metadata.AES_GCM_PERSONALIZED:
            aad = crypto.sha256(_meta.view())
            payload = crypto.gcm_decrypt(session.key, data["nonce"], aad, payload, tag)
        else:
            crypto.verify_equal(crypto.hmac_sha256(session.command_key, _meta.view(), payload), tag)
    except crypto.AuthError:
        raise Fault(faults.INVALID_SIGNATURE, "tag", session)

    if counter <= session.counter:
        raise Fault(faults.INVALID_TOKEN_OR_COUNTER, "counter", session, session.counter + 1, counter)
    # Vehicle security truncates the request hash to the type and 16 bytes of the tag.
    verified = Verified(session, payload, bytes((method,)) + bytes(tag[:16]))
    session.spend(counter)
    sessions.prove(session)
    return verified


_METHODS = {
    "AES_GCM_Personalized_data": metadata.AES_GCM_PERSONALIZED,
    "HMAC_Personalized_data": metadata.HMAC_PERSONALIZED,
}
