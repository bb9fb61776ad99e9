# SPDX-License-Identifier: Apache-2.0
"""Whatever a phone sends gets the protocol's own fault or silence, an event with the reason, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.phone.refusals import message_fault
from host_tools.serial.bench import Bench
from tests.bench.support import ADDRESS, UUID, ask, fault, forge, nothing_changes, refusals

pytestmark = pytest.mark.usefixtures("resting")

START = messages.action("start")
SIGNED = "AES_GCM_Personalized_data"
Message = universal.RoutableMessage


class Case(NamedTuple):
    """A message that somebody sends in the place of the owner's next command."""

    make: Callable[[Phone], Message]
    fault: str
    why: str


def gcm(change: Callable[[Message], None], **fields: object) -> Callable[[Phone], Message]:
    """The owner's next start, with a change."""
    return lambda phone: forge(phone, START, change=change, **fields)  # type: ignore[arg-type]


def field(name: str, value: object) -> Callable[[Message], None]:
    """Replace a part of the signature after signing."""
    return lambda message: setattr(message.signature_data.AES_GCM_Personalized_data, name, value)


def cut_tag(size: int) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        data = message.signature_data.AES_GCM_Personalized_data
        data.tag = data.tag[:size]

    return change


def cut_hmac(size: int) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        data = message.signature_data.HMAC_Personalized_data
        data.tag = data.tag[:size]

    return change


def to_domain(domain: int) -> Callable[[Message], None]:
    def change(message: Message) -> None:
        message.to_destination.Clear()
        message.to_destination.domain = domain  # type: ignore[assignment]

    return change


def signer(public: bytes) -> Callable[[Message], None]:
    return lambda message: setattr(message.signature_data.signer_identity, "public_key", public)


def handle(number: int) -> Callable[[Message], None]:
    return lambda message: setattr(message.signature_data.signer_identity, "handle", number)


def keep(message: Message) -> None:
    """Send it as it was signed."""


def not_signed(phone: Phone) -> Message:
    return messages.routable(START, ADDRESS, UUID)


def no_payload(phone: Phone) -> Message:
    return messages.routable(None, ADDRESS, UUID)


def odd_handshake(public: bytes) -> Callable[[Phone], Message]:
    return lambda phone: messages.session_info_request(public, ADDRESS, UUID)


def long_uuid(message: Message) -> None:
    message.uuid = b"u" * 17


