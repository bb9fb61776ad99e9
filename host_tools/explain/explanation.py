# SPDX-License-Identifier: Apache-2.0
"""Why did the car say no? From a fault, or from a request and its reply: what it expected, what it got, what to do."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

from tesla_protocol.command import errors_pb2, universal_message_pb2, vcsec_pb2

from host_tools.explain import checks, decode
from host_tools.explain.decode import Decoded
from host_tools.faults import GRANTS, KEYCHAIN_FAULTS, MESSAGE_FAULTS, NOMINAL_ERRORS, Misuse, Refused
from host_tools.phone import latchkey_pb2, outcome
from host_tools.phone.refusals import message_fault

_LONGEST_LIFE = 120  # seconds: docs/protocol.md
_LAYERS = (
    (
        "message fault",
        MESSAGE_FAULTS,
        checks.MESSAGE_CHECKS,
        universal_message_pb2.MessageFault_E,
        "MESSAGEFAULT_ERROR_",
    ),
    (
        "keychain refusal",
        KEYCHAIN_FAULTS,
        checks.KEYCHAIN_CHECKS,
        vcsec_pb2.WhitelistOperation_information_E,
        "WHITELISTOPERATION_INFORMATION_",
    ),
    ("grant refusal", GRANTS, checks.GRANT_CHECKS, latchkey_pb2.GrantFault, ""),
    ("vehicle error", NOMINAL_ERRORS, checks.VEHICLE_CHECKS, errors_pb2.GenericError_E, "GENERICERROR_"),
)


@dataclass
class Explanation:
    """What happened, in plain words."""

    name: str
    what: str
    layer: str = ""
    code: int = 0
    expected: str = ""
    got: str = ""
    todo: str = ""
    notes: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """For JSON."""
        return dict(vars(self))


def fault(text: str) -> list[Explanation]:
    """What a fault means, by its name or its number. A number may mean something in each layer of the protocol."""
    wanted = text.strip().upper().replace("-", "_").replace(" ", "_")
    found = []
    for layer, words, table, enum, prefix in _LAYERS:
        for name in words:
            code = int(enum.Value(prefix + name))
            if wanted in {name, prefix + name} or (wanted.isdecimal() and int(wanted) == code):
                found.append(_known(layer, name, code, words, table))
    if not found:
        every = [name for _, words, *_ in _LAYERS for name in words]
        near = difflib.get_close_matches(wanted, every, 1, 0.5)
        raise Misuse(
            f"{text!r} is neither a fault nor a message",
            f"did you mean {near[0]}?" if near else "give a fault's name or number, or messages in hex",
        )
    return found


def reply(request: Decoded, answer: Decoded) -> Explanation:
    """What became of a request."""
    if request.kind not in decode.REQUESTS:
        hint = "give the request first" if answer.kind in decode.REQUESTS else "the first must be one"
        raise Misuse(f"the first message is no request but this: {decode.summary(request)}", hint)
    if answer.kind in decode.REQUESTS:
        raise Misuse(f"the second message is no reply but this: {decode.summary(answer)}", "give the car's reply")
    explained = _outcome(request, answer)
    explained.notes = [*_mismatches(request, answer), *explained.notes]
    return explained


def message(alone: Decoded) -> Explanation:
    """One message, without the other."""
    if alone.kind in decode.REQUESTS:
        return Explanation("REQUEST", decode.summary(alone), todo="give the car's reply too, to see what became of it")
    explained = _outcome(None, alone)
    if explained.name in MESSAGE_FAULTS:
        explained.notes.append("with the request before it, this could be said more exactly")
    return explained


def _outcome(request: Decoded | None, answer: Decoded) -> Explanation:
    info = answer.session_info
    code = answer.envelope.signedMessageStatus.signed_message_fault
    if code:
        name = message_fault(code)
        explained = _known("message fault", name, code, MESSAGE_FAULTS, checks.MESSAGE_CHECKS)
        if request is not None:
            _compare(explained, request, answer)
        return explained
    if info is not None and info.status:
        explained = fault("UNKNOWN_KEY_ID")[0]
        explained.got = f"a handshake with key {request.signer}" if request else "a handshake with an unknown key"
        return explained
    if info is not None:
        return Explanation("SESSION", decode.summary(answer), todo="sign the next command with this")
    if answer.kind == decode.SEALED:
        return Explanation(
            "ENCRYPTED",
            "an answer without a fault, encrypted for the key that asked",
            todo="give --key and --vin to read it: a refusal by the keychain or the vehicle is inside",
        )
    told = answer.answer
    if told is None:
        return Explanation("UNREADABLE", "an answer that cannot be read")
    return _told(told, request)


def _told(told: vcsec_pb2.FromVCSECMessage, request: Decoded | None) -> Explanation:
    """An answer of vehicle security that can be read."""
    try:
        outcome.command_done(told)
    except Refused as refused:
        status = told.commandStatus.whitelistOperationStatus.whitelistOperationInformation
        layer = "keychain refusal" if status else "vehicle error"
        words, table = (KEYCHAIN_FAULTS, checks.KEYCHAIN_CHECKS) if status else (NOMINAL_ERRORS, checks.VEHICLE_CHECKS)
        code = status or told.nominalError.genericError
        explained = _known(layer, refused.name, code, words, table)
        if request is not None and request.request is not None:
            explained.got = f"{decode.request_words(request.request)}: {explained.got}"
        return explained
    if outcome.is_waiting(told):
        return Explanation("WAIT", "the car waits", todo="for a new key: tap a card on the reader within 30 s")
    return Explanation("DONE", decode.answer_words(told))


def inside(explained: Explanation, told: vcsec_pb2.FromVCSECMessage, request: Decoded) -> Explanation:
    """The same, once the encrypted answer could be read."""
    if explained.name != "ENCRYPTED":
        return explained
    found = _told(told, request)
    found.notes = explained.notes
    return found


def _known(
    layer: str, name: str, code: int, words: dict[str, tuple[str, str]], table: dict[str, tuple[str, str]]
) -> Explanation:
    what, todo = words.get(name, ("the car refused", "look the name up in the protocol's documentation"))
    expected, got = table.get(name, ("", ""))
    notes = [] if name in table else ["Latchkey never says this: it is another car's"]
    return Explanation(name, what, layer, code, expected, got, todo, notes)


def _mismatches(request: Decoded, answer: Decoded) -> list[str]:
    """Signs that the reply is not this request's."""
    asked, said = request.envelope, answer.envelope
    found = []
    if said.request_uuid and said.request_uuid != asked.uuid:
        found.append(f"the reply names another request: {said.request_uuid.hex()}, not {asked.uuid.hex()}")
    address = said.to_destination.routing_address
    if address and address != asked.from_destination.routing_address:
        found.append(f"the reply goes to another address: {address.hex()}")
    return found


