# SPDX-License-Identifier: Apache-2.0
"""Whole messages in, whole answers out: what a phone sees of the car."""

import asyncio
import gc

import codes as faults
import named as messages
from latchkey import crypto, forget
from latchkey.bench.meter import Meter
from latchkey.faults import Fault
from latchkey.keys.enrolment import Enrolment
from latchkey.keys.report import Report
from latchkey.router import Router
from latchkey.security import Security
from latchkey.session.sessions import Sessions
from latchkey.vehicle.state import Vehicle
from latchkey.wire.schema import Permission
from named import decode, encode
from support import (
    ADDRESS,
    CLIENT_PUBLIC,
    DRIVER,
    GUEST,
    UUID,
    VEHICLE_PRIVATE,
    VEHICLE_PUBLIC,
    VIN,
    Conn,
    Keys,
    Log,
    message,
    opened,
    other_key,
    owner,
    signed,
)

UNLOCK, LOCK, START, SECURE, WAKE = b"\x10\x00", b"\x10\x01", b"\x10\x14", b"\x10\x1d", b"\x10\x1e"
STATUS = encode(messages.UNSIGNED_MESSAGE, {"InformationRequest": {}})
ENCRYPT = 2
OPEN_PORT, CLOSE_PORT, HONK = (bytes.fromhex("1203" + action + "00") for action in ("f203", "ea03", "da01"))
ANYBODYS_HANDSHAKES = [{"session_info_request": {"public_key": key}} for key in (CLIENT_PUBLIC, other_key(1))]


class Car:
    def __init__(self, *records, bench=True):
        self.keys = Keys(*records)
        self.clock = self.keys.clock
        self.sessions = Sessions(self.keys, VEHICLE_PUBLIC)
        self.vehicle = Vehicle(self.clock.now)
        self.events = []
        self.log = Log()
        self.logged = self.log.entries
        self.meter = Meter(self)
        self.serial = self
        report = Report(self.log, self.meter.emit)
        self.enrolment = Enrolment(self.keys, self.sessions, self.clock, VEHICLE_PRIVATE, report, None, ())
        emit = self.meter.emit if bench else None

        def ask(operation, reply, actor):
            self.enrolment.ask(operation, reply, actor, "latchkey.keys.whitelist")

        security = Security(self.vehicle, self.keys, ask, self.log.append, emit)
        self.router = Router(VIN, self.clock, self.sessions, security, self.log.append, emit, None)
        self.handle = self.meter.watch(self.router.handle)
        self.conn = Conn()
        self.counter = 0

    def event(self, event):
        self.events.append(event)

    def send(self, fields):
        """The car's answer, decoded; None if it stays silent."""
        before = len(self.conn.sent)
        self.handle(self.conn, message(fields))
        return self.conn.last() if len(self.conn.sent) > before else None

    def command(self, payload, **bent):
        self.counter += 1
        session = self.sessions.find(CLIENT_PUBLIC)
        fields = signed(payload, session, self.counter, self.clock.now() + 5, **bent)
        return fields, self.send(fields)

    def unsigned(self, payload):
        return self.send(request(protobuf_message_as_bytes=payload))


def request(**fields):
    whole = {"to_destination": {"domain": 2}, "from_destination": {"routing_address": ADDRESS}, "uuid": UUID}
    whole.update(fields)
    return whole


def fault(reply):
    status = reply["signedMessageStatus"]
    assert status["operation_status"] == 2
    return status["signed_message_fault"]


def vcsec(reply):
    return decode(messages.FROM_VCSEC, reply["protobuf_message_as_bytes"])


def broadcast(message):
    assert message["to_destination"]["domain"] == 0 and message["from_destination"]["domain"] == 2
    assert "request_uuid" not in message
    return message


def test_a_good_command_is_done_and_answered_with_the_state_it_led_to():
    car = Car(owner())
    _, reply = car.command(UNLOCK)
    assert not car.vehicle.locked
    assert "vehicleLockState" not in vcsec(reply)["vehicleStatus"]  # 0: unlocked
    assert vcsec(car.command(LOCK, method="hmac")[1])["vehicleStatus"]["vehicleLockState"] == 1
    assert vcsec(car.command(LOCK)[1])["vehicleStatus"]["vehicleLockState"] == 1, "one that changes nothing, too"
    _, reply = car.command(UNLOCK)
    assert "signedMessageStatus" not in reply and "signature_data" not in reply
    assert reply["to_destination"]["routing_address"] == ADDRESS
    assert reply["from_destination"]["domain"] == 2
    assert reply["request_uuid"] == UUID
    assert car.logged[-1] == ("command", owner().id, Permission.UNLOCK, 0, 0)


