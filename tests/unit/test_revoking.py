# SPDX-License-Identifier: Apache-2.0
"""Grants are taken back: by whom, whose, and what becomes of the keys that came by them."""

import asyncio
import os

import grant_vectors as vectors
from granting import (
    ENCODING,
    FLASH,
    FULL,
    GUEST,
    MAKER,
    NONE,
    OTHER,
    OWNER,
    SALT,
    SHARED,
    TAG,
    Reply,
    fault,
    grant,
    revocation,
    spend,
    taken_back,
)
from latchkey.clock import Clock
from latchkey.keys import spent
from latchkey.keys.granted import Presented
from latchkey.keys.keychain import Keychain
from latchkey.keys.makers import Refused
from latchkey.keys.record import Record
from latchkey.keys.revoking import Revoked
from latchkey.wire.pb import DecodeError
from latchkey.wire.schema import LogKind, Origin, Role
from ramflash import ROOT, fresh, public
from support import owner

OTHER_SALT = 0x05060708
OTHER_HANDLE = 3
LAST = spent.ALL - 1


def opened(*records):
    """A car with the owner of the vectors, a driver, the other owner of the vectors, and these."""
    fresh()
    os.mkdir(ROOT + "/twin")
    keys = Keychain(ROOT, lambda why: None)
    keys.open()
    keys.clock = Clock()
    ours = owner(OWNER, SHARED, number=SALT)
    theirs = owner(OTHER, b"o" * 16, number=OTHER_SALT)
    for record in (ours, owner(public(50), role=Role.DRIVER), theirs) + records:
        asyncio.run(keys.apply(record))
    return keys


def guest(i, number, by=OWNER):
    """A key that a grant has brought."""
    signer = owner(by).id
    return Record(public(i), b"k" * 16, Role.GUEST, origin=Origin.GRANT, signer=signer, number=number)


def revoked(message, actor=None):
    return Revoked(message, Reply(), actor)


def carry_out(keys, asked):
    """As enrolment does: how many changes it took."""
    for count in range(1, 9):
        asyncio.run(asked.prepare(keys))
        change = asked.plan(keys)
        asyncio.run(change.make(keys, keys.clock))
        if not asked.more:
            return count
    raise AssertionError("it does not end")


def alive(keys, *numbers):
    """Which of these keys are enrolled."""
    return [i for i in numbers if keys.find(public(i))]


def dead(keys, handle=1):
    return spent.read(ROOT, keys.find_slot(handle - 1))


def test_what_the_phones_side_has_made_is_read_as_it_was_meant():
    keys = opened()
    change = revoked(revocation(vectors.REVOKED)).plan(keys)
    numbers = spent.Spent(change.spent[8:])
    assert [n for n in range(1, 12) if numbers.has(n)] == [1, 2, 3, 4, 7, 9]
    assert change.spent[:8] == spent.name(keys.find_slot(0))
    assert (change.kind, change.public, change.detail, change.record) == (LogKind.REVOKED, OWNER, 9, None)
    assert spent.name(keys.find_slot(2)).hex() == vectors.OTHER_ENROLMENT
    change = revoked(revocation(vectors.REVOKED_ALL)).plan(keys)
    assert change.spent[:8].hex() == vectors.OTHER_ENROLMENT and change.public == OTHER
    assert spent.Spent(change.spent[8:]).below == spent.ALL


def test_it_needs_an_owners_tag():
    keys = opened()
    assert fault(revoked(taken_back([5])), keys) == NONE
    assert fault(revoked(taken_back([5], tag=b"t" * 16)), keys) == TAG
    assert fault(revoked(taken_back([5], tag=b"")), keys) == TAG
    for handle in (0, 2, 4, 5000):
        assert fault(revoked(taken_back([5], handle=handle)), keys) == MAKER, handle
    assert fault(revoked(taken_back([5], handle=3)), keys) == TAG
    good = revocation(vectors.REVOKED)
    for at in range(3, len(good)):
        try:
            asked = revoked(good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :])
        except DecodeError:
            continue
        assert fault(asked, keys), at


