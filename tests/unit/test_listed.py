# SPDX-License-Identifier: Apache-2.0
"""A key that a roster lists, wherever the car meets one: who may change it, and what comes of it."""

import codes as faults
import named as messages
from latchkey.faults import KeyRefused
from latchkey.keys import whitelist
from latchkey.keys.record import BARRED
from latchkey.wire.schema import LogKind, Origin, Role
from named import decode
from support import CLIENT_PUBLIC, DRIVER, GUEST, OWNER, K, Keys, Listing, from_roster, other_key, owner
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