CASES = {
    "another car's VIN": Case(gcm(keep, vin="5YJ30123456789ABD"), "INVALID_SIGNATURE", "tag"),
    "another key's secret": Case(gcm(keep, key=bytes(16)), "INVALID_SIGNATURE", "tag"),
    "another epoch": Case(gcm(keep, epoch=bytes(16)), "INCORRECT_EPOCH", "epoch"),
    "an epoch that is too short": Case(gcm(field("epoch", b"e")), "INCORRECT_EPOCH", "epoch"),
    "an epoch that is too long": Case(gcm(field("epoch", b"e" * 100)), "INCORRECT_EPOCH", "epoch"),
    "no expiry": Case(gcm(keep, expires_at=0), "TIME_EXPIRED", "expired"),
    "an expiry that has passed": Case(gcm(keep, expires_at=1), "TIME_EXPIRED", "expired"),
    "an hour to live": Case(gcm(keep, expires_at=100 + 3600), "TIME_TO_LIVE_TOO_LONG", "lifetime"),
    "an expiry after the end of time": Case(gcm(keep, expires_at=0xFFFFFFFF), "BAD_PARAMETER", "expires_at"),
    "a wrong tag": Case(gcm(field("tag", bytes(16))), "INVALID_SIGNATURE", "tag"),
    "a tag of 15 bytes": Case(gcm(cut_tag(15)), "INVALID_SIGNATURE", "tag"),
    "a tag of 4 bytes": Case(gcm(cut_tag(4)), "INVALID_SIGNATURE", "tag"),
    "no tag": Case(gcm(cut_tag(0)), "INVALID_SIGNATURE", "tag"),
    "a tag that is too long": Case(gcm(field("tag", bytes(32))), "INVALID_SIGNATURE", "tag"),
    "a short HMAC tag": Case(lambda p: forge(p, START, "hmac", change=cut_hmac(16)), "INVALID_SIGNATURE", "tag"),
    "no HMAC tag": Case(lambda p: forge(p, START, "hmac", change=cut_hmac(0)), "INVALID_SIGNATURE", "tag"),
    "another expiry than was signed": Case(gcm(field("expires_at", 120)), "INVALID_SIGNATURE", "tag"),
    "another counter than was signed": Case(gcm(field("counter", 900)), "INVALID_SIGNATURE", "tag"),
    "other flags than were signed": Case(gcm(lambda m: setattr(m, "flags", 0)), "INVALID_SIGNATURE", "tag"),
    "another payload than was signed": Case(
        lambda p: forge(p, START, "hmac", change=lambda m: setattr(m, "protobuf_message_as_bytes", b"\x10\x00")),
        "INVALID_SIGNATURE",
        "tag",
    ),
    "a counter of 0": Case(lambda p: forge(p, START, ahead=-counter(p)), "INVALID_TOKEN_OR_COUNTER", "counter"),
    "no nonce": Case(gcm(field("nonce", b"")), "IV_INCORRECT_LENGTH", "nonce"),
    "a nonce of 11 bytes": Case(gcm(field("nonce", b"n" * 11)), "IV_INCORRECT_LENGTH", "nonce"),
    "a nonce of 16 bytes": Case(gcm(field("nonce", b"n" * 16)), "IV_INCORRECT_LENGTH", "nonce"),
    "another nonce than was used": Case(gcm(field("nonce", b"n" * 12)), "INVALID_SIGNATURE", "tag"),
    "the domain of the screen": Case(gcm(to_domain(3)), "INCORRECT_EPOCH", "epoch"),
    "everybody's domain": Case(gcm(to_domain(0)), "INVALID_DOMAINS", "domain"),
    "a domain that is not there": Case(gcm(to_domain(77)), "INVALID_DOMAINS", "domain"),
    "a negative domain": Case(gcm(to_domain(-1)), "INVALID_DOMAINS", "domain"),
    "an expiry that has passed, and a wrong tag": Case(
        gcm(field("tag", bytes(16)), expires_at=1), "INVALID_SIGNATURE", "tag"
    ),
    "no destination": Case(gcm(lambda m: m.ClearField("to_destination")), "INVALID_DOMAINS", "domain"),
    "no signer": Case(gcm(lambda m: m.signature_data.ClearField("signer_identity")), "UNKNOWN_KEY_ID", "no signer"),
    "a signer that is no key": Case(gcm(signer(b"\x04")), "UNKNOWN_KEY_ID", "public key"),
    "a signer off the curve": Case(gcm(signer(b"\x04" + b"\x05" * 64)), "UNKNOWN_KEY_ID", "public key"),
    "a handle that is not there": Case(gcm(handle(999)), "INVALID_KEY_HANDLE", "handle"),
    "no kind of signature": Case(gcm(lambda m: m.signature_data.ClearField(SIGNED)), "BAD_PARAMETER", "signature_type"),
    "no signature": Case(not_signed, "INSUFFICIENT_PRIVILEGES", "not signed"),
    "no payload": Case(no_payload, "INVALID_COMMAND", "no payload"),
    "a uuid that is too long": Case(gcm(long_uuid), "BAD_PARAMETER", "uuid"),
    "a handshake without a key": Case(odd_handshake(b""), "BAD_PARAMETER", "public key"),
    "a handshake with a compressed key": Case(odd_handshake(b"\x02" + b"x" * 32), "BAD_PARAMETER", "public key"),
}  # fmt: skip


