# SPDX-License-Identifier: Apache-2.0
"""The first hello of a listed key: what it comes to, and where a full keychain has a place for it."""

from latchkey.faults import KeyRefused
from latchkey.roster.contact import Contact
from latchkey.wire.schema import LogKind, Origin, Role
from support import CLIENT_PUBLIC, Keys, Listing, from_roster, other_key, owner

WITHDRAWN = other_key(7)
FULL = 4


class Keychain(Keys):
    """With so few places that the card's eight are all of them but four."""

    CAPACITY = FULL + 8


class Reply:
    def __init__(self):
        self.said = []
        self.hello = lambda public, reply: self.said.append((public, reply is self))


def keychain(*records):
    keys = Keychain(*records)
    keys.roster = Listing(CLIENT_PUBLIC)
    return keys


def refusal(asked, keys):
    try:
        asked.plan(keys)
    except KeyRefused as refused:
        return refused.code
    return 0


async def test_r16_a_listed_key_is_enrolled_with_nothing_but_what_the_roster_says():
    keys, reply = keychain(owner(other_key(1))), Reply()
    asked = Contact(CLIENT_PUBLIC, reply, None)
    await asked.prepare(keys)
    change = asked.plan(keys)
    assert not asked.tap and change.kind == LogKind.ENROLLED and change.by == "roster" and not change.remove
    assert (change.record.origin, change.record.role) == (Origin.ROSTER, Role.NONE) and change.needs_agreement
    asked.done(0, None)
    assert reply.said == [(CLIENT_PUBLIC, True)]


async def test_r17_who_is_not_listed_any_more_when_it_is_carried_out_is_refused():
    keys = keychain()
    keys.roster = Listing()
    assert refusal(Contact(CLIENT_PUBLIC, Reply(), None), keys)
    keys.roster = None
    assert refusal(Contact(CLIENT_PUBLIC, Reply(), None), keys)


async def test_r20_where_it_is_full_a_withdrawn_key_gives_up_its_place():
    others = [owner(other_key(n)) for n in range(1, FULL)]
    keys = keychain(*others, from_roster(WITHDRAWN))
    asked = Contact(CLIENT_PUBLIC, Reply(), None)
    await asked.prepare(keys)
    assert asked.plan(keys).remove == (WITHDRAWN,)


async def test_r20_where_it_is_full_of_keys_that_count_nobody_is_enrolled():
    keys = keychain(*[owner(other_key(n)) for n in range(1, FULL + 1)])
    try:
        await Contact(CLIENT_PUBLIC, Reply(), None).prepare(keys)
        raise AssertionError("it found a place")
    except KeyRefused:
        pass
    keys = keychain(*[owner(other_key(n)) for n in range(1, FULL)], from_roster(CLIENT_PUBLIC))
    await Contact(CLIENT_PUBLIC, Reply(), None).prepare(keys)  # it has one