def test_an_encrypted_answer_opens_with_the_requests_hash_for_both_methods():
    car = Car(owner())
    for method in ("gcm", "hmac"):
        fields, reply = car.command(START, flags=ENCRYPT, method=method)
        plain, count = opened(reply, fields)
        assert count == 1 and "vehicleStatus" in decode(messages.FROM_VCSEC, plain)
    assert car.vehicle.start_enabled


def test_a_handshake_tells_the_session_and_a_stranger_that_it_is_one():
    car = Car(owner())
    reply = car.send(request(session_info_request={"public_key": CLIENT_PUBLIC}))
    info = decode(messages.SESSION_INFO, reply["session_info"])
    session = car.sessions.find(CLIENT_PUBLIC)
    assert info["epoch"] == session.epoch and info["publicKey"] == VEHICLE_PUBLIC
    assert info.get("counter", 0) == 0 and info["handle"] == session.handle
    assert len(reply["signature_data"]["session_info_tag"]["tag"]) == 32
    reply = car.send(request(session_info_request={"public_key": other_key(1)}))
    assert decode(messages.SESSION_INFO, reply["session_info"]) == {"status": 1}
    assert "signature_data" not in reply
    assert fault(car.send(request(session_info_request={"public_key": b"short"}))) == faults.BAD_PARAMETER


def test_a_phone_out_of_step_gets_signed_session_info_with_its_fault():
    car = Car(owner())
    _, reply = car.command(UNLOCK, sent_epoch=bytes(16))
    assert fault(reply) == faults.INCORRECT_EPOCH
    assert decode(messages.SESSION_INFO, reply["session_info"])["epoch"] == car.sessions.find(CLIENT_PUBLIC).epoch
    assert len(reply["signature_data"]["session_info_tag"]["tag"]) == 32
    assert car.vehicle.locked


def test_a_domain_that_is_not_here_gets_a_fault_from_that_domain():
    car = Car(owner())
    for domain in (0, 1, 4, 7, 255):
        for what in [{"protobuf_message_as_bytes": UNLOCK}] + ANYBODYS_HANDSHAKES:
            reply = car.send(request(to_destination={"domain": domain}, **what))
            assert fault(reply) == faults.INVALID_DOMAINS and "session_info" not in reply
            assert reply["from_destination"]["domain"] == domain
    assert fault(car.send(request(to_destination={}))) == faults.INVALID_DOMAINS
    assert fault(car.send(request(to_destination={"routing_address": b"x"}))) == faults.INVALID_DOMAINS
    negative = b"\x32\x0b\x08" + b"\xff" * 9 + b"\x01" + encode(messages.ROUTABLE_MESSAGE, request(to_destination=None))
    car.handle(car.conn, memoryview(negative))
    assert fault(car.conn.last()) == faults.INVALID_DOMAINS
    assert car.conn.last()["from_destination"]["domain"] == 0xFFFFFFFF, "-1, as 32 bits have it"


def test_status_and_whitelist_are_told_without_a_signature_and_with_one():
    car = Car(owner(), owner(other_key(1), role=DRIVER))
    assert vcsec(car.unsigned(STATUS))["vehicleStatus"]["vehicleLockState"] == 1
    fields, reply = car.command(STATUS, flags=ENCRYPT)
    plain, _ = opened(reply, fields)
    assert decode(messages.FROM_VCSEC, plain)["vehicleStatus"]["vehicleSleepStatus"] == 1
    ask = encode(messages.UNSIGNED_MESSAGE, {"InformationRequest": {"informationRequestType": 5}})
    info = vcsec(car.unsigned(ask))["whitelistInfo"]
    assert (info["numberOfEntries"], info["slotMask"]) == (2, 3)


