# SPDX-License-Identifier: Apache-2.0
"""What the router makes of what has to do with an authority: brought by anybody, asked by an owner, said by a key that
a roster lists."""

import codes as faults
from latchkey import courier, grants, rare
from latchkey.faults import Fault, KeyRefused
from latchkey.roster import turns
from named import SESSION_INFO, decode
from support import CLIENT_PUBLIC, Listing, from_roster, owner, signed
from test_router import ENCRYPT, Car, fault, request

LATCHKEY = 76
MINE, ANOTHERS = b"m" * 16, b"a" * 16  # addresses
NO_AUTHORITY, ADDRESS = 1, 2  # Declines


def parcel(address, more=b""):
    """Field 5 of a ToLatchkey; an address is field 1 of it."""
    inside = b"\x0a" + bytes((len(address),)) + address + more
    length = bytes((len(inside),)) if len(inside) < 128 else bytes((len(inside) & 0x7F | 0x80, len(inside) >> 7))
    return b"\x2a" + length + inside


PARCEL = parcel(MINE)


class Parts:
    """A car's desk, with a roster or without; all in one."""

    def __init__(self, address=MINE):
        self.car = self.desk = self.keychain = self
        self.roster = self if address else None
        self.address = address


class Brought:
    """What the courier is asked in a `with` of it, or another module that takes what anybody brings."""

    def __init__(self, module=courier):
        self.module = module
        self.asked = []

    def act(self, parts, reply, failed, data):
        self.asked.append((parts, reply.conn, bytes(data)))
        self.reply, self.failed = reply, failed

    def __enter__(self):
        self._real, self.module.act = self.module.act, self.act
        return self

    def __exit__(self, *error):
        self.module.act = self._real


def unsigned(car, domain, payload):
    return car.send(request(to_destination={"domain": domain}, protobuf_message_as_bytes=payload))


def test_anybody_may_bring_a_parcel_and_the_courier_takes_it():
    car = Car(owner())
    car.router.parts = parts = Parts()
    with Brought() as brought:
        for sent in (PARCEL, parcel(MINE, bytes(900))):
            assert unsigned(car, LATCHKEY, sent) is None, "it is answered when it has been looked at"
            assert brought.asked.pop() == (parts, car.conn, sent) and not brought.reply.verified


def test_what_is_not_for_this_car_is_declined_before_anything_is_loaded():
    car = Car(owner())
    cut = [PARCEL[:end] for end in (1, 2, 3, 19)]
    elsewhere = b"\x2a\x14\x10\x01" + PARCEL[2:]  # behind another field: no parcel of ours begins so
    for sent in [parcel(ANOTHERS), parcel(ANOTHERS, bytes(900)), parcel(MINE[:15]), parcel(b""), elsewhere] + cut:
        car.router.parts = Parts()
        with Brought() as brought:
            reply = unsigned(car, LATCHKEY, sent)
        assert reply["protobuf_message_as_bytes"] == bytes((0x2A, 2, 8, ADDRESS)), sent
        assert not brought.asked
        assert car.logged[-1] == ("declined", None, 0, 0, ADDRESS)
        car.clock.advance(1)
    car.router.parts = Parts(None)
    with Brought() as brought:
        reply = unsigned(car, LATCHKEY, PARCEL)
    assert reply["protobuf_message_as_bytes"] == bytes((0x2A, 2, 8, NO_AUTHORITY)) and not brought.asked


def test_a_connection_may_try_eight_times_in_a_row_and_once_a_second_from_then_on():
    car = Car(owner())
    car.router.parts = Parts()
    with Brought() as brought:
        for _ in range(8):
            assert "signedMessageStatus" not in unsigned(car, LATCHKEY, parcel(ANOTHERS))
        for sent in (parcel(ANOTHERS), PARCEL):
            assert fault(unsigned(car, LATCHKEY, sent)) == faults.BUSY
        car.clock.advance(1)
        assert "signedMessageStatus" not in unsigned(car, LATCHKEY, parcel(ANOTHERS))
        assert fault(unsigned(car, LATCHKEY, parcel(ANOTHERS))) == faults.BUSY
    assert not brought.asked


def test_nothing_but_a_parcel_is_taken_unsigned_and_no_other_domain_takes_one():
    car = Car(owner())
    car.router.parts = Parts()
    with Brought() as brought:
        for first in (0, 1, 4, 6, 7, 10, 11):
            assert fault(unsigned(car, LATCHKEY, bytes((first << 3 | 2, 0)))) == faults.INSUFFICIENT_PRIVILEGES
        assert fault(unsigned(car, LATCHKEY, b"")) == faults.INSUFFICIENT_PRIVILEGES
        for domain in (2, 3):
            assert fault(unsigned(car, domain, PARCEL)) == faults.INSUFFICIENT_PRIVILEGES, domain
    assert not brought.asked


