# SPDX-License-Identifier: Apache-2.0
"""Receipts for one's own requests, and the log's head in raw pages and signed by the car."""

import asyncio
import sys

import codes as faults
import log_vectors as vectors
from latchkey import crypto, proof
from latchkey.crypto import publickey
from latchkey.keys.loading import Loading
from latchkey.store import logreader
from latchkey.wire.schema import LogKind
from logchain import raws
from ramflash import ROOT, flip
from support import CLIENT_PUBLIC, VEHICLE_PRIVATE, VEHICLE_PUBLIC, VIN, opened, owner
from test_view import FRIEND, Car, driver, flat, varint, walked

DONE, REFUSED = 1, 2
RECEIPT, HEAD = 13, 14
ASK_HEAD = b"\x72\x00"
TAG = bytes(range(1, 9))
REQUEST = b"\x05" + TAG + bytes(8)


class Enrolment:
    job = False


class Charging:
    busy = []


class Settings:
    vin = VIN.decode()


class Proving(Car):
    """One that can be asked for a proof."""

    def __init__(self, *records):
        super().__init__(*records)
        proof._busy, proof._since = False, -5
        self.settings = Settings
        self.desk.private = VEHICLE_PRIVATE
        self.desk.failed = self.router.failed

    def proof(self, payload, public=CLIENT_PUBLIC):
        """The fields of the answer, or its fault."""
        before = len(self.conn.sent)
        fields, reply = self.request(payload, public)
        if reply is None:
            asyncio.run(self.answered(before))
            reply = self.conn.last()
        if "signedMessageStatus" in reply:
            return reply["signedMessageStatus"]["signed_message_fault"]
        [(kind, answer)] = walked(opened(reply, fields)[0])
        return kind, dict(walked(answer))

    def plain(self, payload):
        """The plaintext of the answer."""
        before = len(self.conn.sent)
        fields, reply = self.request(payload)
        if reply is None:
            asyncio.run(self.answered(before))
        return opened(self.conn.last(), fields)[0]

    async def answered(self, before):
        for _ in range(20000):
            if len(self.conn.sent) > before:
                return
            await asyncio.sleep_ms(0)
        raise AssertionError("no answer")

    def flush(self):
        asyncio.run(self.log.flush())

    def receipt(self, tag=TAG, public=CLIENT_PUBLIC):
        """(outcome, number, oldest), or the fault."""
        told = self.proof(b"\x6a" + varint(len(tag) + 2) + b"\x0a" + varint(len(tag)) + tag, public)
        if isinstance(told, int):
            return told
        assert told[0] == RECEIPT and set(told[1]) <= {1, 2, 3}
        return tuple(told[1].get(number, 0) for number in (1, 2, 3))

    def wrote(self, kind, key, request=REQUEST):
        self.log.append(kind, "ble/1", key, 0, 0, 0, request)

    def filled(self, count):
        for n in range(count):
            self.log.append(LogKind.COMMAND, "ble/1", b"keyX", n, 0)
            self.flush()


def test_p6_a_receipt_says_what_became_of_a_request_whether_its_entry_waits_or_is_written():
    for kind, outcome in ((LogKind.COMMAND, DONE), (LogKind.REFUSED, REFUSED), (LogKind.PREVENTED, REFUSED)):
        car = Proving(owner())
        car.log.append(LogKind.BOOT, "", None, 0, 0)
        assert car.receipt() == (0, 0, 1)
        car.wrote(kind, owner().id)
        assert car.receipt() == (outcome, 2, 1)
        car.flush()
        assert car.receipt() == (outcome, 2, 1)
        car.log = logreader.opened(ROOT, car.clock.now, 8)
        assert car.receipt() == (outcome, 2, 1), "after a restart"


def test_p4_nobody_but_an_owner_has_a_receipt_for_what_another_did():
    car = Proving(owner(), driver())
    car.wrote(LogKind.COMMAND, driver().id)
    car.flush()
    assert car.receipt() == (DONE, 1, 1) == car.receipt(public=FRIEND)
    car.wrote(LogKind.COMMAND, owner().id, b"\x05another.")
    assert car.receipt(b"another.") == (DONE, 2, 1)
    assert car.receipt(b"another.", FRIEND) == (0, 0, 1)


