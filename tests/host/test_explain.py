# SPDX-License-Identifier: Apache-2.0
"""Explaining a refusal: by its name, by its number, and with the values that stand in the messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tesla_protocol.command import keys_pb2 as roles
from tesla_protocol.command import universal_message_pb2 as universal
from typer.testing import Result

from host_tools.explain import checks, explanation
from host_tools.faults import KEYCHAIN_FAULTS, MESSAGE_FAULTS, NOMINAL_ERRORS
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from tests.host import command
from tests.host.car_model import VIN, CarModel, ModelConnection

UNLOCK = messages.action("unlock")


def run(*arguments: str | Path) -> Result:
    return command.run("explain", *arguments)


def explained(*arguments: str | Path) -> dict[str, Any]:
    """The one explanation, from the JSON."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    (explanation,) = json.loads(result.stdout)["explanations"]
    found: dict[str, Any] = explanation
    return found


@pytest.fixture
def car() -> CarModel:
    return CarModel()


@pytest.fixture
def phone(car: CarModel, tmp_path: Path) -> Phone:
    key = keyfile.create(tmp_path / "phone.pem")
    car.enrol(key.public)
    return Phone(ModelConnection(car), VIN, key)


def pair(car: CarModel, message: universal.RoutableMessage) -> tuple[str, str]:
    """A request and the car's reply, in hex."""
    raw = message.SerializeToString()
    (reply,) = car.handle(raw)
    return raw.hex(), reply.hex()


# By name and number


@pytest.mark.parametrize("text", ["INCORRECT_EPOCH", "incorrect-epoch", "MESSAGEFAULT_ERROR_INCORRECT_EPOCH"])
def test_a_fault_is_found_by_any_spelling_of_its_name(text: str) -> None:
    found = explained(text)
    assert (found["name"], found["code"], found["layer"]) == ("INCORRECT_EPOCH", 15, "message fault")
    assert found["expected"] and found["got"] and found["todo"]


def test_a_number_is_explained_in_every_layer_that_has_it() -> None:
    document = json.loads(run("2", "--json").stdout)
    found = {(each["layer"], each["name"]) for each in document["explanations"]}
    assert ("vehicle error", "CLOSURES_OPEN") in found
    assert ("keychain refusal", "NO_PERMISSION_TO_REMOVE_ONESELF") in found


def test_every_fault_that_the_firmware_gives_says_what_was_expected_and_got() -> None:
    firmware = Path(__file__).parents[2] / "firmware"
    sources = [file for file in firmware.rglob("*.py") if file.name != "schema.py"]
    given = {name for file in sources for name in re.findall(r"MessageFault\.(\w+)", file.read_text())} - {"NONE"}
    missing = [name for name in given if not any(known.startswith(name) for known in checks.MESSAGE_CHECKS)]
    assert len(given) > 15 and missing == []


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (checks.MESSAGE_CHECKS, MESSAGE_FAULTS),
        (checks.KEYCHAIN_CHECKS, KEYCHAIN_FAULTS),
        (checks.VEHICLE_CHECKS, NOMINAL_ERRORS),
    ],
)
def test_what_is_checked_is_about_faults_that_exist(table: dict[str, Any], words: dict[str, Any]) -> None:
    assert set(table) <= set(words)


def test_an_unknown_word_gets_the_nearest_fault() -> None:
    result = run("INCORECT_EPOCH")
    assert result.exit_code == 2 and "did you mean INCORRECT_EPOCH?" in result.stderr


# By messages


def change(name: str, value: object) -> Callable[[universal.RoutableMessage], None]:
    return lambda message: setattr(message.signature_data.AES_GCM_Personalized_data, name, value)


