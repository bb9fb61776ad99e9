# SPDX-License-Identifier: Apache-2.0
"""A car small enough to read in one go: what the phone is tested against before there is a board.

It shares no code with the phone, so each checks what the other believes about the protocol.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.message import DecodeError
from tesla_protocol.command import keys_pb2 as roles
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

VIN = "5YJ30123456789ABC"
_OWNER_ONLY = (roles.ROLE_OWNER,)


class Fault(Exception):
    """What the model answers instead of doing it."""

    def __init__(self, code: int, resync: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.resync = resync


@dataclass
class Enrolled:
    """A key in the model's keychain."""

    public: bytes
    role: int
    slot: int
    label: str = ""
    shared: bytes = b""
    epoch: bytes = field(default_factory=lambda: os.urandom(16))
    counter: int = 0


class CarModel:
    """The car: give it a message, get its answers."""

    def __init__(self, vin: str = VIN) -> None:
        self.vin = vin
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.public = _point(self._private.public_key())
        self.keys: dict[bytes, Enrolled] = {}
        self.pending: Callable[[], list[bytes]] | None = None
        self.pending_key = b""
        self.locked = True
        self.start_enabled = False
        self.closures: dict[str, int] = {}
        self.booted = time.time()
        self.ahead = 0.0
        self.faults: deque[int] = deque()  # answered, one each, before anything is looked at
        self.nominal = 0
        self.drop = 0
        self.tamper: Callable[[universal.RoutableMessage], None] | None = None
        self.waits: deque[bool] = deque()
        self.bare_handshakes = False
        self.done: list[str] = []
        self.requests: list[universal.RoutableMessage] = []
        self.domain = int(universal.DOMAIN_VEHICLE_SECURITY)  # the part that is modelled
        self.tell: Callable[[bytes], bytes] | None = None  # what another part answers to a plaintext

    def enrol(self, public: bytes, role: int = roles.ROLE_OWNER, label: str = "") -> Enrolled:
        """Put a key into the keychain."""
        slot = next(n for n in range(100) if all(n != key.slot for key in self.keys.values()))
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        shared = hashlib.sha1(self._private.exchange(ec.ECDH(), point)).digest()[:16]
        self.keys[public] = Enrolled(public, role, slot, label, shared)
        return self.keys[public]

    def tap(self) -> list[bytes]:
        """The card: approves the pending key. Returns what the car then says."""
        pending, self.pending = self.pending, None
        return pending() if pending else []

    def reboot(self) -> None:
        """New epochs, a clock at zero, locked, nothing pending."""
        self.booted, self.ahead, self.pending, self.locked, self.start_enabled = time.time(), 0.0, None, True, False
        for key in self.keys.values():
            key.epoch, key.counter = os.urandom(16), 0

    def handle(self, data: bytes) -> list[bytes]:
        """What the car answers to one message."""
        try:
            message = universal.RoutableMessage.FromString(data)
        except DecodeError:
            return []
        if not message.HasField("to_destination"):
            return self._bare(vcsec.ToVCSECMessage.FromString(data))
        self.requests.append(message)
        if self.drop:
            self.drop -= 1
            return []
        try:
            if self.faults:
                raise Fault(self.faults.popleft())
            if message.to_destination.domain != self.domain:
                raise Fault(universal.MESSAGEFAULT_ERROR_INVALID_DOMAINS)
            if message.HasField("session_info_request"):
                return [self._finish(self._handshake(message))]
            if not message.HasField("signature_data"):
                return [self._finish(self._unsigned(message))]
            return [self._finish(self._signed(message))]
        except Fault as fault:
            reply = _reply_to(message)
            reply.signedMessageStatus.operation_status = universal.OPERATIONSTATUS_ERROR
            reply.signedMessageStatus.signed_message_fault = fault.code  # type: ignore[assignment]
            if fault.resync:
                self._attach_session(reply, self.keys[message.signature_data.signer_identity.public_key], message.uuid)
            return [self._finish(reply)]

    def clock(self) -> int:
        """Seconds since boot."""
        return int(time.time() - self.booted + self.ahead)

    def _finish(self, reply: universal.RoutableMessage) -> bytes:
        if self.tamper is not None:
            self.tamper(reply)
        return reply.SerializeToString()

    def _handshake(self, message: universal.RoutableMessage) -> universal.RoutableMessage:
        reply = _reply_to(message)
        key = self.keys.get(message.session_info_request.public_key)
        if key is None:
            info = sig.SessionInfo(publicKey=self.public, status=sig.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST)
            reply.session_info = info.SerializeToString()
        else:
            self._attach_session(reply, key, message.uuid)
        return reply

    def _attach_session(self, reply: universal.RoutableMessage, key: Enrolled, challenge: bytes) -> None:
        info = sig.SessionInfo(
            counter=key.counter, publicKey=self.public, epoch=key.epoch, clock_time=self.clock()
        ).SerializeToString()
        meta = b"\x00\x01\x06" + b"\x02" + bytes([len(self.vin)]) + self.vin.encode() + b"\x06\x10" + challenge
        subkey = hmac.digest(key.shared, b"session info", "sha256")
        reply.session_info = info
        reply.signature_data.session_info_tag.tag = hmac.digest(subkey, meta + b"\xff" + info, "sha256")

    def _unsigned(self, message: universal.RoutableMessage) -> universal.RoutableMessage:
        request = vcsec.UnsignedMessage.FromString(message.protobuf_message_as_bytes)
        reply = _reply_to(message)
        if request.HasField("InformationRequest"):
            reply.protobuf_message_as_bytes = self._information(request.InformationRequest).SerializeToString()
            return reply
        change = request.WhitelistOperation.addKeyToWhitelistAndAddPermissions
        if not change.key.PublicKeyRaw:
            raise Fault(universal.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES)

        def approved() -> list[bytes]:
            self.enrol(change.key.PublicKeyRaw, change.keyRole, label_of(change))
            final = _reply_to(message)
            done = vcsec.WhitelistOperation_status(operationStatus=vcsec.OPERATIONSTATUS_OK)
            final.protobuf_message_as_bytes = vcsec.FromVCSECMessage(
                commandStatus=vcsec.CommandStatus(whitelistOperationStatus=done)
            ).SerializeToString()
            return [self._finish(final)]

        self.pending, self.pending_key = approved, change.key.PublicKeyRaw
        waiting = vcsec.CommandStatus(operationStatus=vcsec.OPERATIONSTATUS_WAIT)
        reply.protobuf_message_as_bytes = vcsec.FromVCSECMessage(commandStatus=waiting).SerializeToString()
        return reply

    def _bare(self, message: vcsec.ToVCSECMessage) -> list[bytes]:
        signed = message.signedMessage
        if signed.signatureType != vcsec.SIGNATURE_TYPE_PRESENT_KEY:
            return []
        request = vcsec.UnsignedMessage.FromString(signed.protobufMessageAsBytes)
        change = request.WhitelistOperation.addKeyToWhitelistAndAddPermissions

        def approved() -> list[bytes]:
            self.enrol(change.key.PublicKeyRaw, change.keyRole, label_of(change))
            return []

        self.pending, self.pending_key = approved, change.key.PublicKeyRaw
        return []

    def _information(self, request: vcsec.InformationRequest) -> vcsec.FromVCSECMessage:
        answer = vcsec.FromVCSECMessage()
        if request.informationRequestType == vcsec.INFORMATION_REQUEST_TYPE_GET_STATUS:
            locked = vcsec.VEHICLELOCKSTATE_LOCKED if self.locked else vcsec.VEHICLELOCKSTATE_UNLOCKED
            answer.vehicleStatus.vehicleLockState = locked
        elif request.informationRequestType == vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO:
            answer.whitelistInfo.numberOfEntries = len(self.keys)
            listed = [key for key in self.keys.values() if key.slot < 32]
            answer.whitelistInfo.slotMask = sum(1 << key.slot for key in listed)
            for key in listed:
                answer.whitelistInfo.whitelistEntries.add().publicKeySHA1 = hashlib.sha1(key.public).digest()[:4]
        else:
            wanted = request.WhichOneof("key")
            for key in self.keys.values():
                by_id = hashlib.sha1(key.public).digest()[:4] == request.keyId.publicKeySHA1[:4]
                whole = wanted == "publicKey" and request.publicKey == key.public
                if (wanted == "slot" and key.slot == request.slot) or (wanted == "keyId" and by_id) or whole:
                    answer.whitelistEntryInfo.publicKey.PublicKeyRaw = key.public
                    answer.whitelistEntryInfo.slot = key.slot
                    answer.whitelistEntryInfo.keyRole = key.role  # type: ignore[assignment]
                    return answer
            answer.nominalError.genericError = 8  # type: ignore[assignment] # key not found
        return answer

    def _signed(self, message: universal.RoutableMessage) -> universal.RoutableMessage:
        data = message.signature_data
        key = self.keys.get(data.signer_identity.public_key)
        if key is None:
            raise Fault(universal.MESSAGEFAULT_ERROR_UNKNOWN_KEY_ID)
        method = 5 if data.HasField("AES_GCM_Personalized_data") else 8
        part = data.AES_GCM_Personalized_data if method == 5 else data.HMAC_Personalized_data
        if part.epoch != key.epoch:
            raise Fault(universal.MESSAGEFAULT_ERROR_INCORRECT_EPOCH, resync=True)
        if part.expires_at < self.clock():
            raise Fault(universal.MESSAGEFAULT_ERROR_TIME_EXPIRED, resync=True)
        meta = struct.pack(">BBBBBB", 0, 1, method, 1, 1, self.domain) + b"\x02\x11" + self.vin.encode()
        meta += b"\x03\x10" + part.epoch + b"\x04\x04" + struct.pack(">I", part.expires_at)
        meta += b"\x05\x04" + struct.pack(">I", part.counter)
        meta += (b"\x07\x04" + struct.pack(">I", message.flags) if message.flags else b"") + b"\xff"
        payload = message.protobuf_message_as_bytes
        if method == 5:
            try:
                digest = hashlib.sha256(meta).digest()
                payload = AESGCM(key.shared).decrypt(part.nonce, payload + part.tag, digest)  # type: ignore[union-attr]
            except InvalidTag:
                raise Fault(universal.MESSAGEFAULT_ERROR_INVALID_SIGNATURE, resync=True) from None
        else:
            subkey = hmac.digest(key.shared, b"authenticated command", "sha256")
            if hmac.digest(subkey, meta + payload, "sha256") != part.tag:
                raise Fault(universal.MESSAGEFAULT_ERROR_INVALID_SIGNATURE, resync=True)
        if part.counter <= key.counter:
            raise Fault(universal.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER, resync=True)
        key.counter = part.counter
        if self.tell is not None:
            plain = self.tell(payload)
        else:
            plain = self._obey(key, vcsec.UnsignedMessage.FromString(payload)).SerializeToString()
        return self._sealed(message, key, bytes([method]) + part.tag[:16], plain)

    def _sealed(
        self, message: universal.RoutableMessage, key: Enrolled, request_hash: bytes, plain: bytes, counter: int = 1
    ) -> universal.RoutableMessage:
        reply = _reply_to(message)
        if not message.flags & 2:
            reply.protobuf_message_as_bytes = plain
            return reply
        meta = (
            b"\x00\x01\x09\x01\x01"
            + bytes([self.domain])
            + b"\x02\x11"
            + self.vin.encode()
            + b"\x05\x04"
            + struct.pack(">I", counter)
        )
        meta += b"\x07\x04" + struct.pack(">I", reply.flags) + b"\x08\x11" + request_hash + b"\x09\x04" + bytes(4)
        nonce = os.urandom(12)
        sealed = AESGCM(key.shared).encrypt(nonce, plain, hashlib.sha256(meta + b"\xff").digest())
        reply.protobuf_message_as_bytes = sealed[:-16]
        reply.signature_data.AES_GCM_Response_data.nonce = nonce
        reply.signature_data.AES_GCM_Response_data.counter = counter
        reply.signature_data.AES_GCM_Response_data.tag = sealed[-16:]
        return reply

    def _obey(self, key: Enrolled, request: vcsec.UnsignedMessage) -> vcsec.FromVCSECMessage:
        answer = vcsec.FromVCSECMessage()
        if self.waits and self.waits.popleft():
            answer.commandStatus.operationStatus = vcsec.OPERATIONSTATUS_WAIT
        elif self.nominal:
            answer.nominalError.genericError = self.nominal  # type: ignore[assignment]
        elif request.HasField("InformationRequest"):
            return self._information(request.InformationRequest)
        elif request.HasField("WhitelistOperation"):
            status = answer.commandStatus.whitelistOperationStatus
            code = self._change_keys(key, request.WhitelistOperation)
            status.whitelistOperationInformation = code  # type: ignore[assignment]
            if code:
                status.operationStatus = answer.commandStatus.operationStatus = vcsec.OPERATIONSTATUS_ERROR
        elif request.HasField("RKEAction"):
            if key.role not in (roles.ROLE_OWNER, roles.ROLE_DRIVER):
                raise Fault(universal.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES)
            self.done.append(vcsec.RKEAction_E.Name(request.RKEAction).removeprefix("RKE_ACTION_"))
            self.locked = {0: False, 1: True, 29: True}.get(request.RKEAction, self.locked)
            self.start_enabled = request.RKEAction == vcsec.RKE_ACTION_REMOTE_DRIVE or self.start_enabled
        else:
            for part, value in request.closureMoveRequest.ListFields():
                self.closures[part.name] = value
        return answer

    def _change_keys(self, signer: Enrolled, operation: vcsec.WhitelistOperation) -> int:
        kind = operation.WhichOneof("sub_message")
        if signer.role not in _OWNER_ONLY:
            return vcsec.WHITELISTOPERATION_INFORMATION_NO_PERMISSION_TO_ADD
        if kind == "removePublicKeyFromWhitelist":
            public = operation.removePublicKeyFromWhitelist.PublicKeyRaw
            known = self.keys.pop(public, None)
            return 0 if known else vcsec.WHITELISTOPERATION_INFORMATION_PUBLIC_KEY_NOT_ON_WHITELIST
        if kind == "removeAllImpermanentKeys":
            return 0
        change: vcsec.PermissionChange = getattr(operation, kind or "")
        if kind == "updateKeyAndPermissions":
            self.keys[change.key.PublicKeyRaw].role = change.keyRole
        elif change.key.PublicKeyRaw in self.keys:
            return vcsec.WHITELISTOPERATION_INFORMATION_ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST
        else:
            self.enrol(change.key.PublicKeyRaw, change.keyRole, label_of(change))
        return 0