def test_a_whitelist_entry_is_found_by_slot_id_and_public_key():
    friend = owner(other_key(1), role=DRIVER, form=7)
    car = Car(owner(), friend)
    for by in ({"slot": 1}, {"keyId": {"publicKeySHA1": friend.id}}, {"publicKey": friend.public}):
        by["informationRequestType"] = 6
        entry = vcsec(car.unsigned(encode(messages.UNSIGNED_MESSAGE, {"InformationRequest": by})))["whitelistEntryInfo"]
        assert entry["publicKey"]["PublicKeyRaw"] == friend.public
        assert (entry["slot"], entry["keyRole"], entry["metadataForKey"]["keyFormFactor"]) == (1, DRIVER, 7)
    missing = encode(messages.UNSIGNED_MESSAGE, {"InformationRequest": {"informationRequestType": 6, "slot": 9}})
    status = vcsec(car.unsigned(missing))["commandStatus"]["whitelistOperationStatus"]
    assert status["whitelistOperationInformation"] == faults.KEY_NOT_ON_WHITELIST
    odd = encode(messages.UNSIGNED_MESSAGE, {"InformationRequest": {"informationRequestType": 3}})
    assert fault(car.unsigned(odd)) == faults.BAD_PARAMETER


def test_commands_need_a_signature():
    car = Car(owner())
    for payload in (UNLOCK, START, LOCK, encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"rearTrunk": 1}})):
        assert fault(car.unsigned(payload)) == faults.INSUFFICIENT_PRIVILEGES
    assert car.vehicle.locked and not car.vehicle.start_enabled


def test_what_cannot_be_parsed_or_is_unknown_has_its_fault():
    car = Car(owner())
    assert fault(car.unsigned(b"\x10")) == faults.DECODING
    assert fault(car.command(b"\x10")[1]) == faults.DECODING
    for payload in (b"", b"\x10\x63", b"\x22\x02\x08\x09"):
        assert fault(car.command(payload)[1]) == faults.INVALID_COMMAND, payload
    ajar = encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"frontTrunk": 3, "rearTrunk": 5}})
    assert fault(car.command(ajar)[1]) == faults.INVALID_COMMAND and not any(car.vehicle.closures)
    assert fault(car.send(request())) == faults.INVALID_COMMAND
    assert fault(car.send(request(session_info=b"x"))) == faults.INVALID_COMMAND
    assert fault(car.send(request(uuid=bytes(17), protobuf_message_as_bytes=UNLOCK))) == faults.BAD_PARAMETER


def test_what_cannot_be_answered_is_met_with_silence_and_changes_nothing():
    car = Car(owner())
    silent = (
        b"",
        bytes(1025),
        b"\x0a\x02\x12\x00",
        b"\x0a\x04\x12\x00\x18\x03",
        encode(messages.ROUTABLE_MESSAGE, request(from_destination={"routing_address": bytes(17)})),
    )
    for data in silent:
        car.handle(car.conn, memoryview(data))
        assert not car.conn.sent, data
    assert car.meter.refused == len(silent)
    car.command(UNLOCK)
    assert not car.vehicle.locked


def test_what_cannot_be_decoded_is_answered_to_nobody_unless_its_address_could_be_read():
    car = Car(owner())
    for data in (b"\xff" * 60, b"\x32", b"\x0a\xff", b"\x0a\x01\xff", b"\x33" * 64, b"\x00"):
        car.handle(car.conn, memoryview(data))
        reply = car.conn.last()
        assert fault(reply) == faults.DECODING and reply["from_destination"]["domain"] == 2
        assert "to_destination" not in reply and "request_uuid" not in reply
    whole = encode(messages.ROUTABLE_MESSAGE, request(to_destination={"domain": 3}, protobuf_message_as_bytes=UNLOCK))
    car.handle(car.conn, memoryview(whole + b"\xff"))
    reply = car.conn.last()
    assert fault(reply) == faults.DECODING and reply["from_destination"]["domain"] == 3
    assert reply["to_destination"]["routing_address"] == ADDRESS and reply["request_uuid"] == UUID
    assert len(car.conn.sent) == car.meter.refused == 7 and car.vehicle.locked


def test_unknown_groups_change_nothing():
    car = Car(owner())
    whole = encode(messages.ROUTABLE_MESSAGE, request(protobuf_message_as_bytes=STATUS))
    car.handle(car.conn, memoryview(b"\x0b\x08\x01\x0c" + whole + b"\x9b\x06\x9c\x06"))
    assert vcsec(car.conn.last())["vehicleStatus"]