def test_a_wrong_epoch_shows_both_epochs(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(UNLOCK)
    old = car.keys[phone.key.public].epoch.hex()
    car.reboot()
    found = explained(*pair(car, message))
    assert found["name"] == "INCORRECT_EPOCH"
    assert car.keys[phone.key.public].epoch.hex() in found["expected"] and old in found["got"]


def test_a_spent_counter_shows_the_lowest_that_would_do(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(UNLOCK)
    pair(car, message)
    found = explained(*pair(car, message))
    assert found["name"] == "INVALID_TOKEN_OR_COUNTER"
    assert (found["expected"], found["got"]) == ("a counter of 2 or more", "counter 1, which is spent")


def test_an_expired_command_shows_how_late_it_is(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(UNLOCK)
    car.ahead += 105
    found = explained(*pair(car, message))
    assert found["name"] == "TIME_EXPIRED" and "100 s too late" in found["got"]


def test_a_short_tag_is_told_from_a_wrong_one(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(UNLOCK)
    wrong = universal.RoutableMessage.FromString(message.SerializeToString())
    change("tag", bytes(16))(wrong)
    assert "what the tag covers" in " ".join(explained(*pair(car, wrong))["notes"]).lower()
    change("tag", bytes(4))(message)
    found = explained(*pair(car, message))
    assert (found["expected"], found["got"]) == ("a tag of 16 bytes", "one of 4")


def test_a_stranger_is_named(car: CarModel) -> None:
    key = keyfile.generate()
    request = messages.session_info_request(key.public, b"a" * 16, b"u" * 16)
    found = explained(*pair(car, request))
    assert found["name"] == "UNKNOWN_KEY_ID" and key.id in found["got"]


def test_a_reply_to_another_request_is_noted(car: CarModel, phone: Phone) -> None:
    first, second = (phone.sign(UNLOCK)[0] for _ in range(2))
    _, reply = pair(car, first)
    notes = explained(second.SerializeToString().hex(), reply)["notes"]
    assert any("another request" in note for note in notes) and any("another address" in note for note in notes)


def test_with_the_key_an_encrypted_refusal_is_read(car: CarModel, phone: Phone, tmp_path: Path) -> None:
    car.keys[phone.key.public].role = roles.ROLE_GUEST
    message, _ = phone.sign(messages.add_key(keyfile.generate().public, "driver"))
    texts = pair(car, message)
    assert explained(*texts)["name"] == "ENCRYPTED"
    found = explained(*texts, "--key", tmp_path / "phone.pem", "--vin", VIN)
    assert (found["name"], found["layer"]) == ("NO_PERMISSION_TO_ADD", "keychain refusal")
    assert any("addKeyToWhitelistAndAddPermissions" in note for note in found["notes"])


@pytest.mark.parametrize("method", ["gcm", "hmac"])
def test_with_the_key_it_says_whose_fault_a_wrong_tag_is(
    car: CarModel, phone: Phone, tmp_path: Path, method: str
) -> None:
    message, _ = phone.sign(UNLOCK, method)
    car.vin = "5YJ30123456789ABD"
    texts = pair(car, message)
    key = ("--key", tmp_path / "phone.pem", "--vin")
    assert any("has another VIN" in note for note in explained(*texts, *key, VIN)["notes"])
    phone.cache.forget(VIN)
    assert any("does not fit" in note for note in explained(*texts, *key, car.vin)["notes"])


def test_one_message_alone_is_explained_as_far_as_that_goes(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(UNLOCK)
    car.reboot()
    request, reply = pair(car, message)
    assert explained(request)["name"] == "REQUEST"
    assert explained(reply)["name"] == "INCORRECT_EPOCH"


@pytest.mark.parametrize("spelled", ["{}", "0x{}", " {} "])
def test_hex_is_taken_as_people_have_it(car: CarModel, phone: Phone, spelled: str) -> None:
    request, reply = pair(car, phone.sign(UNLOCK)[0])
    spaced = " ".join(request[at : at + 2] for at in range(0, len(request), 2))
    assert explained(spelled.format(spaced), spelled.format(reply))["name"] == "ENCRYPTED"


def test_people_see_a_table_and_the_fields(car: CarModel, phone: Phone) -> None:
    message, _ = phone.sign(UNLOCK)
    pair(car, message)
    result = run(*pair(car, message))
    for words in ("INVALID_TOKEN_OR_COUNTER", "the car expected", "it got", "what to do", "AES_GCM_Personalized_data"):
        assert words in result.stdout


def wrong_use(car: CarModel, phone: Phone) -> dict[str, tuple[str | Path, ...]]:
    request, reply = pair(car, phone.sign(UNLOCK)[0])
    return {
        "give the request first": (reply, request),
        "the first message is no request": (reply, reply),
        "give the car's reply": (request, request),
        "one too few": (request[:-1],),
        "no message of the protocol": ("00" * 20,),
        "a request and its reply, or one fault": ("BUSY", reply),
        "--key and --vin together": (request, "--vin", VIN),
        "give a fault's name or number": ("xyzzy",),
    }


def test_wrong_use_is_told_in_one_line(car: CarModel, phone: Phone) -> None:
    for words, arguments in wrong_use(car, phone).items():
        result = run(*arguments)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
        assert words in result.stderr


def test_no_explanation_is_without_words() -> None:
    for words in (MESSAGE_FAULTS, KEYCHAIN_FAULTS, NOMINAL_ERRORS):
        for name in words:
            assert all(each.what and each.todo for each in explanation.fault(name))
