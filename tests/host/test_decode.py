# SPDX-License-Identifier: Apache-2.0
"""Messages in words: every kind is told from the others, and no bytes make the decoder fail in another way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain import decode
from host_tools.faults import Misuse
from host_tools.phone import keyfile, messages
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from tests.host.car_model import VIN, CarModel, ModelConnection

ADDRESS, UUID = b"a" * 16, b"u" * 16


@pytest.fixture
def car() -> CarModel:
    return CarModel()


@pytest.fixture
def phone(car: CarModel) -> Phone:
    key = keyfile.generate()
    car.enrol(key.public)
    return Phone(ModelConnection(car), VIN, key, SessionCache())


def exchange(car: CarModel, message: bytes) -> tuple[decode.Decoded, decode.Decoded]:
    (reply,) = car.handle(message)
    return decode.decode(message), decode.decode(reply)


def test_a_handshake_and_its_answer(car: CarModel, phone: Phone) -> None:
    request = messages.session_info_request(phone.key.public, ADDRESS, UUID).SerializeToString()
    asked, told = exchange(car, request)
    assert (asked.kind, told.kind) == (decode.HANDSHAKE, decode.SESSION)
    assert decode.summary(asked) == f"handshake: key {phone.key.id} asks for its session"
    epoch = car.keys[phone.key.public].epoch.hex()
    assert decode.summary(told).startswith(f"session info: epoch {epoch}, counter 0, car's clock ")


def test_an_encrypted_command_and_its_answer_stay_closed(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(messages.action("unlock"))
    asked, told = exchange(car, message.SerializeToString())
    assert (asked.kind, told.kind) == (decode.COMMAND, decode.SEALED)
    assert decode.summary(asked).startswith(f"a command, signed by key {phone.key.id} (encrypted, counter 1, expires")
    assert "unlock" not in decode.summary(asked)


def test_a_readable_command_says_what_it_asks_for(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(messages.move({"trunk": "open"}), "hmac")
    assert decode.summary(decode.decode(message.SerializeToString())).startswith("move rearTrunk OPEN, signed by key")


def test_a_fault_with_session_info(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(messages.action("unlock"))
    car.reboot()
    _, told = exchange(car, message.SerializeToString())
    assert decode.summary(told).startswith("fault INCORRECT_EPOCH; session info: epoch ")


@pytest.mark.parametrize("length_before", [False, True])
def test_the_length_before_a_message_is_passed_over(length_before: bool) -> None:
    raw = messages.present_key(messages.add_key(b"\x04" * 65, "driver")).SerializeToString()
    data = len(raw).to_bytes(2, "big") + raw if length_before else raw
    decoded = decode.decode(data)
    assert (decoded.kind, decoded.raw) == (decode.PAIRING, raw)
    assert "addKeyToWhitelistAndAddPermissions key" in decode.summary(decoded)
    assert decode.summary(decoded).endswith("as driver")


def test_a_status_that_is_told_unasked() -> None:
    told = vcsec.FromVCSECMessage(vehicleStatus=vcsec.VehicleStatus(vehicleLockState=vcsec.VEHICLELOCKSTATE_LOCKED))
    decoded = decode.decode(told.SerializeToString())
    assert decoded.kind == decode.BROADCAST and "vehicleLockState LOCKED" in decode.summary(decoded)


ANSWERS = {
    "done (an empty message)": vcsec.FromVCSECMessage(),
    "error CLOSURES_OPEN": vcsec.FromVCSECMessage(nominalError={"genericError": 2}),
    "wait": vcsec.FromVCSECMessage(commandStatus={"operationStatus": 1}),
    "keys changed": vcsec.FromVCSECMessage(commandStatus={"whitelistOperationStatus": {}}),
    "keys not changed: WHITELIST_FULL": vcsec.FromVCSECMessage(
        commandStatus={"whitelistOperationStatus": {"whitelistOperationInformation": 4}}
    ),
}


@pytest.mark.parametrize("words", ANSWERS)
def test_answers_in_words(words: str) -> None:
    assert decode.answer_words(ANSWERS[words]) == words


def test_fields_are_named_and_bytes_are_hex(phone: Phone) -> None:
    request = messages.session_info_request(phone.key.public, ADDRESS, UUID).SerializeToString()
    named = dict(decode.fields(decode.decode(request)))
    assert named["session_info_request.public_key"] == phone.key.public.hex()
    assert named["to_destination.domain"] == "DOMAIN_VEHICLE_SECURITY"


@pytest.mark.parametrize("data", [b"", b"\x00", b"hello, car", bytes(1024), b"\x32"])
def test_what_is_no_message_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Misuse, match="no message of the protocol"):
        decode.decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_are_not(data: bytes) -> None:
    try:
        decoded = decode.decode(data)
    except Misuse:
        return
    assert decode.summary(decoded) and decode.told(decoded)["fields"] is not None