def test_roles_have_their_own_commands_and_no_others():
    trunk = encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"rearTrunk": 3}})
    port = encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"chargePort": 3}})
    both = encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"chargePort": 3, "rearTrunk": 3}})
    everything = (UNLOCK, LOCK, START, SECURE, WAKE, trunk, port, both, STATUS)
    allowed = {
        0: (),
        1: (UNLOCK, LOCK, WAKE, STATUS),
        2: everything,
        3: everything,
        4: (STATUS,),
        5: (STATUS,),
        6: (WAKE, port, STATUS),
        7: (),
        8: everything,
        200: (),
    }
    for role in allowed:
        for payload in everything:
            car = Car(owner(role=role))
            _, reply = car.command(payload)
            if payload in allowed[role]:
                assert "signedMessageStatus" not in reply, (role, payload)
            else:
                assert fault(reply) == faults.INSUFFICIENT_PRIVILEGES, (role, payload)
                assert car.vehicle.locked and not car.vehicle.start_enabled and not any(car.vehicle.closures)


def test_a_keys_own_limits_take_commands_away():
    car = Car(owner(role=GUEST, commands=2))
    assert "signedMessageStatus" not in car.command(UNLOCK)[1]
    assert fault(car.command(START)[1]) == faults.INSUFFICIENT_PRIVILEGES


def test_a_key_whose_limits_are_over_may_look_and_nothing_else():
    for limit in ("not_after", "powered", "seconds"):
        car = Car(owner(role=GUEST, **{limit: 1}))
        car.clock.advance(1)
        assert fault(car.command(UNLOCK)[1]) == faults.INACTIVE_KEY
        assert "signedMessageStatus" not in car.command(STATUS)[1]


def test_a_refusal_after_the_tag_is_encrypted_too():
    car = Car(owner(role=5))
    fields, reply = car.command(START, flags=ENCRYPT)
    assert fault(reply) == faults.INSUFFICIENT_PRIVILEGES
    assert opened(reply, fields) == (b"", 1)


def test_the_vehicles_own_refusal_is_a_nominal_error():
    car = Car(owner())
    car.vehicle.door(0, True)
    car.command(UNLOCK)
    assert vcsec(car.command(LOCK)[1])["nominalError"]["genericError"] == 2
    assert car.logged[-1] == ("prevented", owner().id, 0, 0, 2)


def test_pairing_is_asked_bare_or_in_an_envelope():
    operation = {"addKeyToWhitelistAndAddPermissions": {"key": {"PublicKeyRaw": CLIENT_PUBLIC}, "keyRole": 2}}
    ask = encode(messages.UNSIGNED_MESSAGE, {"WhitelistOperation": operation})
    bare = encode(messages.TO_VCSEC, {"signedMessage": {"protobufMessageAsBytes": ask, "signatureType": 2}})
    car = Car()
    car.handle(car.conn, memoryview(bare))
    assert vcsec(broadcast(car.conn.last()))["commandStatus"] == {"operationStatus": 1}
    assert car.enrolment.pending.change.record.public == CLIENT_PUBLIC
    car = Car()
    addressed = car.unsigned(ask)
    assert car.enrolment.pending
    told = broadcast(decode(messages.ROUTABLE_MESSAGE, car.conn.sent[0]))
    assert vcsec(told)["commandStatus"] == {"operationStatus": 1}
    # What is addressed says WAIT without a payload or a uuid: some clients take those for the end.
    assert addressed["signedMessageStatus"] == {"operation_status": 1}
    assert "payload" not in addressed and "request_uuid" not in addressed


def test_a_handshake_says_the_same_on_both_domains():
    car = Car(owner())
    epochs = set()
    for domain in (2, 3):
        known, stranger = (car.send(request(to_destination={"domain": domain}, **ask)) for ask in ANYBODYS_HANDSHAKES)
        assert "signedMessageStatus" not in known and known["from_destination"]["domain"] == domain
        epochs.add(bytes(decode(messages.SESSION_INFO, known["session_info"])["epoch"]))
        assert len(known["signature_data"]["session_info_tag"]["tag"]) == 32
        assert decode(messages.SESSION_INFO, stranger["session_info"]) == {"status": 1}
        assert "signature_data" not in stranger
    assert len(epochs) == 2


