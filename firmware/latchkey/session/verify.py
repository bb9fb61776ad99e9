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
from latchkey.wire.schema import Domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.session.sessions import Session, Sessions
    from latchkey.wire.envelope import Request

# MessageFault_E
_UNKNOWN_KEY_ID = const(3)
_INACTIVE_KEY = const(4)
_INVALID_SIGNATURE = const(5)
_INVALID_TOKEN_OR_COUNTER = const(6)
_BAD_PARAMETER = const(13)
_INCORRECT_EPOCH = const(15)
_IV_INCORRECT_LENGTH = const(16)
_TIME_EXPIRED = const(17)
_TIME_TO_LIVE_TOO_LONG = const(20)
_INVALID_KEY_HANDLE = const(27)
_ONE_OF = const(0)  # wire/pb.py
# RoutableMessage
_PROTOBUF_MESSAGE_AS_BYTES = const(10)
_SIGNATURE_DATA = const(13)
# SignatureData
_SIGNER_IDENTITY = const(1)
_AES_GCM_PERSONALIZED_DATA = const(5)
_HMAC_PERSONALIZED_DATA = const(8)
# KeyIdentity
_PUBLIC_KEY = const(1)
_HANDLE = const(3)
# AES_GCM_Personalized_Signature_Data
_EPOCH = const(1)
_NONCE = const(2)
_COUNTER = const(3)
_EXPIRES_AT = const(4)
_TAG = const(5)
# SignatureType
_AES_GCM_PERSONALIZED = const(5)
_HMAC_PERSONALIZED = const(8)

_MAX_EPOCH = const(1 << 30)  # seconds; also what keeps times small ints on a 32-bit board
# Official clients ask for 5 s, others for 30: two minutes leaves room for their context timeouts, not for hoarding.
_MAX_LIFETIME = const(120)


class Verified:
    """Whose request it is, its plaintext, and the hash that binds the reply to it."""

    def __init__(self, session: Session, plaintext: bytes | memoryview, request_hash: bytes) -> None:
        self.session = session
        self.plaintext = plaintext
        self.request_hash = request_hash


def verify(request: Request, sessions: Sessions, vin: bytes, now: int) -> Verified:
    """Raises Fault: unknown key or handle, a key that is out of time, what was not signed so, or was before. On return
    the counter is spent, so that no request passes twice."""
    signature = request.body[_SIGNATURE_DATA]
    identity = signature.get(_SIGNER_IDENTITY, {})
    kind = identity.get(_ONE_OF)
    if kind == _PUBLIC_KEY:
        session = sessions.find(identity[kind], request.domain)
    elif kind == _HANDLE:
        session = sessions.find_handle(identity[kind], request.domain)
    else:
        raise Fault(_UNKNOWN_KEY_ID, "no signer")
    if session is None:
        if kind == _PUBLIC_KEY:
            raise Fault(_UNKNOWN_KEY_ID, "public key")
        raise Fault(_INVALID_KEY_HANDLE, "handle")
    if not sessions.active(session):
        raise Fault(_INACTIVE_KEY, "seconds")
    payload = request.body.get(_PROTOBUF_MESSAGE_AS_BYTES, b"")
    kind = signature.get(_ONE_OF)
    data = signature.get(kind)
    if kind == _AES_GCM_PERSONALIZED_DATA:
        method = _AES_GCM_PERSONALIZED
        shift = 0
        nonce = data.get(_NONCE, b"")
        if len(nonce) != 12:
            raise Fault(_IV_INCORRECT_LENGTH, "nonce", None, 12, len(nonce))
    elif kind == _HMAC_PERSONALIZED_DATA:
        method = _HMAC_PERSONALIZED
        shift = 1  # there is no nonce: what follows has a number one lower
        nonce = None
    else:
        raise Fault(_BAD_PARAMETER, "signature_type")

    epoch = data.get(_EPOCH, b"")
    if len(epoch) and epoch != session.epoch:
        raise Fault(_INCORRECT_EPOCH, "epoch", session, session.epoch.hex(), bytes(epoch).hex())
    expires_at = data.get(_EXPIRES_AT - shift, 0)
    counter = data.get(_COUNTER - shift, 0)
    signed = metadata.command(method, request.domain, vin, session.epoch, expires_at, counter, request.flags)
    tag = data.get(_TAG - shift, b"")
    try:
        if nonce is not None:
            payload = crypto.gcm_decrypt(session.key, nonce, crypto.sha256(signed), payload, tag)
        else:
            command_key = crypto.hmac_sha256(session.key, b"authenticated command")
            crypto.verify_equal(crypto.hmac_sha256(command_key, signed, payload), tag)
    except crypto.AuthError:
        raise Fault(_INVALID_SIGNATURE, "tag", session)

    if expires_at > _MAX_EPOCH:
        raise Fault(_BAD_PARAMETER, "expires_at", session, _MAX_EPOCH, expires_at)
    if expires_at < now or not expires_at:
        raise Fault(_TIME_EXPIRED, "expired", session, now, expires_at)
    if expires_at - now > _MAX_LIFETIME:
        raise Fault(_TIME_TO_LIVE_TOO_LONG, "lifetime", session, _MAX_LIFETIME, expires_at - now)
    if counter <= session.counter:
        raise Fault(_INVALID_TOKEN_OR_COUNTER, "counter", session, session.counter + 1, counter)
    # Vehicle security truncates the request hash to the type and 16 bytes of the tag.
    whole = tag[:16] if request.domain == Domain.VEHICLE_SECURITY else tag
    verified = Verified(session, payload, bytes((method,)) + bytes(whole))
    sessions.spend(session, counter)
    return verified
