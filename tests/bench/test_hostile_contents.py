# SPDX-License-Identifier: Apache-2.0
"""A genuine tag does not make a good command: nonsense is refused by name, whoever signs it."""

from __future__ import annotations

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain.decode import answer_words
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import ADDRESS, UUID, ask, fault, forge, new_phone, nothing_changes, refusals, stranger, tell

pytestmark = pytest.mark.usefixtures("resting")

START = messages.action("start")
OFF_CURVE = b"\x04" + b"\x05" * 64
INFINITY = b"\x00"
COMPRESSED = b"\x02" + b"x" * 32


def test_unknown_fields_are_passed_over(car: Bench, owner: Phone) -> None:
    raw = forge(owner, START).SerializeToString() + bytes.fromhex("c2 3e 03 01 02 03 c8 3e 07")
    with car.connect() as connection:
        assert fault(ask(car, connection, raw)) == "no fault"
    assert car.pins()["start"] == 1


NONSENSE = {
    "nothing": (b"", "INVALID_COMMAND"),
    "no message": (b"\xff", "DECODING"),
    "an action that is not there": (b"\x10\x63", "INVALID_COMMAND"),
    "a movement that is not there": (b"\x22\x02\x08\x09", "INVALID_COMMAND"),
    "a command that real cars have": (b"\x92\x04\x00", "INVALID_COMMAND"),
    "a question that is not there": (b"\x0a\x02\x08\x63", "BAD_PARAMETER"),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_is_refused_in_an_answer_that_proves_itself(car: Bench, owner: Phone, name: str) -> None:
    payload, refusal = NONSENSE[name]
    since = len(car.events)
    with nothing_changes(car, owner):
        assert tell(car, owner, payload) == refusal
    (event,) = refusals(car, since)
    assert event["key"] == owner.key.id and event["why"]


def change(public: bytes, role: int) -> vcsec.PermissionChange:
    return vcsec.PermissionChange(key=vcsec.PublicKey(PublicKeyRaw=public), keyRole=role)  # type: ignore[arg-type]


def operation(**content: object) -> vcsec.UnsignedMessage:
    return vcsec.UnsignedMessage(WhitelistOperation=vcsec.WhitelistOperation(**content))  # type: ignore[arg-type]


def key() -> bytes:
    return keyfile.generate().public


KEY_NONSENSE = {
    "a key off the curve": (operation(addKeyToWhitelistAndAddPermissions=change(OFF_CURVE, 3)), "INVALID_PUBLIC_KEY"),
    "the point at infinity": (operation(addKeyToWhitelistAndAddPermissions=change(INFINITY, 3)), "INVALID_PUBLIC_KEY"),
    "a compressed key": (operation(addKeyToWhitelistAndAddPermissions=change(COMPRESSED, 3)), "INVALID_PUBLIC_KEY"),
    "no key": (operation(addKeyToWhitelistAndAddPermissions=change(b"", 3)), "INVALID_PUBLIC_KEY"),
    "an impermanent key off the curve": (operation(addImpermanentKey=change(OFF_CURVE, 3)), "INVALID_PUBLIC_KEY"),
    "no role": (operation(addKeyToWhitelistAndAddPermissions=change(key(), 0)), "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
    "a role that is not there": (
        operation(addKeyToWhitelistAndAddPermissions=change(key(), 7)), "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
    "a role of 300": (
        operation(addKeyToWhitelistAndAddPermissions=change(key(), 300)), "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
    "the service role": (
        operation(addKeyToWhitelistAndAddPermissions=change(key(), 1)),
        "NON_SERVICE_KEY_ATTEMPTING_TO_ADD_SERVICE_TECH"),
    "a key of the old form": (
        operation(addPublicKeyToWhitelist=vcsec.PublicKey(PublicKeyRaw=key())), "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
    "an update of nobody": (operation(updateKeyAndPermissions=change(key(), 3)), "PUBLIC_KEY_NOT_ON_WHITELIST"),
    "a removal of nobody": (
        operation(removePublicKeyFromWhitelist=vcsec.PublicKey(PublicKeyRaw=key())), "PUBLIC_KEY_NOT_ON_WHITELIST"),
    "a removal of no key": (operation(removePublicKeyFromWhitelist=vcsec.PublicKey()), "PUBLIC_KEY_NOT_ON_WHITELIST"),
    "a change of nothing": (operation(), "UNDOCUMENTED_ERROR"),
}  # fmt: skip


@pytest.mark.parametrize("name", KEY_NONSENSE)
def test_a_key_operation_that_makes_no_sense_is_refused_with_its_own_code(car: Bench, owner: Phone, name: str) -> None:
    request, refusal = KEY_NONSENSE[name]
    since = len(car.events)
    with nothing_changes(car, owner):
        told = tell(car, owner, request)
        assert isinstance(told, vcsec.FromVCSECMessage) and answer_words(told) == f"keys not changed: {refusal}"
    (event,) = refusals(car, since)
    assert event["information"] and event["why"]


def test_a_question_about_a_key_that_is_not_there_says_so(car: Bench, owner: Phone) -> None:
    request = messages.information(vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO, slot=4000)
    with nothing_changes(car, owner), car.connect() as connection:
        reply = ask(car, connection, messages.routable(request, ADDRESS, UUID).SerializeToString())
        assert reply is not None
        assert answer_words(reply.answer) == "keys not changed: PUBLIC_KEY_NOT_ON_WHITELIST"


def test_a_stranger_costs_no_public_key_operation(car: Bench, owner: Phone) -> None:
    before = car.stats()["p256"]
    unknown = stranger(car)
    request = messages.session_info_request(unknown.key.public, ADDRESS, UUID).SerializeToString()
    with nothing_changes(car, owner):
        for _ in range(5):
            reply = ask(car, unknown.connection, request)
            assert reply is not None and reply.session_info is not None
            assert reply.session_info.status == 1 and not reply.envelope.HasField("signature_data")
    assert car.stats()["p256"] == before


def test_a_key_that_was_removed_is_a_strangers_from_then_on(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "driver", by=owner)
    guest.unlock()
    next_command = forge(guest, START).SerializeToString()
    owner.change_keys(messages.remove_key(guest.key.public))
    with nothing_changes(car, owner):
        assert fault(ask(car, guest.connection, next_command)) == "UNKNOWN_KEY_ID"
