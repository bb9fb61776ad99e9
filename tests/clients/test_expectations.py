# SPDX-License-Identifier: Apache-2.0
"""What published clients expect of a car beyond the protocol's letter, one expectation a test, with who expects it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import keyfile, messages, session
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench, VehicleConnection
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import ADDRESS, ANSWER, UUID, VIN, forge, new_phone

SECURITY = universal.DOMAIN_VEHICLE_SECURITY
INFOTAINMENT = universal.DOMAIN_INFOTAINMENT
ENERGY = universal.DOMAIN_ENERGY_DEVICE
BROADCAST = universal.DOMAIN_BROADCAST
WAIT, ERROR = 1, 2
INVALID_DOMAINS, INCORRECT_EPOCH = 8, 15
SILENCE = 1.2  # seconds after which the car has nothing to say of itself: it tells a state within half a one
SMALLEST_SESSION_INFO = 100  # bytes that the ESPHome component's library keeps for one
SMALLEST_PAYLOAD = 512  # and for an application payload


@pytest.fixture(scope="module")
def car(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    image = tmp_path_factory.mktemp("clients") / "flash.img"
    interpreter = request.config.getoption("--micropython")
    with SimulatedBoard(image, vin=VIN, micropython=interpreter) as board, Bench.open(board.port, timeout=30) as bench:
        yield bench


@pytest.fixture(scope="module")
def owner(car: Bench) -> Phone:
    return new_phone(car, "owner")


def routable(**fields: object) -> universal.RoutableMessage:
    message = messages.routable(None, ADDRESS, UUID)
    message.MergeFrom(universal.RoutableMessage(**fields))  # type: ignore[arg-type]
    return message


def said(car: Bench, connection: VehicleConnection, message: bytes) -> list[bytes]:
    """All that the car says on a connection because of a message: it answers in the order it was asked."""
    connection.send(message)
    car.info()
    frames = []
    while (frame := connection.receive(0.1)) is not None:
        frames.append(frame)
    return frames


def addressed(frames: list[bytes]) -> list[universal.RoutableMessage]:
    """Those for the asker, as clients find them: by the routing address, never by the echoed uuid."""
    read = [universal.RoutableMessage.FromString(frame) for frame in frames]
    return [message for message in read if message.to_destination.routing_address == ADDRESS]


def broadcast(frames: list[bytes]) -> list[vcsec.FromVCSECMessage]:
    """Those for everybody, as clients find them: envelopes from vehicle security to the broadcast domain."""
    told = []
    for frame in frames:
        message = universal.RoutableMessage.FromString(frame)
        ways = message.to_destination, message.from_destination
        if ways[0].HasField("domain") and [way.domain for way in ways] == [BROADCAST, SECURITY]:
            told.append(vcsec.FromVCSECMessage.FromString(message.protobuf_message_as_bytes))
    return told


def heard(connection: VehicleConnection) -> vcsec.VehicleStatus:
    """The state that the car tells this phone unasked."""
    frame = connection.receive(ANSWER)
    assert frame is not None, "nothing"
    (told,) = broadcast([frame])
    return told.vehicleStatus


def given(car: Bench, owner: Phone, action: str) -> list[bytes]:
    """All that the car says when the owner gives it a command."""
    owner.handshake()
    message = forge(owner, messages.action(action))
    owner.last_sent = message.SerializeToString()
    assert isinstance(owner.connection, VehicleConnection)
    return said(car, owner.connection, message.SerializeToString())


def status_in(owner: Phone, answer: universal.RoutableMessage) -> vcsec.VehicleStatus:
    """The state in the answer to the owner's last command, which must be proven and have no fault."""
    assert owner.session is not None
    sent = universal.RoutableMessage.FromString(owner.last_sent)
    proven = owner.read_answer(answer, bytes([5]) + sent.signature_data.AES_GCM_Personalized_data.tag, set())
    assert proven is not None and proven.HasField("vehicleStatus")
    return proven.vehicleStatus


def add_me(key: keyfile.Key) -> vcsec.UnsignedMessage:
    return messages.add_key(key.public, "owner")


def info_request(public: bytes, domain: universal.Domain) -> bytes:
    message = messages.session_info_request(public, ADDRESS, UUID)
    message.to_destination.domain = domain
    return message.SerializeToString()


# The handshake


