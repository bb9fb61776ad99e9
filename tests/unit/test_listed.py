# SPDX-License-Identifier: Apache-2.0
"""A key that a roster lists, wherever the car meets one: who may change it, and what comes of it."""

import asyncio
import sys

import codes as faults
import named as messages
from latchkey import forget
from latchkey.faults import KeyRefused
from latchkey.keys import whitelist
from latchkey.keys.asked import Asked, Change
from latchkey.keys.record import BARRED
from latchkey.wire.schema import LogKind, Origin, Role
from named import decode
from support import (
    CLIENT_PUBLIC,
    DRIVER,
    GUEST,
    OWNER,
    Conn,
    K,
    Keys,
    Listing,
    from_roster,
    other_key,
    owner,
    sessions_of,
)
from test_enrolment import Bench
from test_whitelist import ADD, code, operation, removal, replacement

ACTOR = other_key(1)
UNLISTED = other_key(2)


def keychain(*records):
    keys = Keys(owner(ACTOR), *records)
    keys.roster = Listing(CLIENT_PUBLIC)
    return keys


def planned(asked, keys):
    return whitelist.plan(asked, keys.find(ACTOR), keys)


def told(record):
    return record.public, record.role, record.origin, record.flags


# Changing it


def test_a_listed_key_that_an_owner_removes_keeps_its_place_so_that_the_roster_does_not_bring_it_back():
    for known in ((), (from_roster(CLIENT_PUBLIC),)):  # also one that was never here
        change = planned(removal(CLIENT_PUBLIC), keychain(*known))
        assert (change.kind, change.remove) == (LogKind.REMOVED, ())
        assert told(change.record) == (CLIENT_PUBLIC, Role.NONE, Origin.OWNER_COMMAND, BARRED)
        assert not change.needs_agreement, "nothing is agreed with who may not come in"
    paired = owner(CLIENT_PUBLIC)
    assert told(planned(removal(CLIENT_PUBLIC), keychain(paired)).record)[3] == BARRED, "whoever enrolled it"