def test_a_session_of_one_domain_commands_only_that_one():
    for domain in (2, 3):
        car = Car(owner())
        session = car.sessions.find(CLIENT_PUBLIC, domain)
        fields = signed(UNLOCK if domain == 3 else OPEN_PORT, session, 1, car.clock.now() + 5, domain=domain)
        fields["to_destination"] = {"domain": 5 - domain}
        assert fault(car.send(fields)) == faults.INCORRECT_EPOCH
        fields["signature_data"]["AES_GCM_Personalized_data"]["epoch"] = b""
        assert fault(car.send(fields)) == faults.INVALID_SIGNATURE
        assert car.vehicle.locked and not any(car.vehicle.closures)


def infotainment(car, payload, counter=1, **bent):
    from latchkey import infotainment  # noqa: F401 - loaded before: it is answered at once

    session = car.sessions.find(CLIENT_PUBLIC, 3)
    fields = signed(payload, session, counter, car.clock.now() + 5, domain=3, sent_domain=3, flags=ENCRYPT, **bent)
    reply = car.send(fields)
    plain = opened(reply, fields)[0] if "AES_GCM_Response_data" in reply.get("signature_data", {}) else None
    return reply, plain


def test_infotainment_moves_the_charge_port_and_counts_apart():
    car = Car(owner())
    for method in ("gcm", "hmac"):
        counter = 1 if method == "gcm" else 3
        assert infotainment(car, OPEN_PORT, counter, method=method)[1] == b"\x0a\x00"  # actionStatus: OK is 0
        assert car.vehicle.closures[6] == 1 and sum(car.vehicle.closures) == 1
        assert car.logged[-1] == ("command", owner().id, Permission.CHARGE_PORT, 0, 0)
        assert infotainment(car, CLOSE_PORT, counter + 1, method=method)[1] == b"\x0a\x00"
        assert not any(car.vehicle.closures)
    reply, _ = infotainment(car, OPEN_PORT, 4)
    assert fault(reply) == faults.INVALID_TOKEN_OR_COUNTER and reply["session_info"]
    car.command(UNLOCK)
    assert car.counter == 1 and not car.vehicle.locked, "vehicle security has a counter of its own"


def test_infotainment_answers_a_ping_and_says_what_it_does_not_do():
    car = Car(owner())
    assert infotainment(car, b"\x12\x05\xf2\x02\x02\x08\x07")[1] == b"\x0a\x00\x4a\x02\x08\x07"
    said = b"not done by this access module"
    no = bytes([0x0A, len(said) + 6, 0x08, 1, 0x12, len(said) + 2, 0x0A, len(said)]) + said
    for counter, action in enumerate((HONK, b"", b"\x12\x00", b"\x12\x03\xd2\x01\x00"), 2):
        reply, plain = infotainment(car, action, counter)
        assert plain == no and "signedMessageStatus" not in reply
        assert car.logged[-1] == ("refused", owner().id, 0, faults.INVALID_COMMAND, 0)
    reply, plain = infotainment(car, b"\x12\x09", 6)
    assert fault(reply) == faults.DECODING and plain == b""
    assert car.vehicle.locked and not any(car.vehicle.closures)


async def loading(car, data):
    """The car takes its first one for infotainment, and another message comes into the same buffer."""
    car.handle(car.conn, memoryview(data))
    data[:] = bytes(len(data))
    assert not car.conn.sent
    for _ in range(5):
        await asyncio.sleep_ms(0)


def test_the_first_for_infotainment_is_answered_once_its_messages_are_loaded():
    """Each module takes a board long: others have their turn between the two."""
    for method in ("gcm", "hmac"):
        for payload, told in ((OPEN_PORT, 0), (b"\x12\x09", faults.DECODING)):
            car = Car(owner())
            forget("latchkey.wire.carmessages", "latchkey.infotainment")
            session = car.sessions.find(CLIENT_PUBLIC, 3)
            fields = signed(payload, session, 1, car.clock.now() + 5, domain=3, sent_domain=3, method=method)
            data = bytearray(message(fields))
            asyncio.run(loading(car, data))
            assert car.conn.last().get("signedMessageStatus", {}).get("signed_message_fault", 0) == told
            assert car.vehicle.closures[6] == (not told)