def asked(car, payload, counter):
    """The answer to what an owner has signed, in the domain of an authority; None: it is answered later."""
    session = car.sessions.find(CLIENT_PUBLIC, LATCHKEY)
    how = {"domain": LATCHKEY, "sent_domain": LATCHKEY, "flags": ENCRYPT}
    fields = signed(payload, session, counter, car.clock.now() + 5, **how)
    return fields, car.send(fields)


def test_what_an_owner_signs_of_an_authority_is_the_couriers_that_of_grants_theirs_and_the_rest_is_the_views():
    car = Car(owner())
    car.router.parts = Parts()
    viewed = []
    real, rare.answer = rare.answer, lambda name, parts, reply, failed: viewed.append(name)
    try:
        with Brought() as brought, Brought(grants) as granted:
            payloads = [PARCEL if first == 5 else bytes((first << 3 | 2, 0)) for first in range(1, 13)] + [b""]
            for n, payload in enumerate(payloads):
                assert asked(car, payload, n + 1)[1] is None
    finally:
        rare.answer = real
    assert [data for _, _, data in brought.asked] == payloads[3:7]
    assert [data for _, _, data in granted.asked] == payloads[7:10]
    for taken in (brought, granted):
        assert taken.reply.verified.session.record.public == CLIENT_PUBLIC
    assert viewed == ["latchkey.view"] * 3 + ["latchkey.timetoken"] + ["latchkey.view"] * 2


def test_anybody_may_bring_a_grant_or_a_revocation_and_too_many_bad_ones_make_a_connection_wait():
    car = Car(owner())
    car.router.parts = parts = Parts(None)
    with Brought(grants) as brought:
        for sent in (b"\x42\x00", b"\x4a\x02\x08\x01"):
            assert unsigned(car, LATCHKEY, sent) is None
            assert brought.asked.pop() == (parts, car.conn, sent) and not brought.reply.verified
        for _ in range(8):
            car.conn.bad_tag()
        assert fault(unsigned(car, LATCHKEY, b"\x42\x00")) == faults.BUSY and not brought.asked


def test_a_refusal_that_brings_its_own_answer_is_answered_with_that():
    for refusal in (KeyRefused(faults.KEY_NOT_ON_WHITELIST, "there is no authority"), Fault(faults.BUSY, "loading")):
        refusal.answer = b"no"
        car = Car(owner())
        car.router.parts = Parts()
        with Brought() as brought:
            asked(car, b"\x3a\x00", 1)
            brought.failed(car.conn, brought.reply, refusal)
            assert car.conn.last()["protobuf_message_as_bytes"] and "signature_data" in car.conn.last()
            unsigned(car, LATCHKEY, PARCEL)
            brought.failed(car.conn, brought.reply, refusal)
        assert car.conn.last()["protobuf_message_as_bytes"] == b"no"
        assert car.logged[-1][:2] == ("refused", None)


class Turns:
    """Whose turn comes, in a `with` of it."""

    def __init__(self):
        self.asked = []

    def ask(self, parts, public, reply):
        self.asked.append((parts, bytes(public), reply))

    def __enter__(self):
        self._real, turns.ask = turns.ask, self.ask
        return self

    def __exit__(self, *error):
        turns.ask = self._real


def hello(car, domain=2):
    return car.send(request(to_destination={"domain": domain}, session_info_request={"public_key": CLIENT_PUBLIC}))


def test_the_first_hello_of_a_listed_key_is_answered_once_it_is_enrolled_or_cannot_be():
    for enrolled in (True, False):
        for domain in (2, 3, LATCHKEY):
            car = Car()
            car.router.parts = "parts"
            car.keys.roster = Listing(CLIENT_PUBLIC)
            with Turns() as line:
                assert hello(car, domain) is None and not car.events
            ((parts, public, reply),) = line.asked
            assert (parts, public) == ("parts", CLIENT_PUBLIC)
            if enrolled:
                car.keys.put(from_roster(CLIENT_PUBLIC))
            reply.hello(CLIENT_PUBLIC, reply)
            answer = car.conn.last()
            assert ("signature_data" in answer) is enrolled and answer["from_destination"]["domain"] == domain
            told = decode(SESSION_INFO, answer["session_info"])
            session = car.sessions.find(CLIENT_PUBLIC, domain)
            assert told["epoch"] == session.epoch if enrolled else told == {"status": 1}
            assert [event["known"] for event in car.events] == [enrolled]


def test_a_listed_key_that_is_enrolled_and_one_that_nobody_lists_are_answered_at_once():
    for listed, records in (((CLIENT_PUBLIC,), (owner(),)), ((), (owner(),)), ((), ())):
        car = Car(*records)
        car.keys.roster = Listing(*listed)
        with Turns() as line:
            assert ("signature_data" in hello(car)) is bool(records) and not line.asked