class ModelConnection:
    """A phone's connection to the model."""

    def __init__(self, car: CarModel) -> None:
        self.car = car
        self.inbox: deque[bytes] = deque()
        self.sent: list[bytes] = []
        self.on_idle: Callable[[], None] | None = None

    def send(self, message: bytes) -> None:
        """Hand a message to the car."""
        self.sent.append(message)
        self.inbox.extend(self.car.handle(message))

    def receive(self, timeout: float) -> bytes | None:
        """The next answer."""
        if not self.inbox and self.on_idle is not None:
            self.on_idle()
        if self.inbox:
            return self.inbox.popleft()
        time.sleep(min(timeout, 0.005))
        return None

    def close(self) -> None:
        """Nothing to do."""


def label_of(change: vcsec.PermissionChange) -> str:
    """The label in our own field 1001, read from the raw bytes as a firmware would."""
    raw = change.SerializeToString()
    at = raw.find(b"\xca\x3e")
    return "" if at < 0 else raw[at + 3 : at + 3 + raw[at + 2]].decode()


def _reply_to(message: universal.RoutableMessage) -> universal.RoutableMessage:
    reply = universal.RoutableMessage(request_uuid=message.uuid, uuid=os.urandom(16))
    reply.to_destination.CopyFrom(message.from_destination)
    reply.from_destination.CopyFrom(message.to_destination)
    return reply


def _point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