def test_an_owner_who_is_limited_or_enrolled_anew_has_no_say():
    keys = opened()
    for record in (owner(OWNER, SHARED, number=SALT, uses=5), owner(OWNER, SHARED, number=SALT, role=Role.DRIVER)):
        asyncio.run(keys.apply(record))
        assert fault(revoked(taken_back([5])), keys) == MAKER
    asyncio.run(keys.apply(owner(OWNER, SHARED, number=SALT + 1)))
    assert fault(revoked(taken_back([5])), keys) == TAG


def test_anothers_are_those_of_one_enrolment_and_not_of_who_has_that_handle_later():
    keys = opened(guest(9, 5, OTHER))
    whose = bytes.fromhex(vectors.OTHER_ENROLMENT)
    good = taken_back([5], maker=OTHER_HANDLE, whose=whose)
    assert fault(revoked(good), keys) == NONE
    assert fault(revoked(taken_back([5], maker=OTHER_HANDLE)), keys) == TAG
    asyncio.run(keys.apply(owner(OTHER, b"o" * 16, number=OTHER_SALT + 1)))
    assert fault(revoked(good), keys) == TAG
    asyncio.run(keys.apply(None, [OTHER]))
    assert fault(revoked(good), keys) == MAKER
    asyncio.run(keys.apply(owner(public(60), b"x" * 16, number=OTHER_SALT)))
    assert keys.find(public(60)).slot == OTHER_HANDLE - 1
    assert fault(revoked(good), keys) == TAG
    assert alive(keys, 9)


def test_signed_by_an_owner_it_needs_no_tag_and_names_any_maker():
    keys = opened(guest(9, 5, OTHER), guest(10, 5))
    assert fault(revoked(taken_back([5], tag=b"", handle=0), public(50)), keys) == MAKER, "a driver"
    assert fault(revoked(taken_back([5], tag=b"", handle=0), public(99)), keys) == MAKER, "gone meanwhile"
    assert fault(revoked(taken_back([5], tag=b"", handle=0, maker=7), OWNER), keys) == MAKER
    carry_out(keys, revoked(taken_back([5], tag=b"", handle=0, maker=OTHER_HANDLE), OWNER))
    assert alive(keys, 9, 10) == [10]
    carry_out(keys, revoked(taken_back([5], tag=b"", handle=0), OWNER))
    assert not alive(keys, 10)


def test_the_numbers_are_spent_and_their_keys_go_and_nobody_elses():
    plain = owner(public(13), role=Role.DRIVER, signer=owner(OWNER).id, number=5)
    keys = opened(guest(9, 5), guest(10, 6), guest(11, 5, OTHER), guest(12, 4), plain)
    asked = revoked(taken_back([5, 8], below=4))
    assert carry_out(keys, asked) == 1
    assert alive(keys, 9, 10, 11, 12, 13) == [10, 11, 12, 13]
    assert [n for n in range(1, 10) if dead(keys).has(n)] == [1, 2, 3, 5, 8] and dead(keys, 3).below == 1
    carry_out(keys, revoked(taken_back(below=spent.ALL)))
    assert alive(keys, 9, 10, 11, 12, 13) == [11, 13]


def test_what_comes_after_it_is_refused_and_what_came_before_it_goes():
    keys = opened()
    presented = Presented(grant(vectors.PRESENTED), Reply(), None)
    assert presented.plan(keys).spent
    carry_out(keys, revoked(revocation(vectors.REVOKED)))
    try:
        presented.plan(keys)
        raise AssertionError("enrolled")
    except Refused:
        pass
    asyncio.run(keys.apply(guest(9, 7)))
    carry_out(keys, revoked(revocation(vectors.REVOKED)))
    assert not alive(keys, 9), "though its number was spent before"


