# SPDX-License-Identifier: Apache-2.0
"""The power fails at any flash operation of what an authority may bring about: the next boot finds it done or undone.

The roster in force is whole, nobody else's key has changed, and what was undone can be brought again.
"""

import asyncio

from cuts import points
from trusting import FIRST, LATER, ROTATION, Trusting, deliver, install, nvs, remove, trusted

from latchkey.store import journal
from ramflash import key, public


def cut_everywhere(name, image, act):
    """A share of the operations (`make faults`: all), torn and just done."""
    old = Trusting(image).seen()
    board = Trusting(image)
    before = board.flash.operations
    asyncio.run(act(board))
    total = board.flash.operations - before
    new = Trusting(board.flash.image(), nvs=nvs()).seen()
    assert new != old and new == board.seen()
    assert new[0] == old[0], "the keychain is no part of it"
    outcomes = []
    for n in points(total):
        board = Trusting(image)
        board.flash.cut_after(n)
        try:
            asyncio.run(act(board))
            acknowledged = True
        except (OSError, journal.Unclear):
            acknowledged = False
        had = nvs()
        for how, left in (("torn", board.flash.image()), ("done", board.flash.whole)):
            where = "%s: operation %d, %s" % (name, n, how)
            found = Trusting(left, nvs=had)
            seen = found.seen()
            assert seen in (old, new), where
            assert seen == new or not acknowledged, "less than acknowledged: " + where
            outcomes.append(seen == new)
            if seen == old:
                asyncio.run(act(found))
            asyncio.run(found.keys.apply(key(99)))
            later = Trusting(found.flash.image(), nvs=nvs())
            assert later.seen()[1:] == new[1:], "no second try after " + where
            assert later.keys.find(public(99)), "no change after " + where
    assert any(outcomes) and not all(outcomes), "cuts on both sides of the commit"
    print("note: %s: %d power cuts at %d operations, %d times as before; 0 violations" % (
        name, len(outcomes), total, outcomes.count(False)
    ))  # fmt: skip


def test_an_installation():
    cut_everywhere("install an authority", trusted(), install())


def test_another_authority_in_place_of_the_one_before():
    cut_everywhere("install another", trusted(install(), deliver(*FIRST)), install(b"t" * 16))


def test_a_removal():
    cut_everywhere("remove the authority", trusted(install(), deliver(*FIRST)), remove)


def test_a_rotation():
    cut_everywhere("rotate root and signer", trusted(install(), deliver(*FIRST)), deliver(*ROTATION))


def test_the_first_roster():
    cut_everywhere("the first roster", trusted(install(), deliver(FIRST[0])), deliver(*FIRST[1:]))


def test_a_roster_of_one_key():
    cut_everywhere("a roster of 1 key", trusted(install(), deliver(*FIRST)), deliver(*LATER[1]))


def test_a_roster_of_forty_keys():
    cut_everywhere("a roster of 40 keys", trusted(install(), deliver(*FIRST)), deliver(*LATER[40]))