def test_infotainment_has_the_same_roles_and_takes_nothing_unsigned():
    for role in range(9):
        car = Car(owner(role=role))
        reply, plain = infotainment(car, OPEN_PORT)
        if role in (2, 3, 6, 8):
            assert plain == b"\x0a\x00" and car.vehicle.closures[6]
        else:
            assert fault(reply) == faults.INSUFFICIENT_PRIVILEGES and not any(car.vehicle.closures)
    car = Car(owner())
    for payload in (OPEN_PORT, UNLOCK, STATUS, HONK):
        reply = car.send(request(to_destination={"domain": 3}, protobuf_message_as_bytes=payload))
        assert fault(reply) == faults.INSUFFICIENT_PRIVILEGES and reply["from_destination"]["domain"] == 3
    assert not car.logged[-1][1] and not any(car.vehicle.closures)


def test_whoever_commands_needs_not_be_told_of_a_change():
    car = Car(owner())
    for command in (UNLOCK, UNLOCK):
        car.conn.untold = True
        car.command(command)
        assert car.conn.untold is False
    car.conn.untold = True
    car.command(UNLOCK, tag=bytes(16))
    assert car.conn.untold is True, "it was refused, and heard nothing"


def test_nothing_else_may_be_presented_bare():
    car = Car(owner())
    bare = encode(messages.TO_VCSEC, {"signedMessage": {"protobufMessageAsBytes": UNLOCK, "signatureType": 2}})
    car.handle(car.conn, memoryview(bare))
    assert not car.conn.sent and car.vehicle.locked


def test_bad_tags_slow_their_own_connection_and_no_other():
    car = Car(owner())
    for _ in range(8):
        assert fault(car.command(UNLOCK, tag=bytes(16))[1]) == faults.INVALID_SIGNATURE
    assert fault(car.command(UNLOCK)[1]) == faults.BUSY
    assert car.vehicle.locked
    car.conn = Conn()
    car.command(UNLOCK)
    assert not car.vehicle.locked


def test_a_bug_is_answered_and_does_not_end_the_agent():
    car = Car(owner())

    def broken(*_):
        raise ZeroDivisionError

    car.vehicle._set = broken
    assert fault(car.command(UNLOCK)[1]) == faults.INTERNAL
    assert car.vehicle.locked


def test_events_and_log_hold_no_secrets():
    car = Car(owner())
    car.command(UNLOCK)
    car.command(UNLOCK, tag=bytes(16))
    car.command(UNLOCK, sent_epoch=bytes(16))
    session = car.sessions.find(CLIENT_PUBLIC)
    told = repr(car.events) + repr(car.logged)
    derived = [crypto.hmac_sha256(session.key, use) for use in (b"authenticated command", b"session info")]
    for secret in [session.key, car.sessions._secret, VEHICLE_PRIVATE] + derived:
        assert secret.hex() not in told and repr(secret)[2:-1] not in told


def test_a_start_is_verified_and_answered_within_8_kb_of_heap():
    car = Car(owner())
    for n in range(2):
        fields = signed(START, car.sessions.find(CLIENT_PUBLIC), n + 1, car.clock.now() + 5, flags=ENCRYPT)
        data = message(fields)
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        car.handle(car.conn, data)
        used = gc.mem_alloc() - before
        gc.enable()
        assert opened(car.conn.last(), fields)
    print("a start command allocates", used, "bytes in all, decoding to encrypted reply")
    assert used <= 8192, used


def test_only_a_bad_tag_costs_of_the_allowance_of_a_connection():
    car = Car(owner())
    for n in range(20):
        assert fault(car.command(UNLOCK, sent_epoch=bytes(16))[1]) == faults.INCORRECT_EPOCH, n
    _, reply = car.command(UNLOCK)
    assert "signedMessageStatus" not in reply


def test_a_connection_that_has_given_a_command_is_known_to_have():
    car = Car(owner())
    car.conn.authenticated_ms = None
    car.command(UNLOCK, tag=bytes(16))
    assert car.conn.authenticated_ms is None, "a bad tag is no command"
    car.command(UNLOCK)
    assert car.conn.authenticated_ms is not None


