# SPDX-License-Identifier: Apache-2.0
"""Any message of the protocol in words: what it is in one line, and its fields one by one.

It reads what `tesla-protocol` describes and no more, so what was encrypted stays so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Misuse
from host_tools.phone import messages
from host_tools.phone.keyfile import key_id
from host_tools.phone.outcome import is_broadcast
from host_tools.phone.refusals import keychain_fault, message_fault, nominal_error

# The kinds of message, as their first words say it.
HANDSHAKE, COMMAND, PLAIN, PAIRING = "handshake", "signed command", "unsigned request", "pairing request"
SESSION, FAULT, SEALED, ANSWER, BROADCAST = "session info", "fault", "encrypted answer", "answer", "broadcast"

REQUESTS = (HANDSHAKE, COMMAND, PLAIN, PAIRING)

_SHORT_PREFIXES = (
    "MESSAGEFAULT_ERROR_", "WHITELISTOPERATION_INFORMATION_", "GENERICERROR_", "RKE_ACTION_", "CLOSURE_MOVE_TYPE_",
    "INFORMATION_REQUEST_TYPE_", "OPERATIONSTATUS_", "SESSION_INFO_STATUS_", "KEY_FORM_FACTOR_", "VEHICLELOCKSTATE_",
    "VEHICLE_SLEEP_STATUS_", "VEHICLE_USER_PRESENCE_", "CLOSURESTATE_", "SIGNATURE_TYPE_",
)  # fmt: skip


@dataclass(frozen=True)
class Decoded:
    """One message: which kind it is, and the message itself."""

    kind: str
    message: universal.RoutableMessage | vcsec.ToVCSECMessage | vcsec.FromVCSECMessage
    raw: bytes

    @property
    def envelope(self) -> universal.RoutableMessage:
        """The RoutableMessage; an empty one for a bare message."""
        if isinstance(self.message, universal.RoutableMessage):
            return self.message
        return universal.RoutableMessage()

    @property
    def session_info(self) -> sig.SessionInfo | None:
        """The session info that it carries."""
        if self.envelope.HasField("session_info"):
            with contextlib.suppress(DecodeError):
                return sig.SessionInfo.FromString(self.envelope.session_info)
        return None

    @property
    def signature(self) -> sig.AES_GCM_Personalized_Signature_Data | sig.HMAC_Personalized_Signature_Data | None:
        """How a command is signed."""
        data = self.envelope.signature_data
        if data.HasField("AES_GCM_Personalized_data"):
            return data.AES_GCM_Personalized_data
        return data.HMAC_Personalized_data if data.HasField("HMAC_Personalized_data") else None

    @property
    def request(self) -> vcsec.UnsignedMessage | None:
        """What a request asks for, if that can be read."""
        if isinstance(self.message, vcsec.ToVCSECMessage):
            payload = self.message.signedMessage.protobufMessageAsBytes
        elif self.kind in {COMMAND, PLAIN} and not self.envelope.signature_data.HasField("AES_GCM_Personalized_data"):
            payload = self.envelope.protobuf_message_as_bytes
        else:
            return None
        return _unsigned(payload)

    @property
    def answer(self) -> vcsec.FromVCSECMessage | None:
        """What vehicle security answers, if that can be read."""
        if isinstance(self.message, vcsec.FromVCSECMessage):
            return self.message
        if self.kind in {ANSWER, BROADCAST}:
            with contextlib.suppress(DecodeError):
                return vcsec.FromVCSECMessage.FromString(self.envelope.protobuf_message_as_bytes)
        return None

    @property
    def signer(self) -> str:
        """The id of the key that signed it or that it is about; "" if it names none."""
        request = self.envelope.session_info_request
        public = request.public_key or self.envelope.signature_data.signer_identity.public_key
        return key_id(public) if public else ""


def decode(data: bytes) -> Decoded:
    """A message, with or without the 2-byte length that precedes it over the radio. Raises Misuse."""
    if len(data) > 2 and int.from_bytes(data[:2], "big") == len(data) - 2:
        data = data[2:]
    with contextlib.suppress(DecodeError):
        envelope = universal.RoutableMessage.FromString(data)
        if envelope.HasField("to_destination") or envelope.HasField("from_destination"):
            return Decoded(_kind(envelope), envelope, data)
    with contextlib.suppress(DecodeError):
        bare = vcsec.ToVCSECMessage.FromString(data)
        if bare.signedMessage.protobufMessageAsBytes:
            return Decoded(PAIRING, bare, data)
    with contextlib.suppress(DecodeError):
        told = vcsec.FromVCSECMessage.FromString(data)
        if told.WhichOneof("sub_message"):
            return Decoded(BROADCAST, told, data)
    raise Misuse(
        f"these {len(data)} bytes are no message of the protocol",
        "give a whole RoutableMessage, ToVCSECMessage or FromVCSECMessage",
    )


def summary(message: Decoded) -> str:
    """The message in one line."""
    envelope, signature = message.envelope, message.signature
    match message.kind:
        case "handshake":
            return f"handshake: key {message.signer} asks for its session"
        case "signed command":
            what = request_words(message.request) if message.request else "a command"
            sealed = "encrypted" if message.request is None else "readable"
            counts = f"counter {signature.counter}, expires at {signature.expires_at} s" if signature else ""
            return f"{what}, signed by key {message.signer or '?'} ({sealed}, {counts})"
        case "unsigned request" | "pairing request":
            return f"{message.kind}: {request_words(message.request)}"
        case "fault":
            carried = f"; {_session_words(message.session_info)}" if message.session_info else ""
            return f"fault {message_fault(envelope.signedMessageStatus.signed_message_fault)}{carried}"
        case "session info":
            return _session_words(message.session_info)
        case "encrypted answer":
            return f"encrypted answer ({len(envelope.protobuf_message_as_bytes)} bytes)"
        case "answer" if envelope.signedMessageStatus.operation_status == universal.OPERATIONSTATUS_WAIT:
            return "wait"
        case _:
            return answer_words(message.answer)


def request_words(request: vcsec.UnsignedMessage | None) -> str:
    """What a request asks for."""
    if request is None:
        return "something that cannot be read"
    match request.WhichOneof("sub_message"):
        case "RKEAction":
            names = {number: name for name, number in messages.ACTIONS.items()}
            return names.get(request.RKEAction, f"action {request.RKEAction}")
        case "closureMoveRequest":
            return "move " + ", ".join(f"{name} {value}" for name, value in _flat(request.closureMoveRequest))
        case "InformationRequest":
            kind = request.InformationRequest.informationRequestType
            return _enum_name(request.InformationRequest, "informationRequestType", kind).lower().replace("_", " ")
        case "WhitelistOperation":
            operation = request.WhitelistOperation
            name = operation.WhichOneof("sub_message") or "key operation without a content"
            change = getattr(operation, name, None)
            public = getattr(getattr(change, "key", change), "PublicKeyRaw", b"")
            role = getattr(change, "keyRole", 0)
            about = f" key {key_id(public)}" if public else ""
            return f"{name}{about}" + (f" as {messages.role_name(role)}" if role else "")
        case _:
            return "nothing that is known"


def answer_words(answer: vcsec.FromVCSECMessage | None) -> str:
    """What vehicle security says."""
    if answer is None:
        return "something that cannot be read"
    match answer.WhichOneof("sub_message"):
        case None:
            return "done (an empty message)"
        case "nominalError":
            return f"error {nominal_error(answer.nominalError.genericError)}"
        case "commandStatus":
            status = answer.commandStatus
            if not status.HasField("whitelistOperationStatus"):
                waits = status.operationStatus == vcsec.OPERATIONSTATUS_WAIT
                return "wait" if waits else f"command status {status.operationStatus}"
            code = status.whitelistOperationStatus.whitelistOperationInformation
            return f"keys not changed: {keychain_fault(code)}" if code else "keys changed"
        case other:
            told = [f"{name} {value}" for name, value in _flat(getattr(answer, other)) if value != "{}"]
            if other == "vehicleStatus" and not answer.vehicleStatus.vehicleLockState:
                told.append("unlocked")  # which is 0, and so is not on the wire
            return f"{other}: {', '.join(told) or 'all zero'}"


def fields(message: Decoded) -> list[tuple[str, str]]:
    """Its fields one by one, nested messages opened where they can be read."""
    found = list(_flat(message.message))
    for name, inner in (
        ("session_info", message.session_info),
        ("request", message.request),
        ("answer", message.answer if message.envelope.protobuf_message_as_bytes else None),
    ):
        if inner is not None:
            found += [(f"{name}.{path}", value) for path, value in _flat(inner)]
    return found


def told(message: Decoded) -> dict[str, Any]:
    """The message for JSON."""
    return {"kind": message.kind, "summary": summary(message), "fields": dict(fields(message))}


def _kind(envelope: universal.RoutableMessage) -> str:
    if envelope.HasField("session_info_request"):
        return HANDSHAKE
    if envelope.signedMessageStatus.signed_message_fault:
        return FAULT
    signature = envelope.signature_data.WhichOneof("sig_type")
    if signature == "AES_GCM_Response_data":
        return SEALED
    if envelope.HasField("session_info"):
        return SESSION
    if envelope.from_destination.HasField("domain"):
        return BROADCAST if is_broadcast(envelope) else ANSWER
    return COMMAND if envelope.HasField("signature_data") else PLAIN


def _unsigned(payload: bytes) -> vcsec.UnsignedMessage | None:
    with contextlib.suppress(DecodeError):
        return vcsec.UnsignedMessage.FromString(payload)
    return None


def _session_words(info: sig.SessionInfo | None) -> str:
    if info is None:
        return "session info that cannot be read"
    if info.status == sig.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST:
        return "session info: this key is not enrolled"
    return f"session info: epoch {info.epoch.hex()}, counter {info.counter}, car's clock {info.clock_time} s"


def _flat(message: Message) -> Iterator[tuple[str, str]]:
    """Every field that is set: its path and its value, bytes in hex and enumerations by name."""
    for field, value in message.ListFields():
        repeated = not isinstance(value, str | bytes | Message | int | float)
        for at, item in enumerate(value if repeated else [value]):
            name = f"{field.name}[{at}]" if repeated else field.name
            if isinstance(item, Message):
                inner = list(_flat(item))
                yield from ((f"{name}.{path}", text) for path, text in inner)
                if not inner:
                    yield name, "{}"
            elif isinstance(item, bytes):
                yield name, item.hex() or "(empty)"
            elif field.type == FieldDescriptor.TYPE_ENUM:
                yield name, _enum_name(message, field.name, item)
            else:
                yield name, str(item)


def _enum_name(message: Message, field: str, number: int) -> str:
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    value = enum.values_by_number.get(number) if enum is not None else None
    if value is None:
        return str(number)
    for prefix in _SHORT_PREFIXES:
        if value.name.startswith(prefix):
            return str(value.name.removeprefix(prefix))
    return str(value.name)
