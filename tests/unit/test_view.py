# SPDX-License-Identifier: Apache-2.0
"""What a car tells those who hold its keys: who sees what, in pages that fit, and nothing that changes anything."""

import asyncio
import os
import sys

import codes as faults
import view_vectors as vectors
from latchkey import VERSION, crypto, forget, view
from latchkey.keys import charging, limits
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import IMPERMANENT, Record
from latchkey.router import Router
from latchkey.security import Security
from latchkey.session.sessions import Session, Sessions
from latchkey.store import logreader
from latchkey.vehicle.state import Vehicle
from latchkey.wire.schema import LogKind, Origin, Permission
from ramflash import ROOT, flip, fresh
from support import (
    ADDRESS,
    CLIENT_PUBLIC,
    DRIVER,
    GUEST,
    OWNER,
    UUID,
    VEHICLE_PUBLIC,
    VIN,
    Conn,
    K,
    message,
    opened,
    other_key,
    owner,
    signed,
)

DOMAIN = 76
ENCRYPT = 2
STATUS = b"\x0a\x00"
FRIEND = other_key(1)
ENTRY = ("number", "boot", "at", "kind", "link", "key", "command", "outcome", "detail", "count")
KEY = (
    "slot", "public", "role", "form", "origin", "label", "impermanent", "seconds", "commands", "not_before",
    "not_after", "uses", "used", "powered_left", "number", "signer",
)  # fmt: skip
UNLIMITED = dict.fromkeys(KEY[8:], 0)
CAR = (
    "uptime", "boot", "version", "board", "micropython", "development", "radio", "locked", "asleep", "user_present",
    "brake", "start_enabled", "start_left", "open", "pending", "collision",
)  # fmt: skip


class Board:
    NAME = "TESTED"


class Change:
    key_id, role = b"\x01\x02\x03\x04", DRIVER


class Pending:
    change, deadline = Change, 30


class Enrolment:
    pending, collision = None, 0


class Link:
    trouble = ""


class Desk:
    enrolment = None


class Car:
    """A car whose keys are these, as far as the view sees one; its flash is in RAM."""

    def __init__(self, *records):
        self.flash = fresh()
        self.keychain = Keychain(ROOT, lambda why: None)
        self.keychain.open()
        for record in records:
            asyncio.run(self.keychain.apply(record))
        self.clock = self.keychain.clock
        self.sessions = Sessions(self.keychain, VEHICLE_PUBLIC)
        self.vehicle = Vehicle(self.clock.now)
        self.log = logreader.opened(ROOT, self.clock.now, 7)
        self.desk = Desk()
        self.desk.keychain = self.keychain
        self.board, self.boot, self.radio, self.car = Board, "b00710ad", None, self  # of Parts
        self.refused = []
        security = Security(self.vehicle, self.keychain, None, self._record, None)
        self.router = Router(VIN, self.clock, self.sessions, security, self._record, None, self)
        self.conn = Conn()
        self.counters = {}
        view._task = view._task or self  # loaded before: it answers at once
        from latchkey.wire import viewmessages  # noqa: F401 - so are its messages

    def _record(self, kind, conn, key_id, command, fault, detail=0, request=b""):
        self.refused.append(fault)

    def handle(self, fields):
        before = len(self.conn.sent)
        self.router.handle(self.conn, message(fields))
        return self.conn.last() if len(self.conn.sent) > before else None

    def request(self, payload, public=CLIENT_PUBLIC, **bent):
        """(what was sent, the answer as it came)."""
        session = self.sessions.find(public, DOMAIN)
        counter = self.counters[public] = self.counters.get(public, 0) + 1
        how = {"domain": DOMAIN, "sent_domain": DOMAIN, "flags": ENCRYPT, "identity": {"public_key": public}}
        how.update(bent)
        fields = signed(payload, session, counter, self.clock.now() + 5, **how)
        return fields, self.handle(fields)

    def ask(self, payload, public=CLIENT_PUBLIC):
        """The number of the answer, and its fields."""
        fields, reply = self.request(payload, public)
        assert "signedMessageStatus" not in reply, reply["signedMessageStatus"]
        assert reply["from_destination"]["domain"] == DOMAIN
        [(kind, answer)] = walked(opened(reply, fields)[0])
        return kind, walked(answer)

    def refusal(self, payload, public=CLIENT_PUBLIC, **bent):
        """The fault of a request, with which nothing else is said."""
        fields, reply = self.request(payload, public, **bent)
        told = reply["protobuf_message_as_bytes"]
        assert (opened(reply, fields)[0] if "signature_data" in reply else told) == b""
        assert self.refused[-1] == reply["signedMessageStatus"]["signed_message_fault"]
        return self.refused[-1]

    def keys(self, public=CLIENT_PUBLIC, start=0):
        """All pages of keys, from a slot on."""
        pages = []
        while True:
            kind, page = self.ask(keys_request(start), public)
            assert kind == 2
            pages.append([named(KEY, walked(value)) for number, value in page if number == 1])
            start = dict(page).get(2)
            if not start:
                return pages

    def entries(self, public=CLIENT_PUBLIC, since=0):
        """All pages of the log."""
        pages = []
        while True:
            kind, page = self.ask(log_request(since), public)
            assert kind == 3
            pages.append([named(ENTRY, walked(value)) for number, value in page if number == 1])
            since = dict(page).get(2)
            if not since:
                return pages

    def did(self, count, *keys):
        for n in range(count):
            self.log.append(LogKind.COMMAND, "ble/1", keys[n % len(keys)], n, 0)
            asyncio.run(self.log.flush())


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def keys_request(start):
    body = b"\x08" + varint(start)
    return b"\x12" + bytes([len(body)]) + body


