# SPDX-License-Identifier: Apache-2.0
"""Enrolment is its own act: a card tap approves the one key that is named, once, within 30 seconds."""

from __future__ import annotations

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain import decode
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import (
    ADDRESS,
    ANSWER,
    UUID,
    ask,
    fault,
    forge,
    new_phone,
    nothing_changes,
    reboot,
    refusals,
    stranger,
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("resting")

FORMS = ["envelope", "present-key"]
WAIT, ENROLLED = "wait", "keys changed"


def request(public: bytes, form: str = "envelope", role: str = "driver") -> bytes:
    operation = messages.add_key(public, role, "New phone")
    if form == "present-key":
        return messages.present_key(operation).SerializeToString()
    return messages.routable(operation, ADDRESS, UUID).SerializeToString()


def words(phone: Phone, message: bytes) -> str:
    """What the car answers to a pairing request, in either form."""
    phone.connection.send(message)
    return heard(phone, ANSWER)  # the first one has enrolment loaded, by and by


def heard(phone: Phone, timeout: float = 0) -> str:
    """The next word about keys."""
    while (data := phone.connection.receive(timeout)) is not None:
        told = decode.decode(data)
        if told.answer is not None and told.answer.HasField("commandStatus"):
            return decode.answer_words(told.answer)
    return "silence"


def enrolled(car: Bench) -> set[str]:
    keys = car.keys()
    return {key["key"] for key in keys}


@pytest.mark.parametrize("form", FORMS)
def test_a_tap_enrols_the_key_that_waits_and_the_car_says_so(car: Bench, owner: Phone, form: str) -> None:
    phone = stranger(car)
    assert words(phone, request(phone.key.public, form)) == WAIT
    pending = car.state()["pending"]
    assert (pending["key"], pending["role"]) == (phone.key.id, 3) and 25 <= pending["left"] <= 30
    assert enrolled(car) == {owner.key.id}  # asking is not enrolling
    assert car.tap()["approved"] == phone.key.id
    assert heard(phone, 5) == ENROLLED
    assert car.state()["pending"] is None
    phone.unlock()
    keys = car.keys()
    (record,) = [key for key in keys if key["key"] == phone.key.id]
    assert (record["role"], record["label"], record["origin"]) == (3, "New phone", 1)


def test_enrolment_is_logged_and_told(car: Bench, owner: Phone) -> None:
    since = len(car.events)
    phone = new_phone(car, "driver")
    names = [event["event"] for event in car.events[since:] if event.get("key") == phone.key.id]
    assert names == ["pending", "tap", "enrolled"]
    assert [entry["kind"] for entry in car.log() if entry["key"] == phone.key.id] == ["enrolled"]


def test_the_tap_comes_31_seconds_late(car: Bench, owner: Phone) -> None:
    phone = stranger(car)
    words(phone, request(phone.key.public))
    car.clock(31)
    assert car.tap()["approved"] is None
    assert heard(phone, 5) == "keys not changed: LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP"
    assert enrolled(car) == {owner.key.id}


def test_the_tap_comes_in_the_last_moment(car: Bench, owner: Phone) -> None:
    phone = stranger(car)
    words(phone, request(phone.key.public))
    car.clock(28)
    assert car.tap()["approved"] == phone.key.id
    assert heard(phone, 5) == ENROLLED


def test_asking_again_starts_the_time_again(car: Bench, owner: Phone) -> None:
    phone = stranger(car)
    for _ in range(3):
        assert words(phone, request(phone.key.public)) == WAIT
        car.clock(20)
    assert car.tap()["approved"] == phone.key.id
    assert heard(phone, 5) == ENROLLED


def test_a_tap_without_anybody_waiting_approves_nobody_now_or_later(car: Bench, owner: Phone) -> None:
    assert car.tap()["approved"] is None
    phone = stranger(car)
    assert words(phone, request(phone.key.public)) == WAIT
    assert phone.key.id not in enrolled(car)
    car.clock(31)
    assert enrolled(car) == {owner.key.id}


def test_one_tap_approves_one_key_once(car: Bench, owner: Phone) -> None:
    phone = new_phone(car, "driver")
    owner.change_keys(messages.remove_key(phone.key.public))
    assert car.tap()["approved"] is None
    assert enrolled(car) == {owner.key.id}


def test_when_a_second_key_asks_a_tap_approves_neither(car: Bench, owner: Phone) -> None:
    first, second = stranger(car), stranger(car)
    assert words(first, request(first.key.public)) == WAIT
    refusal = "keys not changed: COULD_NOT_START_LOCAL_ENTITY_AUTH"
    assert words(second, request(second.key.public)) == refusal
    assert heard(first) == "keys not changed: LOCAL_ENTITY_AUTH_FAILED_CANCELLED"
    assert car.tap()["approved"] is None
    assert enrolled(car) == {owner.key.id}


def test_a_key_whose_time_is_over_is_not_in_the_way_of_the_next(car: Bench, owner: Phone) -> None:
    first, second = stranger(car), stranger(car)
    words(first, request(first.key.public))
    car.clock(30)
    assert words(second, request(second.key.public)) == WAIT
    assert car.tap()["approved"] == second.key.id
    assert heard(second, 5) == ENROLLED


def test_what_waits_for_a_card_does_not_outlive_a_restart(car: Bench, owner: Phone) -> None:
    phone = stranger(car)
    words(phone, request(phone.key.public))
    reboot(car, owner)
    assert car.tap()["approved"] is None
    assert enrolled(car) == {owner.key.id}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_that_is_enrolled_already_is_not_enrolled_again(car: Bench, owner: Phone, form: str) -> None:
    """Least of all with another role."""
    with nothing_changes(car, owner):
        refusal = "keys not changed: ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST"
        assert words(owner, request(owner.key.public, form, "monitor")) == refusal
        assert car.tap()["approved"] is None


BAD_KEYS = {
    "off the curve": (b"\x04" + b"\x05" * 64, 3, "INVALID_PUBLIC_KEY"),
    "compressed": (b"\x02" + b"\x05" * 32, 3, "INVALID_PUBLIC_KEY"),
    "none": (b"", 3, "INVALID_PUBLIC_KEY"),
    "without a role": (keyfile.generate().public, 0, "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
    "of a role that is not there": (keyfile.generate().public, 99, "ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE"),
    "of a service technician": (keyfile.generate().public, 1, "ATTEMPTING_TO_ADD_KEY_WITH_SERVICE_ROLE"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_be_enrolled_never_waits_for_a_card(car: Bench, owner: Phone, name: str, form: str) -> None:
    public, role, refusal = BAD_KEYS[name]
    operation = messages.add_key(public, "driver")
    operation.WhitelistOperation.addKeyToWhitelistAndAddPermissions.keyRole = role  # type: ignore[assignment]
    bare = messages.present_key(operation).SerializeToString()
    message = bare if form == "present-key" else messages.routable(operation, ADDRESS, UUID).SerializeToString()
    since, phone = len(car.events), stranger(car)
    with nothing_changes(car, owner):
        assert words(phone, message) == f"keys not changed: {refusal}"
        assert car.tap()["approved"] is None
    assert len(refusals(car, since)) == 1


UNSIGNED = {
    "removing": messages.remove_key(keyfile.generate().public),
    "removing all impermanent": messages.remove_impermanent_keys(),
    "updating": messages.update_key(keyfile.generate().public, "owner"),
    "adding an impermanent one": messages.add_key(keyfile.generate().public, "driver", impermanent=True),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", UNSIGNED)
def test_nothing_but_adding_a_key_can_be_asked_for_without_one(car: Bench, owner: Phone, name: str, form: str) -> None:
    bare = messages.present_key(UNSIGNED[name]).SerializeToString()
    envelope = messages.routable(UNSIGNED[name], ADDRESS, UUID).SerializeToString()
    with nothing_changes(car, owner):
        told = words(stranger(car), bare if form == "present-key" else envelope)
        assert told.startswith("keys not changed: NO_PERMISSION_TO_")
        assert car.tap()["approved"] is None


def test_a_command_cannot_be_presented_like_a_key(car: Bench, owner: Phone) -> None:
    with nothing_changes(car, owner), car.connect() as connection:
        assert ask(car, connection, messages.present_key(messages.action("start")).SerializeToString()) is None


def test_unlocking_and_starting_enrol_nobody(car: Bench, owner: Phone) -> None:
    """Not with a card tap in the same moment either."""
    phone = stranger(car)
    phone.session = owner.session
    for name in ("unlock", "start"):
        message = forge(phone, messages.action(name))
        car.tap()
        assert fault(ask(car, phone.connection, message.SerializeToString())) == "UNKNOWN_KEY_ID"
        assert car.tap()["approved"] is None
    assert enrolled(car) == {owner.key.id}


def test_a_car_that_waits_for_a_card_serves_its_drivers_meanwhile(car: Bench, owner: Phone) -> None:
    phone = stranger(car)
    words(phone, request(phone.key.public))
    owner.unlock()
    owner.start()
    owner.lock()
    assert car.tap()["approved"] == phone.key.id
    assert heard(phone, 5) == ENROLLED


def test_the_owner_asks_who_is_enrolled(car: Bench, owner: Phone) -> None:
    phone = new_phone(car, "charging")
    entry = owner.entry(key_id=bytes.fromhex(phone.key.id))
    assert entry.publicKey.PublicKeyRaw == phone.key.public
    assert entry.metadataForKey.keyFormFactor == vcsec.KEY_FORM_FACTOR_CLOUD_KEY
    assert owner.entry(slot=entry.slot).keyId.publicKeySHA1.hex() == phone.key.id
    assert owner.keychain().slotMask == 1 | 1 << entry.slot
