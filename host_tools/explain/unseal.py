# SPDX-License-Identifier: Apache-2.0
"""Read what was encrypted, for somebody who has the phone's key: a command, and the answer to it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain.decode import Decoded
from host_tools.faults import Misuse
from host_tools.phone.cache import SessionCache
from host_tools.phone.keyfile import Key
from host_tools.phone.outcome import parse_payload
from host_tools.phone.session import Session, Unverified, open_reply, shared_key, tlv


class Reader:
    """Holds the secret that a key shares with a car."""

    def __init__(self, key: Key, vin: str, reply: Decoded | None) -> None:
        info = reply.session_info if reply else None
        saved = SessionCache(key.path).load(vin)
        public = info.publicKey if info and info.publicKey else bytes.fromhex(saved.car_public) if saved else b""
        if not public:
            raise Misuse(f"the public key of car {vin} is not known", "give the file of a phone that is paired with it")
        try:
            self._shared = shared_key(key.private, public)
        except Unverified as error:
            raise Misuse(str(error), "is the reply this car's?") from None
        self._vin = vin

    def command(self, request: Decoded) -> vcsec.UnsignedMessage | None:
        """What a signed command asks for; None if its tag does not fit this key and this VIN."""
        envelope, signature = request.envelope, request.signature
        if signature is None:
            return request.request
        gcm = isinstance(signature, sig.AES_GCM_Personalized_Signature_Data)
        kind = sig.SIGNATURE_TYPE_AES_GCM_PERSONALIZED if gcm else sig.SIGNATURE_TYPE_HMAC_PERSONALIZED
        items: list[tuple[int, bytes | int]] = [
            (sig.TAG_SIGNATURE_TYPE, bytes([kind])),
            (sig.TAG_DOMAIN, bytes([envelope.to_destination.domain & 0xFF])),
            (sig.TAG_PERSONALIZATION, self._vin.encode()),
            (sig.TAG_EPOCH, signature.epoch),
            (sig.TAG_EXPIRES_AT, signature.expires_at),
            (sig.TAG_COUNTER, signature.counter),
        ]
        if envelope.flags:
            items.append((sig.TAG_FLAGS, envelope.flags))
        payload = envelope.protobuf_message_as_bytes
        if isinstance(signature, sig.AES_GCM_Personalized_Signature_Data):
            with contextlib.suppress(InvalidTag, ValueError, Unverified):
                aad = hashlib.sha256(tlv(*items)).digest()
                return _unsigned(AESGCM(self._shared).decrypt(signature.nonce, payload + signature.tag, aad))
            return None
        key = hmac.digest(self._shared, b"authenticated command", "sha256")
        with contextlib.suppress(Unverified):
            if hmac.compare_digest(hmac.digest(key, tlv(*items) + payload, "sha256"), signature.tag):
                return _unsigned(payload)
        return None

    def answer(self, request: Decoded, reply: Decoded) -> vcsec.FromVCSECMessage | None:
        """What an encrypted answer says; None if it is not an answer to this request for this key."""
        signature = request.signature
        if signature is None:
            return None
        gcm = isinstance(signature, sig.AES_GCM_Personalized_Signature_Data)
        kind = sig.SIGNATURE_TYPE_AES_GCM_PERSONALIZED if gcm else sig.SIGNATURE_TYPE_HMAC_PERSONALIZED
        session = Session(self._vin, b"", self._shared, signature.epoch, 0, 0.0)
        with contextlib.suppress(Unverified):
            plain, _ = open_reply(session, reply.envelope, bytes([kind]) + signature.tag[:16])
            return parse_payload(plain)
        return None


def _unsigned(payload: bytes) -> vcsec.UnsignedMessage | None:
    with contextlib.suppress(ValueError):
        return vcsec.UnsignedMessage.FromString(payload)
    return vcsec.UnsignedMessage()
