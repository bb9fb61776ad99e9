# SPDX-License-Identifier: Apache-2.0
"""A grant is presented: whose it is, what is left of it, and for whom; by the vectors of the phone's side."""

import gc
import time

import grant_vectors as vectors
from granting import (
    ENCODING,
    FLASH,
    FULL,
    GUEST,
    KEY,
    LIMITS,
    MAKER,
    NONE,
    OTHER,
    OWNER,
    SHARED,
    SPENT,
    TAG,
    UNTIL,
    Reply,
    bound,
    car,
    fault,
    grant,
    limits,
    made,
    spend,
)
from latchkey.crypto import publickey
from latchkey.keys import granted, spent
from latchkey.keys.granted import Presented
from latchkey.keys.makers import Refused
from latchkey.keys.record import BARRED, Record
from latchkey.wire.schema import LogKind, Origin, Permission, Role
from latchkey.wire.schema import WhitelistOperation_information as Refusal
from ramflash import ROOT
from support import Keys, Listing, from_roster, other_key, owner

UNLOCK = Permission.UNLOCK
MOST = 12_288  # bytes that a check may take from the heap, on 64 bits


def presented(message):
    return Presented(message, Reply(), None)


def record(message, keys=None):
    return presented(message).plan(keys or car()).record


def refusal(message, keys=None):
    return fault(presented(message), keys or car())


def granted_key(public=GUEST, number=6, **fields):
    """A key that a grant of the owner's has brought."""
    signer = owner(OWNER).id
    return Record(public, b"k" * 16, Role.GUEST, origin=Origin.GRANT, signer=signer, number=number, **fields)


def test_what_the_phones_side_has_made_is_read_as_it_was_meant():
    found = record(grant(vectors.PRESENTED))
    assert (found.public, found.role, found.origin, found.label) == (GUEST, Role.GUEST, Origin.GRANT, "Bo")
    assert (found.commands, found.not_before, found.not_after) == (0, 0, UNTIL)
    assert (found.uses, found.seconds, found.number) == (2, 200_000, 7)
    assert found.signer == owner(OWNER).id
    narrower = record(grant(vectors.PRESENTED_NARROWED))
    assert (narrower.commands, narrower.not_after, narrower.label) == (0b111, UNTIL - 86400, "Bo's son")
    assert (narrower.uses, narrower.seconds) == (2, 200_000)
    named = record(grant(vectors.NAMED))
    assert (named.public, named.role, named.number, named.uses) == (GUEST, Role.DRIVER, 8, 0)


def test_the_change_enrols_the_key_and_spends_the_number_and_waits_for_no_card():
    keys = car()
    asked = presented(grant(vectors.PRESENTED))
    change = asked.plan(keys)
    assert not asked.tap and change.kind == LogKind.ENROLLED and change.by == "grant" and change.detail == 7
    assert change.needs_agreement and not change.remove
    maker = keys.find_slot(0)
    assert change.spent[:8] == spent.name(maker)
    numbers = spent.Spent(change.spent[8:])
    assert numbers.has(7) and not numbers.has(6) and not numbers.has(8)
    assert not spent.read(ROOT, maker).has(7), "a plan changes nothing"


def test_a_bit_of_it_that_is_another_is_refused():
    keys = car()
    good = grant(vectors.PRESENTED)
    assert refusal(good, keys) == NONE
    whose = {refusal(good[:at] + bytes((good[at] ^ 0x10,)) + good[at + 1 :], keys) for at in range(9, len(good), 7)}
    assert whose <= {TAG, ENCODING, MAKER} and TAG in whose


def test_without_a_key_it_is_nobodys():
    assert refusal(grant(vectors.MADE)) == KEY
    assert refusal(grant(vectors.NARROWED)) == KEY


def test_the_maker_is_an_enrolled_owner_without_limits():
    good = grant(vectors.PRESENTED)
    assert refusal(good, Keys()) == MAKER
    for fields in ({"role": Role.DRIVER}, {"uses": 3}, {"seconds": 60}, {"commands": 0xFFF}, {"flags": BARRED}):
        assert refusal(good, car(**fields)) == MAKER, fields
    assert refusal(made(*bound(), handle=0)) == MAKER
    assert refusal(made(*bound(), handle=4097)) == MAKER