def test_many_keys_go_in_several_changes_the_first_of_which_spends_all():
    keys = opened(*[guest(i, i) for i in range(100, 120)])
    asked = revoked(taken_back(below=spent.ALL))
    asyncio.run(asked.prepare(keys))
    change = asked.plan(keys)
    assert asked.more and len(change.remove) == 8 and change.spent
    asyncio.run(change.make(keys, keys.clock))
    assert dead(keys).below == spent.ALL
    assert carry_out(keys, asked) == 2 and not alive(keys, *range(100, 120))


async def test_where_all_is_done_there_is_nothing_to_do():
    keys = Keychain(ROOT, lambda why: None)
    fresh()
    os.mkdir(ROOT + "/twin")
    keys.open()
    keys.clock = Clock()
    for record in (owner(OWNER, SHARED, number=SALT), guest(9, 7)):
        await keys.apply(record)
    asked = revoked(revocation(vectors.REVOKED))
    assert await asked.look(keys)
    await asked.prepare(keys)
    await asked.plan(keys).make(keys, keys.clock)
    again = revoked(revocation(vectors.REVOKED))
    assert not await again.look(keys)
    assert await revoked(taken_back([7, 10])).look(keys)
    again.done(0, None)
    assert again.reply.told == [NONE]


def test_it_names_numbers_that_there_are_and_not_too_many():
    keys = opened()
    assert fault(revoked(taken_back()), keys) == ENCODING
    assert fault(revoked(taken_back([LAST + 1])), keys) == ENCODING
    assert fault(revoked(taken_back([LAST])), keys) == NONE
    assert fault(revoked(taken_back(range(1, 33))), keys) == NONE
    assert fault(revoked(taken_back(range(1, 34))), keys) == ENCODING
    assert fault(revoked(taken_back([0])), keys) == NONE, "nobody has it, and nothing comes of it"


def test_of_a_maker_whose_file_is_damaged_all_are_spent_and_the_keys_can_go():
    keys = opened(guest(9, 5))
    spend(keys, keys.find_slot(0), 5)
    for path in ("/grants/", "/twin/grants/"):
        with open(ROOT + path + spent.name(keys.find_slot(0)).hex(), "wb") as f:
            f.write(b"rot")
    carry_out(keys, revoked(taken_back([5])))
    assert not alive(keys, 9) and dead(keys).has(6)


def refused_late(asked, keys):
    try:
        asyncio.run(asked.prepare(keys))
    except Refused as refused:
        asked.done(refused.code, None)
        return refused.fault
    return NONE


def test_a_flash_that_does_not_say_what_is_spent_or_who_there_is_is_told():
    keys = opened(guest(9, 5))
    real = spent.read

    def failing(root, maker):
        raise OSError(5)

    spent.read = failing
    try:
        assert fault(revoked(taken_back([5])), keys) == FLASH
    finally:
        spent.read = real
    with open(ROOT + "/keys0/00", "wb") as f:
        f.write(b"Lk\x09\xf6" + bytes(1036))  # another firmware's
    asked = revoked(taken_back([5]))
    assert refused_late(asked, keys) == FLASH and asked.reply.told == [FLASH]


def test_nothing_is_done_where_a_key_that_came_by_it_may_not_have_been_found():
    keys = opened(guest(9, 5))
    find = keys.find_slot

    def unread(slot, old=False):
        keys.buckets.failed = slot == 3
        return None if slot == 3 else find(slot, old)

    keys.find_slot = unread
    assert refused_late(revoked(taken_back([5])), keys) == FLASH
    keys.find_slot = find
    assert refused_late(revoked(taken_back([5])), keys) == NONE


def test_a_seventeenth_maker_is_told_that_there_is_no_room():
    others = [owner(public(i), number=i) for i in range(200, 216)]
    keys = opened(*others)
    for other in others:
        spend(keys, other, 1)
    asked = revoked(taken_back([5]))
    assert refused_late(asked, keys) == FULL and asked.reply.told == [FULL]


def test_a_key_of_a_guests_is_no_makers():
    keys = opened(guest(9, 5))
    assert keys.find(public(9)).slot == 3 and GUEST
    assert fault(revoked(taken_back([5], handle=4)), keys) == MAKER