def _compare(explained: Explanation, request: Decoded, answer: Decoded) -> None:
    """Put the messages' own values in the place of the general words, where they tell more."""
    signature, info, asked = request.signature, answer.session_info, request.envelope
    signer = request.signer or "nobody"
    match explained.name:
        case "INVALID_DOMAINS":
            to = asked.to_destination
            explained.got = f"domain {to.domain}" if to.HasField("domain") else "no domain"
        case "UNKNOWN_KEY_ID":
            explained.got = f"a message of key {signer}"
        case "INSUFFICIENT_PRIVILEGES" if request.kind != decode.COMMAND:
            explained.got = f"{decode.request_words(request.request)}, not signed by anybody"
            explained.todo = "sign it with an enrolled key"
        case "IV_INCORRECT_LENGTH":
            explained.got = f"{len(asked.signature_data.AES_GCM_Personalized_data.nonce)} bytes"
    if signature is None or info is None:
        return
    late = info.clock_time - signature.expires_at
    match explained.name:
        case "INCORRECT_EPOCH":
            explained.expected = f"epoch {info.epoch.hex()}, drawn for this session of key {signer}"
            explained.got = f"epoch {signature.epoch.hex()}, of a session that is over or of another car"
        case "TIME_EXPIRED":
            explained.expected = f"an expiry of {info.clock_time} s or later: so long has the car been up"
            explained.got = f"{signature.expires_at} s, {late} s too late" if signature.expires_at else "no expiry"
        case "TIME_TO_LIVE_TOO_LONG":
            explained.expected = f"an expiry of {info.clock_time + _LONGEST_LIFE} s at most"
            explained.got = f"{signature.expires_at} s: {-late} s ahead of the car's clock"
        case "INVALID_TOKEN_OR_COUNTER":
            explained.expected = f"a counter of {info.counter + 1} or more"
            explained.got = f"counter {signature.counter}, which is spent"
        case "INVALID_SIGNATURE":
            _about_tag(explained, request, len(signature.tag))


def _about_tag(explained: Explanation, request: Decoded, size: int) -> None:
    right = 16 if request.envelope.signature_data.HasField("AES_GCM_Personalized_data") else 32
    if size != right:
        explained.expected, explained.got = f"a tag of {right} bytes", f"one of {size}"
        return
    explained.notes.append(
        "epoch and expiry were in order: the car checks them first. What the tag covers is the kind of signature, the "
        "domain, the VIN, epoch, expiry, counter, flags (unless they are 0) and the payload"
    )
