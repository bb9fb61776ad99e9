# SPDX-License-Identifier: Apache-2.0
"""One session between a phone and a car: what is signed, what is encrypted, and what may be believed."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal

COUNTER_LIMIT = 0xFFFFFFFF
_EPOCH_SECONDS = 1 << 30
_TRUNCATED_HASH = 17  # vehicle security keeps the type byte and 16 bytes of the request's tag


class Unverified(Exception):
    """A message from the car whose proof is missing or wrong: it is treated as never received."""


@dataclass
class Session:
    """What both sides agreed on. The shared key stays out of the printed form."""

    vin: str
    car_public: bytes
    key: bytes = field(repr=False)
    epoch: bytes
    counter: int
    clock_zero: float  # this host's wall time when the car's clock read zero
    clock_seen: int = 0  # the newest car time that was authenticated

    def expires_at(self, now: float, lifetime: float) -> int:
        """The car's clock when a command made now dies."""
        return max(0, min(int(now - self.clock_zero + lifetime), _EPOCH_SECONDS))

    def update(self, info: sig.SessionInfo, now: float) -> None:
        """Take over verified session info: the counter never goes back within one epoch, nor does the clock."""
        if info.publicKey != self.car_public:
            raise Unverified("the car's key changed within a session")
        if info.epoch == self.epoch:
            if info.clock_time < self.clock_seen:
                raise Unverified("session info older than what is known")
            self.counter = max(self.counter, info.counter)
        else:
            self.epoch, self.counter = info.epoch, info.counter
        self.clock_seen = info.clock_time
        self.clock_zero = now - info.clock_time


def shared_key(private: ec.EllipticCurvePrivateKey, car_public: bytes) -> bytes:
    """K: the first 16 bytes of the SHA-1 of the ECDH secret."""
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), car_public)
    except ValueError:
        raise Unverified("the car's public key is not a point on the curve") from None
    return hashlib.sha1(private.exchange(ec.ECDH(), public)).digest()[:16]


def tlv(*fields: tuple[int, bytes | int]) -> bytes:
    """Metadata as it is authenticated: tag, length, value in ascending order, then the end mark."""
    out = bytearray()
    for tag, value in fields:
        raw = (value & 0xFFFFFFFF).to_bytes(4, "big") if isinstance(value, int) else value
        if len(raw) > 255:
            raise Unverified("a part of it is too long to be authenticated")
        out += bytes((tag, len(raw))) + raw
    out.append(sig.TAG_END)
    return bytes(out)


def session_info_tag(key: bytes, vin: str, challenge: bytes, info: bytes) -> bytes:
    """The tag of session info: only a car that shares K can answer this challenge."""
    meta = tlv(
        (sig.TAG_SIGNATURE_TYPE, bytes([sig.SIGNATURE_TYPE_HMAC])),
        (sig.TAG_PERSONALIZATION, vin.encode()),
        (sig.TAG_CHALLENGE, challenge),
    )
    return _hmac(_hmac(key, b"session info"), meta + info)


def verify_session_info(key: bytes, vin: str, challenge: bytes, info: bytes, tag: bytes) -> None:
    """Raises Unverified unless `tag` proves `info` for this challenge."""
    if len(tag) != 32 or not hmac.compare_digest(tag, session_info_tag(key, vin, challenge, info)):
        raise Unverified("the session info's tag is wrong")


def sign_gcm(session: Session, public: bytes, message: universal.RoutableMessage, expires_at: int) -> bytes:
    """Encrypt and sign the payload in place (AES-GCM personalised). Returns the request hash."""
    data = sig.AES_GCM_Personalized_Signature_Data(
        epoch=session.epoch, nonce=os.urandom(12), counter=session.counter, expires_at=expires_at
    )
    meta = _command_metadata(session, message, sig.SIGNATURE_TYPE_AES_GCM_PERSONALIZED, data)
    sealed = AESGCM(session.key).encrypt(data.nonce, message.protobuf_message_as_bytes, hashlib.sha256(meta).digest())
    message.protobuf_message_as_bytes, data.tag = sealed[:-16], sealed[-16:]
    message.signature_data.signer_identity.public_key = public
    message.signature_data.AES_GCM_Personalized_data.CopyFrom(data)
    return bytes([sig.SIGNATURE_TYPE_AES_GCM_PERSONALIZED]) + data.tag


def sign_hmac(session: Session, public: bytes, message: universal.RoutableMessage, expires_at: int) -> bytes:
    """Sign the payload and leave it readable (HMAC personalised). Returns the request hash."""
    data = sig.HMAC_Personalized_Signature_Data(epoch=session.epoch, counter=session.counter, expires_at=expires_at)
    meta = _command_metadata(session, message, sig.SIGNATURE_TYPE_HMAC_PERSONALIZED, data)
    data.tag = _hmac(_hmac(session.key, b"authenticated command"), meta + message.protobuf_message_as_bytes)
    message.signature_data.signer_identity.public_key = public
    message.signature_data.HMAC_Personalized_data.CopyFrom(data)
    return (bytes([sig.SIGNATURE_TYPE_HMAC_PERSONALIZED]) + data.tag)[:_TRUNCATED_HASH]


def open_reply(session: Session, message: universal.RoutableMessage, request_hash: bytes) -> tuple[bytes, int]:
    """Decrypt an answer to the request with that hash. Returns the payload and the response counter."""
    data = message.signature_data.AES_GCM_Response_data
    if len(data.nonce) != 12 or len(data.tag) != 16:
        raise Unverified("the answer's nonce or tag has a wrong length")
    meta = tlv(
        (sig.TAG_SIGNATURE_TYPE, bytes([sig.SIGNATURE_TYPE_AES_GCM_RESPONSE])),
        (sig.TAG_DOMAIN, bytes([message.from_destination.domain & 0xFF])),
        (sig.TAG_PERSONALIZATION, session.vin.encode()),
        (sig.TAG_COUNTER, data.counter),
        (sig.TAG_FLAGS, message.flags),
        (sig.TAG_REQUEST_HASH, request_hash),
        (sig.TAG_FAULT, message.signedMessageStatus.signed_message_fault),
    )
    sealed = message.protobuf_message_as_bytes + data.tag
    try:
        plain = AESGCM(session.key).decrypt(data.nonce, sealed, hashlib.sha256(meta).digest())
    except InvalidTag:
        raise Unverified("the answer's tag is wrong") from None
    return plain, data.counter


def _command_metadata(
    session: Session,
    message: universal.RoutableMessage,
    method: int,
    data: sig.AES_GCM_Personalized_Signature_Data | sig.HMAC_Personalized_Signature_Data,
) -> bytes:
    fields: list[tuple[int, bytes | int]] = [
        (sig.TAG_SIGNATURE_TYPE, bytes([method])),
        (sig.TAG_DOMAIN, bytes([message.to_destination.domain])),
        (sig.TAG_PERSONALIZATION, session.vin.encode()),
        (sig.TAG_EPOCH, data.epoch),
        (sig.TAG_EXPIRES_AT, data.expires_at),
        (sig.TAG_COUNTER, data.counter),
    ]
    if message.flags:
        fields.append((sig.TAG_FLAGS, message.flags))
    return tlv(*fields)


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