def test_service_removes_a_listed_key_as_it_does_a_driver_and_an_owner_no_more_than_before():
    keys = keychain()
    service = owner(UNLISTED, role=Role.SERVICE)
    assert whitelist.plan(removal(CLIENT_PUBLIC), service, keys).record
    keys.put(owner(CLIENT_PUBLIC))
    assert code(whitelist.plan, removal(CLIENT_PUBLIC), service, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE


def test_a_key_that_the_roster_does_not_list_goes_from_the_keychain_as_ever():
    keys = keychain(owner(UNLISTED, role=DRIVER))
    change = planned(removal(UNLISTED), keys)
    assert (change.record, change.remove) == (None, (UNLISTED,))
    withdrawn = keychain(from_roster(UNLISTED))
    assert planned(removal(UNLISTED), withdrawn).remove == (UNLISTED,), "what nobody can use any more can go"
    assert code(planned, removal(other_key(9)), keychain()) == faults.KEY_NOT_ON_WHITELIST


def test_a_listed_key_is_not_replaced_since_the_roster_would_bring_it_back():
    keys = keychain(from_roster(CLIENT_PUBLIC))
    for old in (CLIENT_PUBLIC, keys.find(CLIENT_PUBLIC).slot):
        assert code(planned, replacement(old, DRIVER), keys) == faults.KEY_NO_PERMISSION_TO_REMOVE
    keys = keychain(owner(UNLISTED, role=DRIVER))
    keys.roster = Listing(other_key(9))
    assert planned(replacement(UNLISTED, DRIVER), keys).remove == (UNLISTED,)


def test_a_rosters_key_that_an_owner_changes_is_the_owners_from_then_on():
    keys = keychain(from_roster(CLIENT_PUBLIC))
    for role in (DRIVER, GUEST, OWNER):
        record = planned(operation("updateKeyAndPermissions", CLIENT_PUBLIC, role), keys).record
        assert told(record) == (CLIENT_PUBLIC, role, Origin.OWNER_COMMAND, 0)
        assert record.commands == 0 and record.shared == K, "with all of its role, and the K that there is"
    limited = owner(UNLISTED, role=DRIVER, commands=2)
    record = planned(operation("updateKeyAndPermissions", UNLISTED, GUEST), keychain(limited)).record
    assert (record.origin, record.commands) == (Origin.CARD_TAP, 2), "a key of the card's keeps its limits"


def test_a_rosters_key_is_enrolled_by_the_card_and_by_an_owner_as_one_that_is_new():
    keys = keychain(from_roster(CLIENT_PUBLIC))
    assert whitelist.plan_pairing(operation(ADD), keys).record.origin == Origin.CARD_TAP
    record = planned(operation(ADD, role=DRIVER), keys).record
    assert told(record) == (CLIENT_PUBLIC, DRIVER, Origin.OWNER_COMMAND, 0)


def test_a_barred_key_is_enrolled_again_by_the_card_and_by_an_owner_only():
    keys = keychain()
    keys.put(planned(removal(CLIENT_PUBLIC), keys).record)
    assert keys.find(CLIENT_PUBLIC) is None
    for change in (whitelist.plan_pairing(operation(ADD), keys), planned(operation(ADD), keys)):
        assert change.record.flags == 0 and change.needs_agreement


# Who asks (Operation), whether a roster lists it or not


class Reply:
    def __init__(self):
        self.statuses = []

    def payload(self, payload, fault=0):
        self.statuses.append(decode(messages.FROM_VCSEC, payload)["commandStatus"]["whitelistOperationStatus"])


def test_what_nobody_signed_waits_for_the_card_and_can_only_be_a_pairing():
    asked = whitelist.asked(bytes(operation(ADD)), Reply(), None)
    assert asked.tap and asked.plan(Keys()).record.origin == Origin.CARD_TAP
    for keys in (Keys(), Keys(owner(ACTOR), owner(CLIENT_PUBLIC))):
        other = whitelist.asked(bytes(removal(CLIENT_PUBLIC)), Reply(), None)
        assert code(other.plan, keys) == faults.KEY_NO_PERMISSION_TO_REMOVE


def test_what_a_key_signed_waits_for_no_card_and_is_worth_what_its_signer_may_now():
    asked = whitelist.asked(bytes(removal(CLIENT_PUBLIC)), Reply(), ACTOR)
    friend = owner(CLIENT_PUBLIC, role=DRIVER)
    assert not asked.tap and asked.plan(Keys(owner(ACTOR), friend)).remove == (CLIENT_PUBLIC,)
    assert code(asked.plan, Keys(owner(ACTOR, role=DRIVER), friend)) == faults.KEY_NO_PERMISSION_TO_REMOVE
    try:
        asked.plan(Keys(friend))
    except KeyRefused as refused:
        assert refused.code == faults.KEY_NOT_ON_WHITELIST and "signer" in refused.why
    else:
        raise AssertionError("signed by a key that is not enrolled any more")


def test_how_a_key_operation_ended_is_told_to_who_asked():
    reply = Reply()
    asked = whitelist.asked(b"", reply, ACTOR)
    asked.done(0, b"abcd")
    asked.done(faults.KEY_WHITELIST_FULL, None)
    assert reply.statuses[0] == {"signerOfOperation": {"publicKeySHA1": b"abcd"}}
    assert reply.statuses[1]["whitelistOperationInformation"] == faults.KEY_WHITELIST_FULL


# Its first hello


CONTACT = "latchkey.roster.contact"


class Hello:
    """Answers a handshake that had to wait."""

    verified = None

    def __init__(self):
        self.conn = Conn()
        self.said = []
        self.hello = lambda public, reply: self.said.append((public, reply is self))


async def test_a_listed_key_that_says_hello_is_enrolled_without_a_card_and_then_answered():
    forget(CONTACT)  # nobody has said hello yet
    bench, reply = Bench(keychain()), Hello()
    bench.enrolment.ask(CLIENT_PUBLIC, reply, None, CONTACT)
    assert not bench.enrolment.pending and not reply.said
    await bench.settle()
    record = bench.keys.find(CLIENT_PUBLIC)
    assert (record.origin, record.shared) == (Origin.ROSTER, K) and bench.kinds() == ["enrolled"]
    assert reply.said == [(CLIENT_PUBLIC, True)] and not bench.died


async def test_in_a_full_keychain_it_takes_the_place_of_a_key_that_is_listed_no_more():
    bench = Bench(keychain(from_roster(UNLISTED)))
    bench.keys.CAPACITY = 2 + 8  # the card's
    bench.enrolment.ask(CLIENT_PUBLIC, Hello(), None, CONTACT)
    await bench.settle()
    assert bench.keys.find(CLIENT_PUBLIC) and not bench.keys.find(UNLISTED, True)


class Ends(Change):
    """Takes something of all keys that came from a roster."""

    def __init__(self, told):
        super().__init__(LogKind.AUTHORITY, None)
        self.origin = Origin.ROSTER
        self.told = told

    async def make(self, keychain, clock):
        self.told("made")


class Slow(Asked):
    """A request that tells what becomes of it; it is a module of its kind, too."""

    def __init__(self):
        super().__init__(b"", Hello(), None)
        self.told = []

    def asked(self, operation, reply, actor):
        return self

    async def prepare(self, keychain):
        self.told.append("prepared")

    def plan(self, keychain):
        self.told.append("planned")
        return Ends(self.told.append)

    def done(self, code, signer):
        self.told.append("done")


async def carried_out(bench):
    """What a Slow one tells, among the turns of others."""
    slow = Slow()
    sys.modules["slow"] = slow
    try:
        bench.enrolment.ask(b"", slow.reply, None, "slow")
        while "done" not in slow.told and not bench.died:
            slow.told.append("others")
            await asyncio.sleep_ms(0)
    finally:
        del sys.modules["slow"]
    return slow.told


async def test_others_have_their_turn_between_two_looks_at_the_keys():
    """Each takes a board some 7 ms."""
    told = await carried_out(Bench(keychain()))
    assert told[:2] == ["planned", "others"]
    assert told[2:7] == ["prepared", "others", "planned", "others", "made"]


async def test_a_change_of_authority_ends_the_sessions_of_a_rosters_keys_and_no_others():
    bench = Bench(keychain(from_roster(CLIENT_PUBLIC)))
    before = [bench.sessions.find(public) for public in (ACTOR, CLIENT_PUBLIC)]
    for session in before:
        bench.sessions.spend(session, 1)
    await carried_out(bench)
    assert bench.sessions.find(ACTOR) is before[0]
    after = bench.sessions.find(CLIENT_PUBLIC)
    assert after is not before[1] and after.epoch != before[1].epoch


def test_a_listed_key_may_say_hello_until_an_owner_bars_it_or_the_roster_expires():
    sessions = sessions_of(owner(ACTOR))
    keys = sessions._keychain
    assert not sessions.listed(CLIENT_PUBLIC), "there is no roster"
    keys.roster = Listing(CLIENT_PUBLIC)
    assert sessions.listed(CLIENT_PUBLIC) and not sessions.listed(UNLISTED)
    keys.put(from_roster(CLIENT_PUBLIC))
    assert sessions.listed(CLIENT_PUBLIC), "its K may be of an identity that is lost"
    keys.roster.expired = True
    assert not sessions.listed(CLIENT_PUBLIC)
    keys.roster.expired = False
    keys.put(planned(removal(CLIENT_PUBLIC), keys).record)
    assert not sessions.listed(CLIENT_PUBLIC)


def test_the_sessions_of_one_origin_end_and_no_others():
    sessions = sessions_of(owner(ACTOR), from_roster(CLIENT_PUBLIC))
    sessions._keychain.roster = Listing(CLIENT_PUBLIC)
    before = [sessions.find(public) for public in (ACTOR, CLIENT_PUBLIC)]
    for session in before:
        sessions.spend(session, 1)
    sessions.drop(None, Origin.GRANT)
    assert [sessions.find(session.record.public) for session in before] == before
    sessions.drop(None, Origin.ROSTER)
    assert sessions.find(ACTOR) is before[0]
    assert sessions.find(CLIENT_PUBLIC).epoch != before[1].epoch