def test_a_signed_change_of_keys_comes_with_the_key_that_signed_it():
    car = Car(owner())
    asked = []
    car.router.security._enrol = lambda operation, reply, actor: asked.append((bytes(operation), actor.public))
    operation = encode(messages.WHITELIST_OPERATION, {"removeAllImpermanentKeys": 1})
    car.command(encode(messages.UNSIGNED_MESSAGE, {"WhitelistOperation": {"removeAllImpermanentKeys": 1}}))
    assert asked == [(operation, CLIENT_PUBLIC)]


OPEN, CLOSE = 3, 4
HANDSHAKE = {"session_info_request": {"public_key": CLIENT_PUBLIC}}
MISSING = {"InformationRequest": {"informationRequestType": 6, "slot": 9}}


def trunk(move):
    return encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"rearTrunk": move}})


def removal(public):
    change = {"removePublicKeyFromWhitelist": {"PublicKeyRaw": public}}
    return encode(messages.UNSIGNED_MESSAGE, {"WhitelistOperation": change})


def day(car):
    """A bit of everything, and how each ended: the fault, or the payload."""
    car.send(request(**HANDSHAKE))
    car.vehicle.door(0, True)
    ended = [car.command(UNLOCK), car.command(START), car.command(UNLOCK, tag=bytes(16)), car.command(trunk(OPEN))]
    ended += [
        car.command(LOCK),
        car.command(removal(other_key(9))),
        car.command(encode(messages.UNSIGNED_MESSAGE, MISSING)),
    ]
    answers = [reply.get("protobuf_message_as_bytes") or fault(reply) for _, reply in ended]
    return answers + [fault(car.send(request(to_destination={"domain": 9}, protobuf_message_as_bytes=b"x")))]


def test_a_car_without_a_bench_answers_and_logs_as_one_with_it():
    with_it, without = Car(owner()), Car(owner(), bench=False)
    assert day(with_it) == day(without)
    assert with_it.logged == without.logged
    assert with_it.events and not without.events


def test_the_bench_hears_what_was_done_and_why_something_was_not():
    car = Car(owner())
    key = owner().id.hex()

    def heard(act):
        del car.events[:]
        before = car.meter.verified
        act()
        assert all(event.pop("conn", "test/1") == "test/1" for event in car.events)
        return car.meter.verified - before, car.events

    assert heard(lambda: car.send(request(**HANDSHAKE))) == (0, [{"event": "handshake", "known": True}])
    stranger = {"session_info_request": {"public_key": other_key(1)}}
    assert heard(lambda: car.send(request(**stranger))) == (0, [{"event": "handshake", "known": False}])
    assert heard(lambda: car.command(UNLOCK)) == (1, [{"event": "command", "key": key, "command": Permission.UNLOCK}])
    refused = {"event": "refused", "fault": faults.INVALID_DOMAINS, "why": "domain", "expected": 2, "got": 9}
    wrong = request(to_destination={"domain": 9}, protobuf_message_as_bytes=b"x")
    assert heard(lambda: car.send(wrong)) == (0, [refused])
    refused = {"event": "refused", "fault": 0, "why": "no such entry", "information": faults.KEY_NOT_ON_WHITELIST}
    assert heard(lambda: car.unsigned(encode(messages.UNSIGNED_MESSAGE, MISSING))) == (0, [refused])
    car.vehicle.door(0, True)
    car.command(UNLOCK)
    verified, events = heard(lambda: car.command(LOCK))
    assert verified == 1 and events == [
        {"event": "refused", "fault": 0, "why": "vehicle state", "error": 2, "key": key}
    ]
    car.counter = 0  # a replay
    verified, events = heard(lambda: car.command(UNLOCK))
    assert verified == 0 and events[0]["fault"] == faults.INVALID_TOKEN_OR_COUNTER and events[0]["key"] == key


