# SPDX-License-Identifier: Apache-2.0
"""The way in of grants and revocations: anybody's message costs a look, and only what holds asks for enrolment."""

import asyncio
import sys

import grant_vectors as vectors
from granting import (
    FLASH,
    GUEST,
    MAKER,
    NONE,
    OWNER,
    SALT,
    SHARED,
    TAG,
    Reply,
    bound,
    car,
    grant,
    made,
    revocation,
    spend,
    taken_back,
)
from latchkey import grants
from latchkey.clock import Clock
from latchkey.faults import Fault
from latchkey.keys.keychain import Keychain
from latchkey.keys.makers import Refused
from latchkey.keys.record import Record
from latchkey.wire import grantmessages
from latchkey.wire.pb import decode
from latchkey.wire.schema import Maker, MessageFault, Origin, Role, ToLatchkey
from ramflash import ROOT
from support import Conn, owner

GRANTED, REVOKING = "latchkey.keys.granted", "latchkey.keys.revoking"
ASK_MAKER = bytes((ToLatchkey.maker << 3 | 2, 0))


class Desk:
    enrolment = None

    def __init__(self, keychain):
        self.keychain = keychain
        self.asked = []

    def ask(self, operation, reply, actor, kind):
        self.asked.append((operation, reply, actor, kind))


class Verified:
    def __init__(self, record):
        self.session = self
        self.record = record


class Answer(Reply):
    """Of a signed request, too."""

    def __init__(self, record=None):
        super().__init__()
        self.verified = record and Verified(record)
        self.payloads = []

    def payload(self, payload, fault=0):
        self.payloads.append(payload)


class Parts:
    """A car: it is its own desk's, and keeps what failed."""

    def __init__(self, keychain=None):
        self.car = self
        self.desk = Desk(keychain or car())
        self.failures = []

    def failed(self, conn, reply, error):
        self.failures.append(error)

    async def bring(self, data, reply):
        grants.act(self, reply, self.failed, memoryview(data))
        while grants._working:
            await asyncio.sleep_ms(0)

    def told(self, data, reply=None):
        """What became of it: a GrantFault, or the MessageFault's code as a text."""
        reply = reply or Answer()
        asyncio.run(self.bring(data, reply))
        asyncio.new_event_loop()
        grants._staying = False
        if self.failures:
            error = self.failures.pop()
            return error.fault if isinstance(error, Refused) else str(error.code)
        if reply.payloads:
            told = decode(grantmessages.FROM_LATCHKEY, reply.payloads.pop())
            return told[told[0]].get(1, 0)
        return None


def flash_keychain(*records):
    """One whose buckets can be looked through."""
    car()
    keys = Keychain(ROOT, lambda why: None)
    keys.open()
    keys.clock = Clock()
    for record in (owner(OWNER, SHARED, number=SALT),) + records:
        asyncio.run(keys.apply(record))
    return keys


def left(conn):
    """How many bad tags it may still bring."""
    return conn._left


def test_what_holds_asks_for_enrolment_and_is_answered_by_it():
    parts, reply = Parts(), Answer()
    data = bytearray(grant(vectors.PRESENTED))
    asked = bytes(data)

    async def bring():
        grants.act(parts, reply, parts.failed, memoryview(data))
        data[:] = bytes(len(data))  # the next message comes into the same buffer
        while grants._working:
            await asyncio.sleep_ms(0)

    asyncio.run(bring())
    grants._staying = False
    assert parts.desk.asked == [(asked, reply, None, GRANTED)] and not reply.payloads and not parts.failures
    assert left(reply.conn) == left(Conn())


def test_a_signed_grant_is_as_good_as_an_unsigned_one():
    parts, reply = Parts(), Answer(owner(OWNER))
    assert parts.told(grant(vectors.PRESENTED), reply) is None
    assert parts.desk.asked[0][2:] == (None, GRANTED), "who carries it is of no account"


def test_what_no_maker_has_made_costs_its_connection_a_bad_tag():
    for data, fault in (
        (made(*bound(), tag=b"t" * 16), TAG),
        (made(*bound(), handle=9), MAKER),
        (taken_back([5], tag=b"t" * 16), TAG),
        (taken_back([5], handle=9), MAKER),
    ):
        parts, reply = Parts(), Answer()
        assert parts.told(data, reply) == fault and not parts.desk.asked
        assert left(reply.conn) == left(Conn()) - 1


def test_other_refusals_do_not_and_are_told_as_well():
    keys = car()
    spend(keys, keys.find_slot(0), 7)
    parts, reply = Parts(keys), Answer()
    assert parts.told(grant(vectors.PRESENTED), reply) not in (NONE, TAG, MAKER, FLASH)
    assert left(reply.conn) == left(Conn()) and not parts.desk.asked