def test_a_stranger_is_told_so_by_a_session_info_that_holds_nothing_else(car: Bench) -> None:
    """tesla_fleet_api 1.10.2+ (Home Assistant): an empty key means "pair first"; a key without a tag, an attack."""
    (answer,) = addressed(said(car, car.connect(), info_request(keyfile.generate().public, SECURITY)))
    info = sig.SessionInfo.FromString(answer.session_info)
    assert info == sig.SessionInfo(status=sig.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST)
    assert not answer.HasField("signature_data") and not answer.HasField("signedMessageStatus")


def test_a_session_info_is_small_and_bound_to_the_request(car: Bench, owner: Phone) -> None:
    """tesla-ble (ESPHome) keeps 100 bytes for one; it and tesla_fleet_api verify the tag with the uuid they sent."""
    (answer,) = addressed(said(car, car.connect(), info_request(owner.key.public, SECURITY)))
    assert len(answer.session_info) <= SMALLEST_SESSION_INFO - 7  # what counter, handle can still grow by
    assert answer.request_uuid == UUID and answer.from_destination.domain == SECURITY
    info = sig.SessionInfo.FromString(answer.session_info)
    key = session.shared_key(owner.key.private, info.publicKey)
    session.verify_session_info(key, VIN, UUID, answer.session_info, answer.signature_data.session_info_tag.tag)


@pytest.mark.parametrize("domain", [SECURITY, INFOTAINMENT])
def test_both_domains_say_the_same_of_a_key(car: Bench, owner: Phone, domain: universal.Domain) -> None:
    """The official library and tesla-control without -domain, its examples, and swift-tesla-ble open both domains at
    once and give up on both on the first bad answer: a stranger must hear the same, whichever comes first."""
    with car.connect() as connection:
        (answer,) = addressed(said(car, connection, info_request(owner.key.public, domain)))
        (stranger,) = addressed(said(car, connection, info_request(keyfile.generate().public, domain)))
    assert not answer.HasField("signedMessageStatus")
    assert answer.from_destination.domain == domain and answer.request_uuid == UUID
    info = sig.SessionInfo.FromString(answer.session_info)
    key = session.shared_key(owner.key.private, info.publicKey)
    session.verify_session_info(key, VIN, UUID, answer.session_info, answer.signature_data.session_info_tag.tag)
    assert sig.SessionInfo.FromString(stranger.session_info).status == sig.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST
    assert not stranger.HasField("signedMessageStatus")


def test_a_request_to_a_domain_that_is_not_here_is_refused_by_that_domain(car: Bench) -> None:
    """The official library finds the answer by domain and echoed uuid; tesla_fleet_api by the domain's queue."""
    asked = routable(protobuf_message_as_bytes=b"\x12\x00")
    asked.to_destination.domain = ENERGY
    (answer,) = addressed(said(car, car.connect(), asked.SerializeToString()))
    assert answer.signedMessageStatus.signed_message_fault == INVALID_DOMAINS
    assert answer.signedMessageStatus.operation_status == ERROR  # tesla-ble looks at nothing else
    assert answer.from_destination.domain == ENERGY and answer.request_uuid == UUID


def in_the_car(car: Bench, owner: Phone, action: car_server.VehicleAction) -> car_server.Response:
    """What infotainment answers to a signed action, as the official library signs and reads it."""
    with car.connect() as connection:
        return ask_infotainment(car, connection, owner, action)


def ask_infotainment(
    car: Bench, connection: VehicleConnection, owner: Phone, action: car_server.VehicleAction
) -> car_server.Response:
    (told,) = addressed(said(car, connection, info_request(owner.key.public, INFOTAINMENT)))
    info = sig.SessionInfo.FromString(told.session_info)
    key = session.shared_key(owner.key.private, info.publicKey)
    current = session.Session(VIN, info.publicKey, key, info.epoch, info.counter + 1, time.time() - info.clock_time, 0)
    message = routable(flags=messages.FLAG_ENCRYPT_RESPONSE)
    message.to_destination.domain = INFOTAINMENT
    message.protobuf_message_as_bytes = car_server.Action(vehicleAction=action).SerializeToString()
    session.sign_gcm(current, owner.key.public, message, info.clock_time + 5)
    (answer,) = addressed(said(car, connection, message.SerializeToString()))
    tag = message.signature_data.AES_GCM_Personalized_data.tag
    return car_server.Response.FromString(session.open_reply(current, answer, bytes([5]) + tag)[0])