def test_a_maker_that_was_enrolled_anew_has_made_none_yet():
    keys = car()
    keys.records[0].number += 1
    assert refusal(grant(vectors.PRESENTED), keys) == TAG
    other = car()
    other.records[0].shared = b"x" * 16
    assert refusal(grant(vectors.PRESENTED), other) == TAG


def test_a_number_is_one_of_those_that_there_are():
    for number in (0, spent.ALL):
        assert refusal(made(*bound(), number=number)) == ENCODING
    assert refusal(made(*bound(), number=spent.ALL - 1)) == NONE


def test_there_are_one_to_four_limits():
    less = limits(uses=3)
    first, key = bound()
    assert refusal(made()) == ENCODING
    assert refusal(made(first, less, less, key)) == NONE
    assert refusal(made(first, less, less, less, key)) == ENCODING
    keys = car()
    for raw in (b"\5\x08\x08", b"\xff", b"\0\0\0\0\0"):
        try:
            granted._chain(memoryview(raw))
            raise AssertionError(raw)
        except Refused as refused:
            assert refused.fault == ENCODING
    assert keys.count == 1


def test_what_a_maker_has_encoded_in_another_way_is_refused():
    """A field that this firmware does not know may be a limit."""
    first, key = bound()
    for wrong in (first + b"\x48\x01", b"\x10\x00" + first, first + first, b"\x08\x88\x80\x00", b"\x08"):
        assert refusal(made(wrong, key)) == ENCODING, wrong


def test_roles_only_go_down():
    first, key = limits(role=Role.DRIVER), limits(key=GUEST)
    orders = [(Role.GUEST, Role.CHARGING_MANAGER, Role.FM), (Role.GUEST, Role.VEHICLE_MONITOR), (Role.DRIVER,)]
    for roles in orders:
        for count in range(len(roles)):
            chain = [limits(role=role) for role in roles[: count + 1]][:2]
            assert refusal(made(first, *(chain + [key]))) == NONE, roles
    assert record(made(first, limits(role=Role.GUEST), limits(role=Role.FM, key=GUEST))).role == Role.FM
    for role in (Role.OWNER, Role.SERVICE, 7, 9, 200):
        assert refusal(made(limits(role=role), key)) == LIMITS
        assert refusal(made(first, limits(role=role), key)) == LIMITS
    assert refusal(made(limits(role=Role.GUEST), limits(role=Role.DRIVER), key)) == LIMITS
    assert refusal(made(limits(uses=3), limits(role=Role.GUEST), key)) == LIMITS, "its maker names one"


def test_each_limit_only_narrows():
    first = limits(role=Role.GUEST, commands=0b111, not_before=10, not_after=UNTIL, uses=5, seconds=50, label=b"Bo")
    wider = limits(commands=0xFFF, not_before=5, not_after=UNTIL + 9, uses=9, seconds=90)
    narrower = limits(commands=0b110, not_before=20, not_after=UNTIL - 1, uses=4, seconds=40, label=b"Cy")
    key = limits(key=GUEST)

    def told(*chain):
        found = record(made(*chain))
        return found.commands, found.not_before, found.not_after, found.uses, found.seconds, found.label

    assert told(first, wider, key) == (0b111, 10, UNTIL, 5, 50, "Bo")
    assert told(first, narrower, key) == (0b110, 20, UNTIL - 1, 4, 40, "Cy")
    assert told(first, narrower, wider, key) == told(first, narrower, key)
    assert told(*bound()) == (0, 0, 0, 0, 0, ""), "none is none"