def test_p3_an_entry_has_the_hash_of_the_request_that_was_verified_and_of_no_other():
    car = Car(owner(commands=Permission.UNLOCK | Permission.LOCK))
    car.vehicle.door(0, True)
    for payload, kind in ((UNLOCK, "command"), (LOCK, "prevented"), (START, "refused"), (b"\x10\x7f", "refused")):
        for method, how in (("gcm", 5), ("hmac", 8)):
            fields, _ = car.command(payload, method=method)
            signature = fields["signature_data"]
            tag = signature["AES_GCM_Personalized_data" if method == "gcm" else "HMAC_Personalized_data"]["tag"]
            assert car.logged[-1][0] == kind and car.log.requests[-1] == bytes([how]) + tag[:16]
    for bent in ({"tag": bytes(16)}, {"epoch": bytes(16)}, {"sent_counter": 1}):
        car.command(UNLOCK, **bent)
        assert car.logged[-1][0] == "refused" and car.log.requests[-1] == b""
    car.unsigned(encode(messages.UNSIGNED_MESSAGE, MISSING))
    assert car.log.requests[-1] == b""


def test_a_refusal_is_in_the_log_with_its_key_and_its_code():
    car = Car(owner())
    car.command(UNLOCK, tag=bytes(16))
    assert car.logged.pop() == ("refused", owner().id, 0, faults.INVALID_SIGNATURE, 0)
    car.unsigned(encode(messages.UNSIGNED_MESSAGE, MISSING))
    assert car.logged.pop() == ("refused", None, 0, 0, faults.KEY_NOT_ON_WHITELIST)
    car.vehicle.door(0, True)
    car.command(UNLOCK)
    car.command(LOCK)
    assert car.logged.pop() == ("prevented", owner().id, 0, 0, 2)


def test_a_refused_key_operation_names_who_signed_it():
    car = Car(owner())
    status = vcsec(car.command(removal(other_key(9)))[1])["commandStatus"]["whitelistOperationStatus"]
    assert status["signerOfOperation"]["publicKeySHA1"] == owner().id


def test_a_closure_is_opened_and_closed_and_nothing_else_is_done_with_it():
    car = Car(owner())
    for move, moved in ((OPEN, 1), (CLOSE, 0)):
        assert vcsec(car.command(trunk(move))[1])["vehicleStatus"]
        assert car.vehicle.closures[4] == moved
    assert fault(car.command(trunk(CLOSE + 1))[1]) == faults.INVALID_COMMAND


def test_what_could_not_even_be_read_is_answered_to_nobody_and_a_bug_is_told_once():
    import latchkey.router as module

    told = []
    real, module.tell = module.tell, told.append
    read = module.envelope.read
    try:
        for error, code in ((MemoryError(), faults.BUSY), (ZeroDivisionError(), faults.INTERNAL)):
            car = Car(owner())

            def fails(data):
                raise error  # noqa: B023 - at once

            module.envelope.read = fails
            assert car.unsigned(STATUS) is None
            assert car.logged == [("refused", None, 0, code, 0)]
    finally:
        module.tell, module.envelope.read = real, read
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_the_bench_hears_what_was_expected_and_what_came_also_where_one_of_them_is_not_known():
    car = Car(owner())
    for expected, got in ((1, None), (None, 2), (0, 0)):
        car.router.failed(car.conn, None, Fault(0, "odd", expected, got))
        assert (car.events[-1]["expected"], car.events[-1]["got"]) == (expected, got)
    car.router.failed(car.conn, None, Fault(0, "odd"))
    assert "expected" not in car.events[-1] and "got" not in car.events[-1]


def test_want_of_memory_is_answered_with_busy_and_a_bug_is_told_once():
    import latchkey.router as module

    told = []
    real, module.tell = module.tell, told.append
    try:
        for error, code in ((MemoryError(), faults.BUSY), (ZeroDivisionError(), faults.INTERNAL)):
            car = Car(owner())

            def fails(*_):
                raise error  # noqa: B023 - at once

            car.router.security.unsigned = fails
            assert fault(car.unsigned(STATUS)) == code
            assert car.logged == [("refused", None, 0, code, 0)]
        assert len(told) == 1 and isinstance(told.pop(), ZeroDivisionError)
        car = Car(owner())
        for data in (b"", bytes(1025)):
            car.handle(car.conn, memoryview(data))
        assert not told, "what cannot be answered is no bug"
        car.conn.send = lambda message: 1 // 0
        car.unsigned(STATUS)
        assert [type(error) for error in told] == [ZeroDivisionError] * 2, "and so is one while it is answered"
    finally:
        module.tell = real
