# SPDX-License-Identifier: Apache-2.0
"""The phone against a model of the car: commands, getting back into step, and answers that prove nothing."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from tesla_protocol.command import keys_pb2 as roles
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Misuse, NoAnswer, Refused
from host_tools.phone import keyfile, messages
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from host_tools.phone.contact import CarChanged
from host_tools.phone.keyfile import Key
from host_tools.phone.pairing import pair
from tests.host.car_model import VIN, CarModel, ModelConnection

PATIENT = {"timeout": 10.0, "pause": 0.01}  # answers come at once: only silence takes this long
SHORT = 0.2


@pytest.fixture
def car() -> CarModel:
    return CarModel()


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return keyfile.create(tmp_path / "key.pem")


def a_phone(car: CarModel, key: Key, **options: float) -> tuple[Phone, ModelConnection]:
    connection = ModelConnection(car)
    return Phone(connection, VIN, key, **{**PATIENT, **options}), connection  # type: ignore[arg-type]


@pytest.fixture
def phone(car: CarModel, key: Key) -> Phone:
    car.enrol(key.public)
    return a_phone(car, key)[0]


@pytest.mark.parametrize("method", ["gcm", "hmac"])
def test_a_signed_command_is_done_once(car: CarModel, phone: Phone, method: str) -> None:
    phone.command(messages.action("unlock"), method)
    assert car.done == ["UNLOCK"] and not car.locked


def test_a_command_leaves_encrypted_and_asks_for_an_encrypted_answer(car: CarModel, phone: Phone) -> None:
    phone.unlock()
    request = car.requests[-1]
    assert request.flags == 2
    assert request.protobuf_message_as_bytes != messages.action("unlock").SerializeToString()
    assert request.signature_data.AES_GCM_Personalized_data.expires_at <= car.clock() + 6


def test_the_second_command_needs_no_handshake(car: CarModel, phone: Phone, key: Key) -> None:
    phone.unlock()
    a_phone(car, key)[0].lock()
    kinds = [request.WhichOneof("payload") for request in car.requests]
    assert kinds == ["session_info_request", "protobuf_message_as_bytes", "protobuf_message_as_bytes"]


def test_a_reboot_of_the_car_costs_one_correction(car: CarModel, phone: Phone) -> None:
    phone.unlock()
    car.reboot()
    phone.start()
    assert car.done == ["UNLOCK", "REMOTE_DRIVE"]
    assert phone.resyncs == 1


def test_a_car_clock_that_ran_ahead_is_followed(car: CarModel, phone: Phone) -> None:
    phone.unlock()
    car.ahead = 3600
    phone.lock()
    assert car.done == ["UNLOCK", "LOCK"] and phone.resyncs == 1


def test_a_counter_behind_the_cars_is_followed(car: CarModel, phone: Phone, key: Key) -> None:
    phone.unlock()
    car.keys[key.public].counter = 500
    phone.lock()
    assert car.done == ["UNLOCK", "LOCK"] and car.keys[key.public].counter == 501


def test_a_car_that_never_gets_into_step_is_given_up_with_the_faults_name(car: CarModel, phone: Phone) -> None:
    phone.handshake()
    car.ahead = 100

    def unprovable(reply: universal.RoutableMessage) -> None:
        if reply.HasField("signature_data"):
            car.ahead += 100

    car.tamper = unprovable
    with pytest.raises(Refused) as caught:
        phone.unlock()
    assert caught.value.name == "TIME_EXPIRED"
    assert car.done == []
    assert len(car.requests) < 10


def test_a_fault_with_forged_session_info_changes_nothing_but_forces_a_handshake(car: CarModel, phone: Phone) -> None:
    phone.unlock()
    car.reboot()
    assert phone.session is not None
    epoch = phone.session.epoch

    def forge(reply: universal.RoutableMessage) -> None:
        if reply.signedMessageStatus.signed_message_fault:
            reply.signature_data.session_info_tag.tag = bytes(32)
            assert phone.session is not None and phone.session.epoch == epoch

    car.tamper = forge
    phone.lock()
    assert car.done == ["UNLOCK", "LOCK"] and phone.resyncs == 0
    assert car.requests[-2].HasField("session_info_request")


def test_a_busy_car_is_asked_again(car: CarModel, phone: Phone) -> None:
    phone.handshake()
    car.faults.extend([universal.MESSAGEFAULT_ERROR_BUSY, universal.MESSAGEFAULT_ERROR_BUSY])
    phone.unlock()
    assert car.done == ["UNLOCK"]


def test_a_car_that_stays_busy_is_given_up_by_name(car: CarModel, phone: Phone) -> None:
    phone.handshake()
    phone.timeout = SHORT
    car.faults.extend([universal.MESSAGEFAULT_ERROR_BUSY] * 1000)
    with pytest.raises(Refused) as caught:
        phone.unlock()
    assert caught.value.name == "BUSY"


def test_a_car_that_says_wait_is_asked_again(car: CarModel, phone: Phone) -> None:
    car.waits.append(True)
    phone.unlock()
    assert car.done == ["UNLOCK"]


@pytest.mark.parametrize(("code", "name"), [(2, "CLOSURES_OPEN"), (6, "UNAUTHORIZED")])
def test_a_genuine_command_that_the_car_cannot_do_is_refused_by_name(
    car: CarModel, phone: Phone, code: int, name: str
) -> None:
    car.nominal = code
    with pytest.raises(Refused) as caught:
        phone.lock()
    assert caught.value.name == name and caught.value.hint


def test_an_unknown_key_is_refused_by_name(car: CarModel, key: Key) -> None:
    with pytest.raises(Refused) as caught:
        a_phone(car, key)[0].unlock()
    assert caught.value.name == "UNKNOWN_KEY_ID" and "latchkey pair" in caught.value.hint


def test_a_removed_key_with_a_cached_session_is_refused_by_name(car: CarModel, phone: Phone, key: Key) -> None:
    phone.unlock()
    del car.keys[key.public]
    with pytest.raises(Refused) as caught:
        phone.lock()
    assert caught.value.name == "UNKNOWN_KEY_ID"


def test_a_role_without_the_right_is_refused_by_name(car: CarModel, key: Key) -> None:
    car.enrol(key.public, roles.ROLE_CHARGING_MANAGER)
    with pytest.raises(Refused) as caught:
        a_phone(car, key)[0].start()
    assert caught.value.name == "INSUFFICIENT_PRIVILEGES"
    assert not car.start_enabled


def test_silence_is_no_answer_and_says_that_the_command_may_have_run(car: CarModel, phone: Phone) -> None:
    phone.handshake()
    phone.timeout = SHORT
    car.drop = 1
    with pytest.raises(NoAnswer) as caught:
        phone.unlock()
    assert "may have run" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_lost_answer_never_makes_the_command_run_twice(car: CarModel, phone: Phone) -> None:
    phone.handshake()
    phone.timeout = SHORT
    car.drop = 1
    with pytest.raises(NoAnswer):
        phone.move("trunk", "move")
    signed = [request for request in car.requests if request.HasField("signature_data")]
    assert len(signed) == 1


def test_a_success_in_the_clear_is_not_believed(car: CarModel, phone: Phone) -> None:
    def strip(reply: universal.RoutableMessage) -> None:
        if reply.signature_data.HasField("AES_GCM_Response_data"):
            reply.ClearField("signature_data")
            reply.protobuf_message_as_bytes = b""

    phone.timeout = SHORT
    car.tamper = strip
    with pytest.raises(NoAnswer, match="proved nothing"):
        phone.lock()


@pytest.mark.parametrize("spoil", ["tag", "nonce", "counter", "flags", "payload", "fault"])
def test_an_answer_changed_on_its_way_is_not_believed(car: CarModel, phone: Phone, spoil: str) -> None:
    def change(reply: universal.RoutableMessage) -> None:
        data = reply.signature_data.AES_GCM_Response_data
        if not data.tag:
            return
        if spoil == "tag":
            data.tag = data.tag[:-1] + bytes([data.tag[-1] ^ 1])
        elif spoil == "nonce":
            data.nonce = data.nonce[:-1]
        elif spoil == "counter":
            data.counter += 1
        elif spoil == "flags":
            reply.flags = 1
        elif spoil == "payload":
            reply.protobuf_message_as_bytes += b"\x00"
        else:
            reply.signedMessageStatus.signed_message_fault = universal.MESSAGEFAULT_ERROR_BUSY

    phone.timeout = SHORT
    car.tamper = change
    with pytest.raises(NoAnswer, match="proved nothing"):
        phone.lock()


def test_an_answer_to_another_request_is_not_taken_for_this_one(car: CarModel, key: Key) -> None:
    car.enrol(key.public)
    phone, connection = a_phone(car, key)
    phone.unlock()
    replayed = connection.car.handle(connection.sent[-1])  # a fault for the old command, with its old address
    car.nominal = 2
    connection.inbox.extend(replayed)
    with pytest.raises(Refused) as caught:
        phone.lock()
    assert caught.value.name == "CLOSURES_OPEN"


def test_broadcasts_in_between_are_handed_on_and_disturb_nothing(car: CarModel, key: Key) -> None:
    car.enrol(key.public)
    phone, connection = a_phone(car, key)
    seen: list[vcsec.FromVCSECMessage] = []
    phone.on_broadcast = seen.append
    status = vcsec.FromVCSECMessage()
    status.vehicleStatus.vehicleLockState = vcsec.VEHICLELOCKSTATE_LOCKED
    connection.inbox.extend([b"\xff\xff\xff", b"", status.SerializeToString()])
    phone.unlock()
    assert len(seen) == 1 and seen[0].vehicleStatus.vehicleLockState == vcsec.VEHICLELOCKSTATE_LOCKED


def test_a_handshake_with_a_wrong_tag_is_ignored(car: CarModel, phone: Phone) -> None:
    def forge(reply: universal.RoutableMessage) -> None:
        reply.signature_data.session_info_tag.tag = bytes(32)

    phone.timeout = SHORT
    car.tamper = forge
    with pytest.raises(NoAnswer, match="proved nothing"):
        phone.unlock()
    assert phone.session is None


def test_a_handshake_answer_is_only_good_for_its_own_challenge(car: CarModel, phone: Phone, key: Key) -> None:
    recorded: list[universal.RoutableMessage] = []
    car.tamper = lambda reply: recorded.append(copy.deepcopy(reply))
    phone.handshake()

    def replay(reply: universal.RoutableMessage) -> None:
        reply.session_info = recorded[0].session_info
        reply.signature_data.CopyFrom(recorded[0].signature_data)

    car.tamper = replay
    with pytest.raises(NoAnswer):
        phone.handshake(0.1)


def test_a_car_with_another_key_under_the_same_vin_is_reported(car: CarModel, phone: Phone, key: Key) -> None:
    phone.unlock()
    other = CarModel()
    other.enrol(key.public)
    stranger, _ = a_phone(other, key)
    with pytest.raises(CarChanged, match="another key"):
        stranger.handshake()
    assert other.done == []


def test_a_counter_at_its_end_starts_a_new_handshake(car: CarModel, phone: Phone, key: Key) -> None:
    phone.handshake()
    assert phone.session is not None
    phone.session.counter = 0xFFFFFFFF
    car.reboot()
    phone.unlock()
    assert car.done == ["UNLOCK"] and car.keys[key.public].counter == 1


def test_status_and_keys_are_told_without_a_key(car: CarModel, key: Key) -> None:
    car.enrol(key.public)
    phone, _ = a_phone(car, keyfile.generate())
    assert phone.status().vehicleLockState == vcsec.VEHICLELOCKSTATE_LOCKED
    assert phone.keychain().numberOfEntries == 1
    assert phone.entry(slot=0).publicKey.PublicKeyRaw == key.public
    assert phone.entry(key_id=bytes.fromhex(key.id)).slot == 0
    with pytest.raises(Refused) as caught:
        phone.entry(slot=7)
    assert caught.value.name == "KEY_NOT_FOUND"


def test_an_owner_adds_updates_and_removes_a_key(car: CarModel, phone: Phone) -> None:
    guest = keyfile.generate()
    phone.change_keys(messages.add_key(guest.public, "driver", "Ann"))
    assert (car.keys[guest.public].role, car.keys[guest.public].label) == (roles.ROLE_DRIVER, "Ann")
    phone.change_keys(messages.update_key(guest.public, "guest"))
    assert car.keys[guest.public].role == roles.ROLE_GUEST
    phone.change_keys(messages.remove_key(guest.public))
    assert guest.public not in car.keys


def test_a_refused_key_change_has_the_keychains_own_name(car: CarModel, phone: Phone, key: Key) -> None:
    with pytest.raises(Refused) as caught:
        phone.change_keys(messages.add_key(key.public, "owner"))
    assert caught.value.name == "ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST"


@pytest.mark.parametrize("form", ["envelope", "present-key"])
def test_pairing_waits_for_the_tap_and_is_proven_by_a_handshake(car: CarModel, key: Key, form: str) -> None:
    phone, connection = a_phone(car, key)
    waits: list[str] = []

    def tap() -> None:
        waits.append("tap")
        connection.inbox.extend(car.tap())

    assert pair(phone, "owner", "Ann's phone", form, on_wait=tap)
    assert waits == ["tap"]
    assert car.keys[key.public].label == "Ann's phone" and car.keys[key.public].role == roles.ROLE_OWNER
    phone.unlock()
    assert car.done == ["UNLOCK"]


@pytest.mark.parametrize("form", ["envelope", "present-key"])
def test_pairing_without_a_tap_ends_by_name_and_enrols_nobody(
    car: CarModel, key: Key, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_tools.phone.pairing._SLACK", 0.1)
    monkeypatch.setattr("host_tools.phone.pairing._POLL", 0.05)
    phone, _ = a_phone(car, key)
    with pytest.raises(Refused) as caught:
        pair(phone, form=form, window=0.1)
    assert caught.value.name == "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP"
    assert car.keys == {}


def test_a_claim_of_success_without_enrolment_is_not_believed(car: CarModel, key: Key) -> None:
    """Anybody on the air can say "done": the phone then proves it with the new key, and finds that it is not so."""
    phone, _ = a_phone(car, key)

    def lie(reply: universal.RoutableMessage) -> None:
        if reply.protobuf_message_as_bytes:
            answer = vcsec.FromVCSECMessage()
            answer.commandStatus.whitelistOperationStatus.operationStatus = vcsec.OPERATIONSTATUS_OK
            reply.protobuf_message_as_bytes = answer.SerializeToString()

    car.tamper = lie
    with pytest.raises(Refused) as caught:
        pair(phone)
    assert caught.value.name == "UNKNOWN_KEY_ID"


def test_pairing_a_key_that_the_car_knows_says_so(car: CarModel, phone: Phone) -> None:
    assert not pair(phone)
    assert car.pending is None


def test_pairing_follows_a_car_that_was_provisioned_anew(phone: Phone, key: Key) -> None:
    phone.unlock()
    fresh = CarModel()
    again, connection = a_phone(fresh, key)
    assert pair(again, on_wait=lambda: connection.inbox.extend(fresh.tap()))
    again.unlock()
    assert fresh.done == ["UNLOCK"]


def test_a_silent_car_is_no_answer_to_pairing(car: CarModel, key: Key) -> None:
    car.drop = 1000
    with pytest.raises(NoAnswer):
        pair(a_phone(car, key, timeout=SHORT)[0])


def test_unknown_roles_and_forms_are_misuse(car: CarModel, key: Key) -> None:
    phone, _ = a_phone(car, key)
    with pytest.raises(Misuse, match="role"):
        pair(phone, role="king")
    with pytest.raises(Misuse, match="form"):
        pair(phone, form="telepathy")


def test_a_phone_without_a_file_keeps_its_session_in_memory(car: CarModel) -> None:
    key = keyfile.generate()
    car.enrol(key.public)
    cache = SessionCache()
    for _ in range(2):
        Phone(ModelConnection(car), VIN, key, cache).unlock()
    assert [request.WhichOneof("payload") for request in car.requests].count("session_info_request") == 1


def test_the_end_of_pairing_is_heard_even_while_the_phone_tries_its_key(
    car: CarModel, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The final word arrives among the answers to a handshake, and is kept for whoever waits for it."""
    monkeypatch.setattr("host_tools.phone.pairing._POLL", 0.02)
    phone, connection = a_phone(car, key)
    cancelled = vcsec.FromVCSECMessage()
    status = cancelled.commandStatus.whitelistOperationStatus
    status.whitelistOperationInformation = vcsec.WHITELISTOPERATION_INFORMATION_LOCAL_ENTITY_AUTH_FAILED_CANCELLED
    handshakes = 0

    def after_the_next_handshake() -> None:
        nonlocal handshakes
        if car.requests[-1].HasField("session_info_request"):
            handshakes += 1
            request = next(request for request in car.requests if request.HasField("protobuf_message_as_bytes"))
            final = universal.RoutableMessage(request_uuid=request.uuid)
            final.from_destination.domain = universal.DOMAIN_VEHICLE_SECURITY
            final.to_destination.CopyFrom(request.from_destination)
            final.protobuf_message_as_bytes = cancelled.SerializeToString()
            connection.inbox.appendleft(final.SerializeToString())

    waiting = []

    def on_wait() -> None:
        waiting.append(1)
        send = connection.send

        def sent(message: bytes) -> None:
            send(message)
            after_the_next_handshake()

        monkeypatch.setattr(connection, "send", sent)

    with pytest.raises(Refused) as caught:
        pair(phone, on_wait=on_wait, window=2)
    assert caught.value.name == "LOCAL_ENTITY_AUTH_FAILED_CANCELLED"
    assert handshakes == 1