def test_p5_the_newest_64_entries_in_flash_are_looked_at_and_what_waits():
    car = Proving(owner())
    car.wrote(LogKind.COMMAND, owner().id)
    car.wrote(LogKind.COMMAND, owner().id, b"\x05another.")
    car.flush()
    for n in range(62):
        car.log.append(LogKind.COMMAND, "ble/1", b"keyX", n, 0)
        car.flush()
    car.log.append(LogKind.COMMAND, "ble/1", b"keyX", 0, 0)
    assert car.receipt() == (DONE, 1, 1)
    car.flush()
    assert car.receipt() == (0, 0, 2)
    assert car.receipt(b"another.") == (DONE, 2, 2)


def test_p6_a_receipt_does_not_speak_of_what_may_be_missing():
    car = Proving(owner())
    car.wrote(LogKind.COMMAND, owner().id, b"\x05another.")
    car.flush()
    flip(ROOT + "/log/0", 20)
    assert car.receipt() == (0, 0, 0), "an entry is damaged"
    flip(ROOT + "/log/0", 20)
    for n in range(40):
        car.log.append(LogKind.COMMAND, "ble/1", b"keyX", n, 0)
    assert car.receipt() == (0, 0, 0), "one found no room"
    assert car.receipt(b"another.") == (DONE, 1, 0), "what is there is there"


def test_p2_a_receipt_is_asked_for_by_eight_bytes_that_a_tag_can_have():
    car = Proving(owner())
    for tag in (b"", TAG[:7], TAG + b"x", bytes(8), bytes(100)):
        assert car.receipt(tag) == faults.BAD_PARAMETER, tag
    assert car.receipt() == (0, 0, 1)


def test_p9_receipts_give_way_between_pages_and_one_is_looked_for_at_a_time():
    car = Proving(owner())
    for n in range(64):
        car.log.append(LogKind.COMMAND, "ble/1", b"keyX", n, 0)
        car.flush()
    turns = []

    async def others():
        while not car.conn.sent:
            turns.append(1)
            await asyncio.sleep_ms(0)

    asyncio.create_task(others())
    assert car.receipt() == (0, 0, 1)
    assert len(turns) >= 8
    car.request(b"\x6a\x0a\x0a\x08" + TAG)
    assert car.request(b"\x6a\x0a\x0a\x08" + TAG)[1]["signedMessageStatus"]["signed_message_fault"] == faults.BUSY


def test_p9_what_is_under_way_has_no_receipt_yet():
    car = Proving(owner())
    car.desk.enrolment = Enrolment
    try:
        for Enrolment.job, told in ((True, faults.BUSY), (False, (0, 0, 1))):
            assert car.receipt() == told, "a key is being changed, or enrolment loaded"
        assert Loading.job
        sys.modules["latchkey.keys.charging"] = Charging
        for Charging.busy, told in (([0], faults.BUSY), ([], (0, 0, 1))):
            assert car.receipt() == told, "a use is being written down"
    finally:
        sys.modules.pop("latchkey.keys.charging", None)


def test_what_fails_is_answered_and_the_next_request_is_served():
    car = Proving(owner())
    real, logreader.read = logreader.read, None
    car.wrote(LogKind.COMMAND, owner().id)
    try:
        assert car.receipt() == faults.INTERNAL
    finally:
        logreader.read = real
    assert car.receipt() == (DONE, 1, 1)


def verified(said, signature):
    asyncio.run(publickey.ecdsa_verify(VEHICLE_PUBLIC, said, signature))


def test_h6_the_head_is_signed_by_the_car_over_its_vin():
    car = Proving(owner())
    for n in range(3):
        car.log.append(LogKind.COMMAND, "ble/1", b"keyX", n, 0)
    car.flush()
    car.log.append(LogKind.COMMAND, "ble/1", b"keyX", 3, 0)
    kind, told = car.proof(ASK_HEAD)
    chain = raws()[3][36:52]
    assert (kind, told[1], told[2], len(told[3])) == (HEAD, 3, chain, 64)
    said = crypto.sha256(b"latchkey log\0" + VIN + b"\0\0\0\x03" + chain)
    verified(said, told[3])
    for other in (b"latchkey log" + VIN + b"\0\0\0\x03" + chain, b"latchkey log\0" + VIN + b"\0\0\0\x04" + chain):
        try:
            verified(crypto.sha256(other), told[3])
        except crypto.CryptoError:
            continue
        raise AssertionError(other)


def test_a_log_that_is_empty_has_a_head_too():
    car = Proving(owner())
    kind, told = car.proof(ASK_HEAD)
    assert kind == HEAD and 1 not in told and told[2] == bytes(16)
    said = crypto.sha256(b"latchkey log\0" + VIN + bytes(20))
    verified(said, told[3])