def test_a_grant_of_which_nothing_is_left_is_refused():
    now = car().clock.time()
    for more in (
        {"not_before": UNTIL, "not_after": UNTIL},
        {"not_before": UNTIL + 1, "not_after": UNTIL},
        {"not_after": now},
        {"commands": Permission.ADD_KEY},
    ):
        assert refusal(made(*bound(**more))) == LIMITS, more
    assert refusal(made(limits(role=Role.GUEST, commands=2), limits(commands=4), limits(key=GUEST))) == LIMITS
    assert refusal(made(limits(role=Role.VEHICLE_MONITOR, commands=UNLOCK), limits(key=GUEST))) == LIMITS
    assert refusal(made(*bound(not_before=UNTIL, not_after=UNTIL + 1))) == NONE


def test_the_key_stands_once_and_last():
    """Who overhears it has its last tag: nothing of his comes behind it."""
    first, key = bound()
    assert refusal(made(first, key, limits(uses=1))) == KEY
    assert refusal(made(first, key, key)) == KEY
    assert refusal(made(limits(role=Role.GUEST, key=GUEST), limits(label=b"x"))) == KEY
    assert refusal(made(limits(role=Role.GUEST, key=GUEST))) == NONE
    for wrong in (GUEST[:64], b"\2" + GUEST[1:], GUEST + b"x", b"\4"):
        assert refusal(made(first, limits(key=wrong))) == KEY


def test_a_label_is_only_text():
    assert refusal(made(*bound(label=b"\x1b[2J"))) == ENCODING
    assert refusal(made(*bound(label=b"\xff"))) == ENCODING
    assert record(made(*bound(label=b"x" * 40))).label == "x" * 24


def test_a_number_that_is_spent_is_refused_whoever_has_it():
    keys = car()
    spend(keys, keys.find_slot(0), 7)
    assert refusal(grant(vectors.PRESENTED), keys) == SPENT
    assert refusal(grant(vectors.NAMED), keys) == NONE, "8 is another one"


def test_presented_again_by_the_key_that_it_has_brought_it_is_done_already():
    keys = car(granted_key(number=7, uses=2))
    spend(keys, keys.find_slot(0), 7)
    change = presented(grant(vectors.PRESENTED)).plan(keys)
    assert not change.needs_agreement and not change.spent and change.record.shared == b"k" * 16
    keys.put(granted_key(number=6))
    assert refusal(grant(vectors.PRESENTED), keys) == SPENT, "it is there by another one"
    keys.records[-1].number = 7
    keys.records[-1].signer = b"else"
    assert refusal(grant(vectors.PRESENTED), keys) == SPENT, "or by another's"


def test_a_key_that_has_more_than_a_dead_grant_stays_as_it_is():
    good = grant(vectors.PRESENTED)
    for origin in (Origin.CARD_TAP, Origin.OWNER_COMMAND):
        assert refusal(good, car(Record(GUEST, b"k" * 16, Role.DRIVER, origin=origin))) == KEY
    assert refusal(good, car(granted_key())) == KEY
    assert refusal(good, car(granted_key(not_after=UNTIL))) == KEY
    assert refusal(good, car(granted_key(not_after=1_700_000_000))) == NONE
    assert refusal(good, car(granted_key(flags=BARRED))) == KEY, "an owner has removed it for good"
    assert refusal(made(limits(role=Role.GUEST), limits(key=OWNER))) == KEY


def test_a_key_that_a_roster_lists_is_the_rosters():
    keys = car()
    keys.roster = Listing(GUEST)
    assert refusal(grant(vectors.PRESENTED), keys) == KEY
    keys.put(from_roster(GUEST))
    assert refusal(grant(vectors.PRESENTED), keys) == KEY
    keys.roster = Listing(OTHER)
    assert refusal(grant(vectors.PRESENTED), keys) == NONE, "withdrawn"


def test_a_flash_that_does_not_say_what_is_spent_denies():
    keys = car()
    spend(keys, keys.find_slot(0), 3)
    real = spent.read

    def failing(root, maker):
        raise OSError(5)

    spent.read = failing
    try:
        assert refusal(grant(vectors.PRESENTED), keys) == FLASH
    finally:
        spent.read = real