def test_what_goes_to_infotainment_is_done_or_said_not_to_be(car: Bench, owner: Phone) -> None:
    """tesla-control charge-port-open, ping, honk: it wants an actionStatus, and shows the reason of an error."""
    opened = in_the_car(car, owner, car_server.VehicleAction(chargePortDoorOpen=car_server.ChargePortDoorOpen()))
    assert opened.HasField("actionStatus") and opened.actionStatus.result == car_server.OPERATIONSTATUS_OK
    assert car.state()["closures"]["charge_port"] == "open"
    in_the_car(car, owner, car_server.VehicleAction(chargePortDoorClose=car_server.ChargePortDoorClose()))
    assert car.state()["closures"]["charge_port"] == "closed"
    pinged = in_the_car(car, owner, car_server.VehicleAction(ping=car_server.Ping(ping_id=7)))
    assert pinged.HasField("actionStatus") and pinged.ping.ping_id == 7
    horn = car_server.VehicleControlHonkHornAction()
    honked = in_the_car(car, owner, car_server.VehicleAction(vehicleControlHonkHornAction=horn))
    assert honked.actionStatus.result == car_server.OPERATIONSTATUS_ERROR
    assert "access module" in honked.actionStatus.result_reason.plain_text


def test_after_a_restart_an_old_session_hears_of_the_epoch_before_the_time(car: Bench, owner: Phone) -> None:
    """tesla_fleet_api tries again after INCORRECT_EPOCH, but not after TIME_EXPIRED."""
    car.clock(1000)
    owner.handshake()
    stale = forge(owner, messages.action("wake"), expires_at=1)
    car.reboot()
    owner.connection = connection = car.connect()
    (answer,) = addressed(said(car, connection, stale.SerializeToString()))
    assert answer.signedMessageStatus.signed_message_fault == INCORRECT_EPOCH and answer.session_info


@pytest.mark.parametrize("seconds", [5, 10, 30, 60])
def test_a_lifetime_that_clients_ask_for_is_not_too_long(car: Bench, owner: Phone, seconds: int) -> None:
    """5 s official, tesla-ble, swift; 29 s TeslaBleHttpProxy, 30 s tesla_fleet_api; twice that to spare."""
    current = owner.handshake()
    command = forge(owner, messages.action("wake"), expires_at=current.expires_at(time.time(), seconds))
    assert isinstance(owner.connection, VehicleConnection)
    (answer,) = addressed(said(car, owner.connection, command.SerializeToString()))
    assert not answer.HasField("signedMessageStatus")


# Answers to commands


def test_success_is_an_encrypted_state_addressed_to_the_asker(car: Bench, owner: Phone) -> None:
    """swift-tesla-ble demands an encrypted payload; tesla_fleet_api waits 2 s more for one that is not there; tesla-ble
    6.1.1 to 6.3.0 ends a command on nothing but a vehicleStatus or commandStatus that is addressed to it."""
    (answer,) = addressed(given(car, owner, "wake"))
    assert status_in(owner, answer).vehicleLockState == vcsec.VEHICLELOCKSTATE_LOCKED
    assert answer.signature_data.WhichOneof("sig_type") == "AES_GCM_Response_data"
    assert answer.flags == 0 and not answer.HasField("signedMessageStatus")


def test_the_asker_is_told_the_state_by_its_answer_and_by_nothing_else(car: Bench, owner: Phone) -> None:
    """tesla_fleet_api 1.18 takes any state that arrives for the answer to its newest command: a broadcast after an idle
    command answered the next one, and the real answer the one after that."""
    for action, state in (("unlock", "UNLOCKED"), ("lock", "LOCKED"), ("lock", "LOCKED")):
        (answer,) = addressed(frames := given(car, owner, action))
        assert status_in(owner, answer).vehicleLockState == vcsec.VehicleLockState_E.Value("VEHICLELOCKSTATE_" + state)
        assert len(frames) == 1


def test_the_other_phones_are_told_what_changed_and_only_that(car: Bench, owner: Phone) -> None:
    """A client that shows the state hears of it in an envelope to everybody, as real cars send it."""
    owner.lock()
    other = car.connect()
    said(car, other, info_request(owner.key.public, SECURITY))
    given(car, owner, "unlock")
    assert heard(other).vehicleLockState == vcsec.VEHICLELOCKSTATE_UNLOCKED
    given(car, owner, "unlock")
    assert other.receive(SILENCE) is None
    car.door("rear_trunk", True)
    assert isinstance(owner.connection, VehicleConnection)
    for phone in (other, owner.connection):
        assert heard(phone).closureStatuses.rearTrunk == vcsec.CLOSURESTATE_OPEN
    owner.secure()