def test_h6_only_an_owner_has_the_head_signed_and_once_in_five_seconds():
    car = Proving(owner(), driver())
    before = publickey.operations()
    assert car.proof(ASK_HEAD, FRIEND) == faults.INSUFFICIENT_PRIVILEGES
    assert publickey.operations() == before
    assert (car.proof(ASK_HEAD))[0] == HEAD
    now = car.clock.now()
    car.clock.now = lambda: now + 4
    assert car.proof(ASK_HEAD) == faults.BUSY and publickey.operations() == before + 1
    assert (car.receipt())[0] == 0, "a receipt costs no arithmetic, and waits for none"
    car.clock.now = lambda: now + 5
    assert (car.proof(ASK_HEAD))[0] == HEAD


def test_one_head_at_a_time_and_what_it_needed_is_dropped():
    car = Proving(owner())
    car.request(ASK_HEAD)
    assert car.request(ASK_HEAD)[1]["signedMessageStatus"]["signed_message_fault"] == faults.BUSY
    asyncio.run(car.answered(1))
    assert not proof._busy
    names = ("latchkey.crypto.ecdsa", "latchkey.crypto.p256", "latchkey.crypto.points", "latchkey.crypto.points_plain")
    assert not [name for name in names if name in sys.modules]


def raw_page(car, since=0, public=CLIENT_PUBLIC):
    body = (b"\x08" + varint(since) if since else b"") + b"\x10\x01"
    kind, page = car.ask(b"\x1a" + bytes([len(body)]) + body, public)
    assert kind == 3
    entries = [walked(value) for number, value in page if number == 1]
    assert all(len(entry) == 1 and entry[0][0] == 11 for entry in entries), "its bytes, and nothing else"
    return [entry[0][1] for entry in entries], dict(page).get(2, 0), dict(page).get(3)


def test_h5_raw_pages_are_the_bytes_in_flash_and_end_where_the_head_says():
    car = Proving(owner())
    car.filled(21)
    car.wrote(LogKind.COMMAND, owner().id)
    found, since, pages = [], 0, 0
    while True:
        page, since, head = raw_page(car, since)
        found += page
        pages += 1
        if not since:
            break
    there = raws()
    assert found == [there[number] for number in range(1, 22)] and pages == 3
    assert walked(head) == [(1, 21), (2, there[21][36:52])]
    assert raw_page(car, 21) == ([], 0, head), "nothing of what waits"
    assert len(flat(car.entries())) == 22


def test_a_raw_page_fits_a_message_and_costs_one_look_into_flash():
    car = Proving(owner())
    car.filled(16)
    fields, reply = car.request(b"\x1a\x02\x10\x01")
    assert len(car.conn.sent[-1]) <= 1022 and len(opened(reply, fields)[0]) < 600


def test_h5_who_may_not_see_all_sees_the_bytes_of_its_own_entries_and_no_head():
    car = Proving(owner(), driver())
    car.did(6, owner().id, driver().id)
    found, _, head = raw_page(car, 0, FRIEND)
    assert found == [raws()[number] for number in (2, 4, 6)] and head is None


def test_the_vectors_of_the_documentation():
    car = Proving(owner())
    assert VEHICLE_PUBLIC.hex() == vectors.CAR_PUBLIC
    at = [0]
    car.log = logreader.opened(ROOT, lambda: at[0], 1)
    car.log.append(LogKind.BOOT, "", None, 0, 0)
    at[0] = 60
    car.log.append(LogKind.COMMAND, "ble/0", owner().id, 2, 0, 0, b"\x05" + bytes(range(0x10, 0x20)))
    at[0] = 75
    car.log.append(LogKind.PREVENTED, "ble/0", owner().id, 0, 0, 2, b"\x08" + bytes(range(0x20, 0x40)))
    car.flush()
    for n, entry in ((1, vectors.ENTRY_1), (2, vectors.ENTRY_2), (3, vectors.ENTRY_3)):
        assert raws()[n].hex() == entry
    for request, answer in (
        (vectors.RECEIPT_REQUEST, vectors.RECEIPT),
        (vectors.RAW_REQUEST, vectors.RAW),
        (vectors.HEAD_REQUEST, vectors.HEAD),
    ):
        told = car.plain(bytes.fromhex(request)).hex()
        assert told == answer, told