def test_who_is_not_found_because_a_bucket_cannot_be_read_may_be_there():
    keys = car()
    find = keys.find_slot

    def unread(slot, old=False):
        keys.buckets.failed = True

    keys.find_slot = unread
    assert refusal(grant(vectors.PRESENTED), keys) == FLASH
    keys.find_slot = find
    assert refusal(grant(vectors.PRESENTED), keys) == NONE
    assert refusal(made(*bound(), handle=9), keys) == MAKER


async def refused_late(asked, keys):
    try:
        await asked.prepare(keys)
    except Refused as refused:
        asked.done(refused.code, None)
        return refused.fault
    return NONE


async def test_a_point_that_is_on_no_curve_is_nobodys_key():
    keys = car()
    asked = presented(made(limits(role=Role.GUEST), limits(key=other_key(3))))
    assert await refused_late(asked, keys) == KEY and asked.reply.told == [KEY]
    assert await refused_late(presented(grant(vectors.PRESENTED)), keys) == NONE


def test_checking_one_takes_no_public_key_work_and_little_memory():
    """But for the flash, which is in Python here."""
    keys = car()
    data = grant(vectors.PRESENTED_NARROWED)
    read, spent.read = spent.read, lambda root, maker: spent.Spent()
    assert refusal(data, keys) == NONE
    before = publickey.operations()
    gc.collect()
    gc.disable()
    free, began = gc.mem_free(), time.ticks_us()
    presented(data).plan(keys)
    took, used = time.ticks_diff(time.ticks_us(), began), free - gc.mem_free()
    gc.enable()
    spent.read = read
    assert publickey.operations() == before
    assert used < MOST, used
    print("note: checking a grant of three limits: 0 public-key operations, %.1f ms here, %d bytes of heap in all" % (
        took / 1000, used
    ))  # fmt: skip


class Small(Keys):
    """With so few places that the card's eight are all of them but three."""

    CAPACITY = 11


class Buckets:
    """One, with all keys in it."""

    failed = False

    def __init__(self, keys):
        self.keys = keys

    def entries(self, bucket):
        found = [(record.id, record.slot, 8 * (record.origin == Origin.GRANT)) for record in self.keys.records]
        return [] if bucket else found


def full(*others):
    keys = car()
    small = Small(*keys.records, *others)
    small.root = ROOT
    small.buckets = Buckets(small)
    return small


async def test_g11_where_it_is_full_a_dead_key_gives_up_its_place_and_no_other():
    good = grant(vectors.PRESENTED)
    dead = granted_key(other_key(2), 5, not_after=1_700_000_000)
    asked = presented(good)
    keys = full(granted_key(other_key(1), 4), dead)
    await asked.prepare(keys)
    assert asked.plan(keys).remove == (dead.public,)
    asked = presented(good)
    keys = full(granted_key(other_key(1), 4), owner(other_key(2), not_after=1_700_000_000))
    assert await refused_late(asked, keys) == FULL and asked.reply.told == [FULL]
    keys = full(granted_key(other_key(1), 4), granted_key(GUEST, 5, not_after=1_700_000_000))
    assert await refused_late(presented(good), keys) == NONE, "it has one"


async def test_g13_with_sixteen_makers_there_is_no_room_for_another():
    keys = car()
    for n in range(16):
        spend(keys, owner(other_key(n), SHARED), 1)
    for n in range(16):
        keys.put(owner(other_key(n), SHARED))
    asked = presented(grant(vectors.PRESENTED))
    assert await refused_late(asked, keys) == FULL and asked.reply.told == [FULL]


def test_however_it_ends_who_asked_is_told():
    for code, told in ((0, NONE), (Refusal.WHITELIST_FULL, FULL), (Refusal.UNDOCUMENTED_ERROR, FLASH)):
        asked = presented(grant(vectors.PRESENTED))
        asked.plan(car())
        asked.done(code, None)
        assert asked.reply.told == [told]
    keys = car()
    asked = presented(grant(vectors.PRESENTED))
    spend(keys, keys.find_slot(0), 7)
    assert fault(asked, keys) == SPENT
    asked.done(Refusal.NO_PERMISSION_TO_ADD, None)
    assert asked.reply.told == [SPENT]