# Those that tell a phone what it takes to get into step again.
RESYNC = {
    "INCORRECT_EPOCH", "TIME_EXPIRED", "TIME_TO_LIVE_TOO_LONG", "INVALID_SIGNATURE", "INVALID_TOKEN_OR_COUNTER",
    "BAD_PARAMETER",
}  # fmt: skip


def counter(phone: Phone) -> int:
    assert phone.session is not None
    return phone.session.counter


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_by_name_and_nothing_changes(car: Bench, owner: Phone, name: str) -> None:
    case = CASES[name]
    if car.info()["uptime"] < 100:
        car.clock(100)
    owner.wake()
    since = len(car.events)
    with nothing_changes(car, owner), car.connect() as connection:
        reply = ask(car, connection, case.make(owner).SerializeToString())
        assert fault(reply) == case.fault
        assert reply is not None and (reply.session_info is None or case.fault in RESYNC)
    (event,) = refusals(car, since)
    assert message_fault(event["fault"]) == case.fault and event["why"].startswith(case.why)


UNREADABLE = {
    "one byte": b"\x00",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "a field that ends in the middle": bytes.fromhex("3202"),
    "a length beyond the end": bytes.fromhex("32ff01"),
    "a number without an end": bytes.fromhex("a003") + b"\xff" * 12,
    "a wrong kind of field": bytes.fromhex("3008"),
    "groups": b"\x33" * 64,
    "a message within a message within a message": bytes.fromhex("32") + b"\x7e" + b"\x0a\x7c" + b"\x0a\x7a" * 61,
    "1024 bytes of nothing": bytes(1024),
    "a bare message that ends in the middle": bytes.fromhex("0a05120a"),
}
UNANSWERABLE = {
    "an empty message": b"",
    "a bare message that presents no key": vcsec.ToVCSECMessage(
        signedMessage=vcsec.SignedMessage(protobufMessageAsBytes=START.SerializeToString())
    ).SerializeToString(),
    "an address of 17 bytes": messages.routable(START, b"a" * 17, b"u" * 16).SerializeToString(),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_told_so_to_nobodys_address(car: Bench, owner: Phone, name: str) -> None:
    since = len(car.events)
    with nothing_changes(car, owner), car.connect() as connection:
        reply = ask(car, connection, UNREADABLE[name])
        assert fault(reply) == "DECODING"
        assert reply is not None and not reply.envelope.HasField("to_destination")
        assert reply.envelope.from_destination.domain == universal.DOMAIN_VEHICLE_SECURITY
    (event,) = refusals(car, since)
    assert event["fault"] == 10 and event["why"]


@pytest.mark.parametrize("name", UNANSWERABLE)
def test_what_cannot_be_answered_is_met_with_silence(car: Bench, owner: Phone, name: str) -> None:
    since = len(car.events)
    with nothing_changes(car, owner), car.connect() as connection:
        assert ask(car, connection, UNANSWERABLE[name]) is None
    (event,) = refusals(car, since)
    assert event["fault"] == 0 and event["why"]


@pytest.mark.parametrize("group", ["9b069c06", "9b06089601a306a4069c06", "0b080112020a0b0c"])
def test_unknown_groups_are_skipped(car: Bench, owner: Phone, group: str) -> None:
    """As every other decoder does."""
    command = forge(owner, messages.action("wake"), ahead=1).SerializeToString()
    with car.connect() as connection:
        assert fault(ask(car, connection, bytes.fromhex(group) + command)) == "no fault"
    owner.handshake()


def test_a_command_that_is_cut_short_anywhere_does_nothing(car: Bench, owner: Phone) -> None:
    raw = forge(owner, START, ahead=10).SerializeToString()
    seen = set()
    with nothing_changes(car, owner):
        for size in range(1, len(raw) - 20):  # what comes after that is the uuid and the flags
            with car.connect() as connection:
                seen.add(fault(ask(car, connection, raw[:size])))
    assert "no fault" not in seen and "DECODING" in seen