def log_request(since):
    body = b"\x08" + varint(since)
    return b"\x1a" + bytes([len(body)]) + body


def walked(data):
    """[(number, int or bytes)] of a message: the firmware's decoder has no repeated fields."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                return value

    out = []
    while at < len(data):
        tag, value = number(), number()
        if tag & 7 == 2:
            value, at = bytes(data[at : at + value]), at + value
        out.append((tag >> 3, value))
    return out


def named(names, fields):
    """By name; 0 for what is not there."""
    found = dict.fromkeys(names, 0)
    found.update({names[number - 1]: value for number, value in fields})
    return found


def flat(pages):
    return [item for page in pages for item in page]


def driver(n=1, **more):
    return owner(other_key(n), role=DRIVER, **more)


def test_an_owner_is_told_what_the_car_is_doing_and_what_it_is():
    car = Car(owner())
    kind, told = car.ask(STATUS)
    told = named(CAR, told)
    assert kind == 1
    assert (told["boot"], told["version"], told["board"]) == (b"b00710ad", VERSION.encode(), b"TESTED")
    assert told["micropython"].split(b".")[0] == b"1"
    assert (told["locked"], told["start_enabled"], told["open"], told["radio"]) == (1, 0, 0, b"off")
    assert (told["pending"], told["collision"]) == (0, 0)
    car.vehicle.unlock()
    car.vehicle.start()
    car.vehicle.door(0, True)
    car.vehicle.door(6, True)
    told = named(CAR, car.ask(STATUS)[1])
    assert (told["locked"], told["start_enabled"], told["start_left"]) == (0, 1, 120)
    assert (told["open"], told["user_present"]) == (0b1000001, 1)
    car.vehicle.brake(True)
    told = named(CAR, car.ask(STATUS)[1])
    assert (told["brake"], told["start_enabled"], told["start_left"]) == (1, 0, 0)


def test_a_key_that_waits_for_a_tap_is_told_and_so_are_two():
    car = Car(owner())
    car.desk.enrolment = Enrolment()
    car.desk.enrolment.pending = Pending
    pending = walked(named(CAR, car.ask(STATUS)[1])["pending"])
    assert pending == [(1, Change.key_id), (2, DRIVER), (3, 30 - car.clock.now())]
    car.desk.enrolment.pending, car.desk.enrolment.collision = None, 29
    told = named(CAR, car.ask(STATUS)[1])
    assert (told["pending"], told["collision"]) == (0, 29)


def test_why_the_radio_is_off_is_told_and_cut():
    car = Car(owner())
    car.radio = Link()
    assert named(CAR, car.ask(STATUS)[1])["radio"] == b"on"
    car.radio.trouble = "x" * 2000
    assert named(CAR, car.ask(STATUS)[1])["radio"] == b"x" * 64


def test_the_build_is_told():
    car = Car(owner())
    known = sys.modules.pop("latchkey.prompt", None)
    assert named(CAR, car.ask(STATUS)[1])["development"] == 0
    sys.modules["latchkey.prompt"] = sys
    assert named(CAR, car.ask(STATUS)[1])["development"] == 1
    del sys.modules["latchkey.prompt"]
    if known:
        sys.modules["latchkey.prompt"] = known


def test_keys_come_in_pages_by_slot_with_what_an_owner_should_know_of_them():
    friend = driver(1, label="Bo", form=6, flags=IMPERMANENT, seconds=900)
    car = Car(owner(), friend, *[driver(n) for n in range(2, 11)])
    asyncio.run(car.keychain.apply(None, [other_key(4)]))
    pages = car.keys()
    assert [key["slot"] for key in flat(pages)] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert [len(page) for page in pages] == [4, 4, 2]
    told = {
        "slot": 1, "public": FRIEND, "role": DRIVER, "form": 6, "origin": Origin.CARD_TAP, "label": b"Bo",
        "impermanent": 1, "seconds": 900,
    }  # fmt: skip
    assert flat(pages)[1] == dict(UNLIMITED, **told)
    assert [key["slot"] for key in flat(car.keys(start=5))] == [5, 6, 7, 8, 9, 10]
    assert [[key["slot"] for key in page] for page in car.keys(start=8)] == [[8, 9, 10]], "no page that is empty"


def test_a_limited_key_is_told_with_what_is_left_of_it():
    limit = {"commands": 23, "not_before": 1, "not_after": 0xFFFFFFFE, "uses": 3}
    guest = Record(
        FRIEND, K, GUEST, origin=Origin.GRANT, signer=owner().id, seconds=900, powered=900, number=0xFFFFFFFD, **limit
    )
    car = Car(owner(number=7), guest)
    car.clock.base, car.clock.ahead = 100, 2000
    os.mkdir(ROOT + "/uses")
    charging._spend(car.keychain.find(FRIEND), ROOT)
    told = flat(car.keys())[1]
    assert {name: told[name] for name in limit} == limit
    assert (told["used"], told["number"], told["signer"]) == (1, 0xFFFFFFFD, owner().id)
    assert 790 <= told["powered_left"] <= 800
    assert flat(car.keys(FRIEND)) == [told], "it may see its own"
    assert flat(car.keys())[0]["number"] == 0, "a salt is nobody's business"
    with open(ROOT + "/uses/0", "wb") as f:
        f.write(b"x" * 32)
    assert flat(car.keys())[1]["used"] == 3, "as it counts"


def test_no_answer_holds_a_shared_key():
    car = Car(owner(), driver())
    for payload in (keys_request(0), STATUS, log_request(0)):
        fields, reply = car.request(payload)
        assert owner().shared not in opened(reply, fields)[0]


def test_a_key_that_cannot_be_read_costs_its_line_and_no_more_look_ups():
    car = Car(owner())
    looked_up = []
    car.keychain.slots = bytearray(4096)
    car.keychain.find_slot = lambda slot, old=False: looked_up.append((slot, old))
    kind, page = car.ask(keys_request(0))
    assert (kind, page) == (2, [(2, 4)])
    assert looked_up == [(slot, True) for slot in range(4)]


def test_slots_that_are_free_are_passed_over_wherever_the_next_key_is():
    for used in (0, 1, 63, 64, 65, 4032, 4095):
        slots = bytearray(b"\xff" * 4096)
        slots[used] = 3
        for start in (0, used // 2, used):
            assert view._used(slots, start) == used
        for start in (used + 1, 4096, 0xFFFFFFFF):
            assert view._used(slots, start) == -1


class Looked:
    """Slots that count how often one is looked at by itself."""

    def __init__(self, slots):
        self._slots = slots
        self.count = slots.count
        self.looks = 0

    def __len__(self):
        return len(self._slots)

    def __getitem__(self, at):
        self.looks += 1
        return self._slots[at]


def test_free_slots_are_not_looked_at_one_by_one():
    for used in (4095, 2000, None):
        slots = bytearray(b"\xff" * 4096)
        if used:
            slots[used] = 3
        looked = Looked(slots)
        assert view._used(looked, 0) == (used or -1)
        assert looked.looks <= 128


def test_the_log_comes_in_pages_written_or_not():
    car = Car(owner())
    car.did(20, b"keyA")
    car.log.append(LogKind.REFUSED, "serial/3", None, 0, 7, 513)
    car.log.append(LogKind.ENROLLED, "", b"keyB", 0, 0)
    pages = car.entries()
    assert [entry["number"] for entry in flat(pages)] == list(range(1, 23))
    assert max(len(page) for page in pages) == 8
    assert flat(pages)[4] == {
        "number": 5, "boot": 7, "at": 0, "kind": 2, "link": 2, "key": b"keyA", "command": 4, "outcome": 0, "detail": 0,
        "count": 1,
    }  # fmt: skip
    refused, enrolled = flat(pages)[20:]
    assert (refused["kind"], refused["link"], refused["outcome"], refused["detail"]) == (3, 1, 7, 513)
    assert refused["key"] == 0
    assert (enrolled["kind"], enrolled["link"], enrolled["key"]) == (4, 0, b"keyB")
    assert [entry["number"] for entry in flat(car.entries(since=20))] == [21, 22]
    assert car.entries(since=22) == [[]]


def test_every_role_that_may_read_sees_what_is_its_own_and_only_an_owner_everything():
    for role in range(12):
        car = Car(owner(role=role), driver())
        me = owner().id
        car.did(6, me, driver().id)
        if role in (1, 2, 3, 4, 5, 6, 8):
            assert car.ask(STATUS)[0] == 1
            keys, entries = flat(car.keys()), flat(car.entries())
            assert [key["public"] for key in keys] == ([CLIENT_PUBLIC, FRIEND] if role == OWNER else [CLIENT_PUBLIC])
            assert [entry["number"] for entry in entries] == ([1, 2, 3, 4, 5, 6] if role == OWNER else [1, 3, 5])
        else:
            for payload in (STATUS, keys_request(0), log_request(0)):
                assert car.refusal(payload) == faults.INSUFFICIENT_PRIVILEGES, role


def test_a_driver_finds_its_own_in_a_long_log_and_nobody_elses_wherever_it_starts():
    car = Car(owner(), driver())
    car.did(60, owner().id, owner().id, driver().id)
    pages = car.entries(FRIEND)
    assert [entry["number"] for entry in flat(pages)] == list(range(3, 61, 3))
    for since in range(62):
        found = flat(car.entries(FRIEND, since))
        assert all(entry["key"] == driver().id and entry["number"] > since for entry in found)
    assert [key["slot"] for key in flat(car.keys(FRIEND, 1))] == [1]
    for start in (2, 4095, 0xFFFFFFFF):
        assert car.keys(FRIEND, start) == [[]]


def test_an_owner_whose_commands_are_limited_audits_only_if_they_say_so():
    for commands, slots in ((Permission.READ, [0]), (Permission.READ | Permission.AUDIT, [0, 1])):
        car = Car(owner(commands=commands), driver())
        assert [key["slot"] for key in flat(car.keys())] == slots
    car = Car(owner(commands=Permission.AUDIT), driver())
    assert car.refusal(keys_request(0)) == faults.INSUFFICIENT_PRIVILEGES


def test_what_comes_or_would_be_answered_in_the_clear_is_refused():
    car = Car(owner())
    car.did(1, b"keyA")
    for payload in (STATUS, keys_request(0), log_request(0)):
        assert car.refusal(payload, flags=0) == faults.REQUIRES_RESPONSE_ENCRYPTION
        assert car.refusal(payload, method="hmac") == faults.BAD_PARAMETER
        assert car.refusal(payload, method="hmac", flags=0) == faults.BAD_PARAMETER


def test_strangers_and_the_unsigned_hear_nothing():
    car = Car(owner())
    for payload in (STATUS, keys_request(0), log_request(0)):
        fields, _ = car.request(payload)
        assert fields["signature_data"].pop("signer_identity")
        assert refused(car, fields) == faults.UNKNOWN_KEY_ID
        fields["signature_data"]["signer_identity"] = {"public_key": other_key(9)}
        assert refused(car, fields) == faults.UNKNOWN_KEY_ID
        fields["protobuf_message_as_bytes"] = payload
        del fields["signature_data"]
        assert refused(car, fields) == faults.INSUFFICIENT_PRIVILEGES


def test_a_removed_key_hears_nothing_any_more():
    car = Car(owner(), driver())
    assert car.ask(STATUS, FRIEND)[0] == 1
    session = car.sessions.find(FRIEND, DOMAIN)
    asyncio.run(car.keychain.apply(None, [FRIEND]))
    car.sessions.drop(FRIEND)
    how = {"domain": DOMAIN, "sent_domain": DOMAIN, "flags": ENCRYPT, "identity": {"public_key": FRIEND}}
    assert refused(car, signed(STATUS, session, 9, car.clock.now() + 5, **how)) == faults.UNKNOWN_KEY_ID


def test_no_request_is_answered_twice_or_in_another_domain():
    car = Car(owner())
    fields, reply = car.request(log_request(0))
    assert "signedMessageStatus" not in reply
    assert refused(car, fields) == faults.INVALID_TOKEN_OR_COUNTER
    assert car.conn.last()["session_info"]
    for domain in (2, 3):
        fields, _ = car.request(STATUS, tag=bytes(16))
        epoch = car.sessions.find(CLIENT_PUBLIC, domain).epoch
        fields["to_destination"]["domain"] = domain
        fields["signature_data"]["AES_GCM_Personalized_data"]["epoch"] = epoch
        assert refused(car, fields) == faults.INVALID_SIGNATURE
    car.request(STATUS, domain=2)
    assert car.refused[-1] == faults.INVALID_SIGNATURE, "signed for vehicle security, sent here"


def test_a_handshake_is_told_the_session_of_this_domain_and_a_stranger_that_it_is_one():
    car = Car(owner())
    ask = {"to_destination": {"domain": DOMAIN}, "from_destination": {"routing_address": ADDRESS}, "uuid": UUID}
    ask["session_info_request"] = {"public_key": CLIENT_PUBLIC}
    reply = car.handle(ask)
    assert reply["from_destination"]["domain"] == DOMAIN
    epochs = {bytes(car.sessions.find(CLIENT_PUBLIC, domain).epoch) for domain in (2, 3, DOMAIN)}
    assert len(epochs) == 3 and car.sessions.find(CLIENT_PUBLIC, DOMAIN).epoch in bytes(reply["session_info"])
    ask["session_info_request"] = {"public_key": FRIEND}
    assert "signature_data" not in car.handle(ask)


def test_places_that_are_none_are_the_end_or_no_number():
    car = Car(owner(), driver())
    car.did(3, b"keyA")
    for place in (4096, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**64 - 1, 2**64 - 2**31):  # the last two: -1, -2**31
        assert car.keys(start=place) == [[]]
        assert car.entries(since=place) == [[]]
        assert car.keys(FRIEND, place) == [[]]
        assert car.entries(FRIEND, place) == [[]]
    for place in (2**32, 2**63, 2**64 - 2**31 - 1):
        assert car.refusal(keys_request(place)) == faults.DECODING
        assert car.refusal(log_request(place)) == faults.DECODING


def test_what_asks_for_nothing_known_is_refused():
    car = Car(owner())
    for payload in (b"", b"\x62\x00", b"\xfa\x01\x00"):
        assert car.refusal(payload) == faults.INVALID_COMMAND, payload
    for payload in (b"\x0a", b"\x0a\x01", b"\x12\x01\x08", b"\x10\x00", b"\x0a\x00\xff"):
        assert car.refusal(payload) == faults.DECODING, payload
    assert car.ask(b"\x12\x00\x1a\x00")[0] == 3, "the last of several counts"


def test_the_longest_page_fits_a_message():
    long = {"label": "w" * 24, "form": 255, "flags": IMPERMANENT, "signer": b"sign"}
    long.update(dict.fromkeys(("seconds", "not_before", "not_after", "uses", "powered", "number"), 0xFFFFFFFF))
    car = Car(*[driver(n, **long) for n in range(1, 9)], owner())
    for slot in range(4000, 4004):
        record = car.keychain.find_slot(slot - 4000)
        record.slot = slot
        found = {slot: record}
    car.keychain.slots[4000:4004] = bytes(4)
    car.keychain.find_slot = lambda slot, old=False: found.get(slot, record)
    record.origin, record.commands = Origin.GRANT, 0xFFFFFFFF
    used, limits.used = limits.used, lambda record, root: 0xFFFFFFFF
    car.clock.base = 0
    try:
        page = car.keys(start=4000)[0]
    finally:
        limits.used = used
    assert len(page) == 4 and page[3]["used"] == page[3]["number"] == 0xFFFFFFFF and page[3]["powered_left"] > 1 << 31
    car.log._now = lambda: 0x3FFFFFFF
    car.log.boot = car.log.last = 0xFFFFF0
    for n in range(8):
        for _ in range(3):
            car.log.append(LogKind.REFUSED, "ble/1", bytes([n] * 4), 0xFFFF - n, 0xFFFF, 0xFFFF)
        car.log._ration = 8
        car.log._refusals = 0
    pages = car.entries(since=0xFFFFF0)
    assert len(pages[0]) == 8, pages


def test_the_vectors_of_the_protocol_page_are_taken_and_given():
    car = Car(owner())
    car.log.boot = 1
    car.log.append(LogKind.BOOT, "", None, 0, 0)
    car.log.append(LogKind.BOOT, "", None, 0, 0)
    car.log.append(LogKind.COMMAND, "ble/1", owner().id, Permission.UNLOCK, 0)
    session = Session(car.keychain.find(CLIENT_PUBLIC), DOMAIN, bytes.fromhex(vectors.EPOCH))
    car.sessions._live[0] = session
    real, crypto.random_bytes = crypto.random_bytes, lambda size: bytes.fromhex(vectors.ANSWER_NONCE)
    try:
        car.router.handle(car.conn, memoryview(bytes.fromhex(vectors.REQUEST)))
    finally:
        crypto.random_bytes = real
    assert session.counter == 7
    assert car.conn.sent[-1].hex() == vectors.ANSWER


def test_reading_changes_nothing():
    car = Car(owner(), driver())
    car.did(3, b"keyA")
    car.log.append(LogKind.COMMAND, "ble/1", b"keyA", 1, 0)  # waits, and goes on waiting
    told = []
    car.vehicle.on_change = lambda: told.append("change")
    before = car.flash.image(), car.log.last, bytes(car.log.waiting())
    for public in (CLIENT_PUBLIC, FRIEND):
        car.ask(STATUS, public)
        car.keys(public)
        car.entries(public)
    assert (car.flash.image(), car.log.last, bytes(car.log.waiting())) == before
    assert told == car.refused == []


def test_a_log_that_is_damaged_is_read_past_a_page_at_a_time():
    car = Car(owner())
    car.did(30, b"keyA")
    flip(ROOT + "/log/0", 9 * 64 + 20)
    numbers = [entry["number"] for entry in flat(car.entries())]
    assert numbers == [n for n in range(1, 31) if n != 10]
    with open(ROOT + "/log/0", "r+b") as f:
        f.write(b"\xa5" * 64 * 30)
    assert flat(car.entries()) == [] and len(car.entries()) == 4


def unasked(*records):
    """A car whose view nobody has asked for yet."""
    car = Car(*records)
    forget("latchkey.view", "latchkey.wire.viewmessages")
    return car


def test_the_first_request_is_answered_when_others_have_had_their_turn():
    car = unasked(owner())
    order = []

    async def others():
        order.append(len(car.conn.sent))

    async def first():
        asyncio.create_task(others())
        fields, reply = car.request(STATUS)
        assert reply is None
        for _ in range(5):
            await asyncio.sleep_ms(0)
        return fields

    fields = asyncio.run(first())
    assert order == [0] and opened(car.conn.last(), fields)
    asyncio.new_event_loop()


def test_the_first_request_is_refused_like_any_other():
    car = unasked(owner())

    async def first():
        assert car.request(b"\x0a\x01")[1] is None
        for _ in range(5):
            await asyncio.sleep_ms(0)

    asyncio.run(first())
    assert car.refused == [faults.DECODING]
    assert car.conn.last()["signedMessageStatus"]["signed_message_fault"] == faults.DECODING
    asyncio.new_event_loop()


def test_what_was_loaded_is_dropped_when_nobody_has_asked_for_a_while():
    loaded = ("latchkey.view", "latchkey.wire.viewmessages")
    car = unasked(owner())
    waits = []

    async def pause(ms):
        if not ms:
            await real(0)  # between two modules
            return
        waits.append(ms)
        assert all(name in sys.modules for name in loaded)
        if len(waits) == 1:
            sys.modules["latchkey.view"]._asked = True  # once more, meanwhile

    async def first():
        car.request(STATUS)
        while "latchkey.view" not in sys.modules:
            await real(0)
        await real(0)
        loaded_view = sys.modules["latchkey.view"]
        await loaded_view._task
        return loaded_view

    real, asyncio.sleep_ms = asyncio.sleep_ms, pause
    try:
        loaded_view = asyncio.run(first())
    finally:
        asyncio.sleep_ms = real
    assert waits == [10_000, 10_000]
    assert not [name for name in loaded if name in sys.modules]
    from latchkey import view as again

    assert again is not loaded_view


def test_however_many_ask_one_task_waits_to_drop_it():
    car = unasked(owner())
    made = []

    def counted(task):
        made.append(1)
        return real(task)

    async def asked():
        car.request(STATUS)
        while "latchkey.view" not in sys.modules:
            await asyncio.sleep_ms(0)
        await asyncio.sleep_ms(0)
        del made[:]
        for _ in range(3):
            car.request(STATUS)

    real, asyncio.create_task = asyncio.create_task, counted
    try:
        asyncio.run(asked())
    finally:
        asyncio.create_task = real
    assert not made and len(car.conn.sent) == 4
    asyncio.new_event_loop()


def refused(car, fields):
    car.router.handle(car.conn, message(fields))
    return car.conn.last()["signedMessageStatus"]["signed_message_fault"]