def test_a_phone_that_is_giving_commands_is_told_when_it_pauses(car: Bench, owner: Phone) -> None:
    """tesla_fleet_api 1.18 takes a state of another phone's making for the answer to the command it has under way, and
    from then on each answer for that to its next command: with two phones at work, all but a few failed."""
    owner.secure()
    other = Phone(car.connect(), VIN, owner.key)
    for action in ("unlock", "lock") * 20:
        given(car, owner, action)
        (answer,) = given(car, other, "wake")
        assert addressed([answer])
    given(car, owner, "unlock")
    assert isinstance(other.connection, VehicleConnection)
    assert heard(other.connection).vehicleLockState == vcsec.VEHICLELOCKSTATE_UNLOCKED
    owner.lock()


def test_state_and_keychain_need_no_signature_and_answer_plainly(car: Bench, owner: Phone) -> None:
    """tesla-control body-controller-state and list-keys, tesla-ble's poll: unsigned, with the flag that asks for
    encryption. The bits of the mask are the slots that can be asked for; ids have 4 bytes in tesla-ble."""
    connection = car.connect()

    def asked(**fields: object) -> vcsec.FromVCSECMessage:
        request = vcsec.UnsignedMessage(InformationRequest=vcsec.InformationRequest(**fields))  # type: ignore[arg-type]
        message = routable(protobuf_message_as_bytes=request.SerializeToString(), flags=messages.FLAG_ENCRYPT_RESPONSE)
        (answer,) = addressed(said(car, connection, message.SerializeToString()))
        assert not answer.HasField("signature_data") and len(answer.protobuf_message_as_bytes) <= SMALLEST_PAYLOAD
        return vcsec.FromVCSECMessage.FromString(answer.protobuf_message_as_bytes)

    status = asked().vehicleStatus
    assert status.HasField("closureStatuses") and status.vehicleSleepStatus == vcsec.VEHICLE_SLEEP_STATUS_AWAKE
    known = asked(informationRequestType=vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO).whitelistInfo
    assert {len(entry.publicKeySHA1) for entry in known.whitelistEntries} == {4}
    slots = [slot for slot in range(32) if known.slotMask >> slot & 1]
    entry_info = vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO
    entries = [asked(informationRequestType=entry_info, slot=slot).whitelistEntryInfo for slot in slots]
    assert owner.key.public in [entry.publicKey.PublicKeyRaw for entry in entries]


# Pairing


def test_nothing_that_looks_like_an_answer_comes_before_the_tap(car: Bench) -> None:
    """tesla_fleet_api's pair() takes the first addressed message with a payload, or with its uuid, for the end."""
    key = keyfile.generate()
    connection = car.connect()
    asked = messages.routable(add_me(key), ADDRESS, UUID)
    early = addressed(said(car, connection, asked.SerializeToString()))
    car.tap()
    car.wait_event("enrolled")
    late = connection.receive(5.0)  # the enrolment is written down first
    assert late is not None
    (answer,) = addressed([late])
    assert vcsec.FromVCSECMessage.FromString(answer.protobuf_message_as_bytes).commandStatus.HasField(
        "whitelistOperationStatus"
    )
    assert not [m for m in early if m.WhichOneof("payload") or m.request_uuid]


def test_pairing_in_the_bare_form_is_answered_in_envelopes(car: Bench) -> None:
    """tesla-ble and hass-tesla-ble send a bare request, but read nothing but envelopes from vehicle security."""
    key = keyfile.generate()
    connection = car.connect()
    told = broadcast(said(car, connection, messages.present_key(add_me(key)).SerializeToString()))
    car.tap()
    car.wait_event("enrolled")
    done = broadcast(said(car, connection, b""))
    assert [message.commandStatus.operationStatus for message in told] == [WAIT]
    assert [message.commandStatus.HasField("whitelistOperationStatus") for message in done] == [True]


def test_a_key_that_is_enrolled_already_hears_just_that(car: Bench, owner: Phone) -> None:
    """Home Assistant's flow ends well with this one refusal: the tap came while nobody listened."""
    asked = messages.routable(add_me(owner.key), ADDRESS, UUID)
    (answer,) = addressed(said(car, car.connect(), asked.SerializeToString()))
    status = vcsec.FromVCSECMessage.FromString(answer.protobuf_message_as_bytes).commandStatus.whitelistOperationStatus
    assert status.whitelistOperationInformation == 13
