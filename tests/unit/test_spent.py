# SPDX-License-Identifier: Apache-2.0
"""Which of a maker's grants are spent: against a plain set of numbers, and as the flash has it in whatever state."""

import asyncio
import os
import random

from latchkey.keys import spent
from latchkey.keys.keychain import Keychain
from latchkey.keys.spent import ALL, Spent
from latchkey.store import files
from latchkey.store.formats import UnknownVersion, mark
from ramflash import ROOT, flip, fresh, key

WINDOW = 1024
MAKERS = 16


def path(maker, twin=False):
    return ROOT + ("/twin" if twin else "") + "/grants/" + spent.name(maker).hex()


def opened():
    fresh()
    os.mkdir(ROOT + "/twin")
    keys = Keychain(ROOT, lambda why: None)
    keys.open()
    return keys


def change(maker, numbers):
    return spent.name(maker) + numbers.pack()


def spend(keys, maker, *numbers):
    """As a change of the keychain does."""
    found = spent.read(ROOT, maker)
    for number in numbers:
        found.add(number)
    asyncio.run(keys.apply(None, (), False, change(maker, found)))


class Model:
    """All that was ever spent, but for the window."""

    def __init__(self):
        self.numbers = set()
        self.below = 1

    def has(self, number):
        return number < self.below or number in self.numbers

    def close(self, below):
        self.below = max(self.below, below)

    def add(self, number):
        self.close(number - WINDOW + 1)
        self.numbers.add(number)


def test_it_is_a_set_of_numbers_whose_lowest_are_all_there():
    for seed in range(40):
        random.seed(seed)
        numbers, model, far = Spent(), Model(), 1
        seen = set()
        for _ in range(60):
            far += random.choice((0, 1, 1, 3, 40, 500, 1023, 1024, 5000))
            number = max(1, far - random.choice((0, 0, 1, 5, 1000, 1023, 1024, 1025, 3000)))
            act = random.choice(("add", "add", "add", "close"))
            for each in (numbers, model):
                getattr(each, act)(number)
            seen.update((number - 1, number, number + 1, number + WINDOW))
            numbers = Spent(numbers.pack())
            for asked in seen:
                assert numbers.has(asked) == model.has(asked), (seed, act, number, asked)
        assert len(numbers.pack()) == 4 + WINDOW // 8


def test_what_is_spent_stays_spent_to_the_last_number_there_is():
    numbers = Spent()
    numbers.add(ALL - 1)
    assert numbers.has(ALL - 1) and numbers.has(1) and not numbers.has(ALL - 2)
    numbers.close(ALL)
    assert numbers.below == ALL and numbers.has(ALL - 2) and numbers.bits() == b""
    numbers.add(5)
    assert Spent(numbers.pack()).below == ALL


def test_numbers_that_follow_each_other_take_no_window():
    numbers = Spent()
    for number in (2, 1, 3):
        numbers.add(number)
    assert numbers.below == 4 and numbers.bits() == b""
    numbers.add(13)
    assert numbers.below == 4 and numbers.bits() == b"\0\2"


def test_of_a_thousand_that_nobody_presents_each_can_still_come():
    numbers = Spent()
    numbers.add(1000)
    assert not any(numbers.has(number) for number in range(1, 1000))
    numbers.add(1025)
    assert numbers.has(1) and not numbers.has(2), "one too many: the lowest cannot any more"


def test_it_is_kept_in_two_places_and_read_from_whichever_is_sound():
    keys, maker = opened(), key(1)
    assert not spent.read(ROOT, maker).has(7)
    spend(keys, maker, 7)
    with open(path(maker), "rb") as first, open(path(maker, True), "rb") as second:
        assert first.read() == second.read()
    for twin in (False, True):
        flip(path(maker, twin), 20)
        assert spent.read(ROOT, maker).has(7) and not spent.read(ROOT, maker).has(8)
        flip(path(maker, twin), 20)
        os.remove(path(maker, twin))
        assert spent.read(ROOT, maker).has(7)
        spend(keys, maker, 9)
    assert spent.read(ROOT, maker).bits() == b"\x40\1", "7 and 9, of those from 1 on"


def test_it_is_kept_where_the_second_place_was_lost_with_all_in_it():
    """Or no key could be changed any more until a restart."""
    keys = opened()
    os.rmdir(ROOT + "/twin")
    spend(keys, key(1), 7)
    assert not keys.buckets.pending and spent.read(ROOT, key(1)).has(7)


def test_g13_one_that_is_damaged_has_them_all_and_stays_so():
    keys, maker = opened(), key(1)
    spend(keys, maker, 7)
    for twin in (False, True):
        flip(path(maker, twin), 20)
    assert spent.read(ROOT, maker).has(8) and spent.read(ROOT, maker).below == ALL
    spend(keys, maker, 8)
    assert spent.read(ROOT, maker).has(9), "writing it anew makes nothing of it unspent"


def test_one_of_another_firmware_is_left_as_it_is():
    keys, maker = opened(), key(1)
    spend(keys, maker, 7)
    with open(path(maker), "wb") as f:
        f.write(mark(9) + bytes(60))
    try:
        spent.read(ROOT, maker)
        raise AssertionError("read")
    except UnknownVersion:
        pass


def test_the_same_key_enrolled_anew_is_another_maker():
    maker, again = key(1, number=3), key(1, number=4)
    assert len({spent.name(each) for each in (maker, again, key(2, number=3))}) == 3


async def room(keys, maker):
    return await spent.make_room(keys, maker)


def test_there_is_room_for_sixteen_makers_and_then_for_who_is_enrolled():
    keys = opened()
    makers = [key(n, number=n) for n in range(MAKERS)]
    for maker in makers:
        asyncio.run(keys.apply(maker))
        assert asyncio.run(room(keys, maker))
        spend(keys, maker, 1)
    late = key(99)
    assert not asyncio.run(room(keys, late)), "sixteen have one"
    assert asyncio.run(room(keys, makers[3]))
    asyncio.run(keys.apply(None, [makers[5].public]))
    asyncio.run(keys.apply(key(7, number=77)))  # the same key, enrolled anew
    assert asyncio.run(room(keys, late))
    there = {entry[0] for entry in os.ilistdir(ROOT + "/grants")} - {"new.tmp"}
    assert there == {spent.name(makers[n]).hex() for n in range(MAKERS) if n not in (5, 7)}
    assert {entry[0] for entry in os.ilistdir(ROOT + "/twin/grants")} - {"new.tmp"} == there


def test_nobody_gives_up_its_place_while_a_bucket_cannot_be_read():
    keys = opened()
    for n in range(MAKERS):
        spend(keys, key(n), 1)
    asyncio.run(keys.apply(key(40)))
    real = keys.find_slot

    def unread(slot, old=False):
        keys.buckets.failed = True
        return real(slot, old)

    keys.find_slot = unread
    try:
        asyncio.run(room(keys, key(99)))
        raise AssertionError("made")
    except OSError:
        pass
    assert len({entry[0] for entry in os.ilistdir(ROOT + "/grants")} - {"new.tmp"}) == MAKERS


def test_what_an_interrupted_write_left_is_nobodys():
    keys = opened()
    spend(keys, key(1), 1)
    with open(ROOT + "/grants/new.tmp", "wb") as f:
        f.write(b"half")
    assert asyncio.run(room(keys, key(2)))
    files.sweep(ROOT + "/grants")