def test_what_was_done_before_is_answered_at_once_and_counts():
    keys = car(Record(GUEST, b"k" * 16, Role.GUEST, origin=Origin.GRANT, signer=owner(OWNER).id, number=7))
    spend(keys, keys.find_slot(0), 7)
    parts, reply = Parts(keys), Answer()
    assert parts.told(grant(vectors.PRESENTED), reply) == NONE
    assert not parts.desk.asked and left(reply.conn) == left(Conn()) - 1


def test_a_revocation_asks_when_it_has_anything_to_do():
    guest = Record(GUEST, b"k" * 16, Role.GUEST, origin=Origin.GRANT, signer=owner(OWNER).id, number=7)
    keys = flash_keychain()
    parts = Parts(keys)
    data = revocation(vectors.REVOKED)
    assert parts.told(data) is None and parts.desk.asked.pop()[3] == REVOKING
    spend(keys, keys.find_slot(0), 1, 2, 3, 4, 7, 9)
    reply = Answer()
    assert parts.told(data, reply) == NONE and not parts.desk.asked
    assert left(reply.conn) == left(Conn()) - 1
    asyncio.run(keys.apply(guest))
    assert parts.told(data) is None and parts.desk.asked.pop()[2:] == (None, REVOKING)


def test_an_owners_signed_one_is_his_and_costs_him_nothing():
    keys = flash_keychain()
    signer = keys.find_slot(0)
    parts, reply = Parts(keys), Answer(signer)
    assert parts.told(taken_back([5], tag=b""), reply) is None
    assert parts.desk.asked.pop()[2:] == (signer, REVOKING)
    spend(keys, signer, 5)
    assert parts.told(taken_back([5], tag=b""), reply) == NONE
    assert left(reply.conn) == left(Conn())


def test_an_owner_is_told_what_its_phone_needs():
    keys = car()
    spend(keys, keys.find_slot(0), 1, 3)
    parts, reply = Parts(keys), Answer(keys.find_slot(0))
    asyncio.run(parts.bring(ASK_MAKER, reply))
    grants._staying = False
    told = decode(grantmessages.FROM_LATCHKEY, reply.payloads[0])[ToLatchkey.maker]
    assert (told[Maker.handle], told[Maker.salt], told[Maker.below]) == (1, SALT, 2)
    assert told[Maker.spent] == b"\2" and told[Maker.next] == 10
    assert told[Maker.time] == keys.clock.time() and Maker.time_known not in told


def test_what_is_told_of_makers_is_owners_business_alone():
    parts = Parts()
    denied = str(MessageFault.INSUFFICIENT_PRIVILEGES)
    assert parts.told(ASK_MAKER) == denied
    assert parts.told(grant(vectors.PRESENTED) + ASK_MAKER) == denied, "the last of several counts"
    driver = owner(role=Role.DRIVER)
    parts.desk.keychain.put(driver)
    assert parts.told(ASK_MAKER, Answer(driver)) == denied
    asked = bytes((ToLatchkey.maker << 3 | 2, 2, 8, 2))
    assert parts.told(asked, Answer(parts.desk.keychain.find_slot(0))) == str(MessageFault.INVALID_KEY_HANDLE)
    assert parts.told(b"\xf2\x07\x00", Answer(driver)) == str(MessageFault.INVALID_COMMAND)
    assert parts.told(b"\x42\x01\x08") == str(MessageFault.DECODING)


async def test_one_is_looked_at_at_a_time():
    parts, first, second = Parts(), Answer(), Answer()
    grants.act(parts, first, parts.failed, grant(vectors.PRESENTED))
    try:
        grants.act(parts, second, parts.failed, grant(vectors.NAMED))
        raise AssertionError("taken")
    except Fault as busy:
        assert busy.code == MessageFault.BUSY
    while grants._working:
        await asyncio.sleep_ms(0)
    await parts.bring(grant(vectors.NAMED), second)
    assert [asked[1] for asked in parts.desk.asked] == [first, second]
    grants._staying = False


class Intake:
    intake = None


async def test_it_is_dropped_when_nobody_has_come_for_a_while_and_none_of_it_is_needed():
    sleep, asyncio.sleep_ms = asyncio.sleep_ms, lambda ms: sleep(0)
    parts = Parts()
    parts.desk.enrolment = "somebody asks"
    parts.desk.keychain.roster = roster = Intake()
    roster.lists = lambda public: False
    try:
        await parts.bring(grant(vectors.PRESENTED), Answer())
        for _ in range(10):
            await sleep(0)
        assert GRANTED in sys.modules
        parts.desk.enrolment = None
        roster.intake = "a parcel is being taken"
        for _ in range(10):
            await sleep(0)
        assert GRANTED in sys.modules and "latchkey.store.files" in sys.modules
        roster.intake = None
        for _ in range(10):
            await sleep(0)
    finally:
        asyncio.sleep_ms = sleep
    gone = ("latchkey.grants", GRANTED, "latchkey.keys.makers", "latchkey.wire.grantmessages", "latchkey.store.files")
    assert not [name for name in gone if name in sys.modules] and "latchkey.crypto.publickey" in sys.modules
