# SPDX-License-Identifier: Apache-2.0
"""The power fails at every flash operation of presenting and of revoking a grant: the next boot finds a key with its
number spent or neither, and of several changes of a revocation the first spends the numbers."""

import asyncio

from cuts import points
from lending import SPENT, Lending, crowded, lending, present, refused, revoke

from latchkey.keys.makers import Refused
from latchkey.store import journal
from ramflash import key, public


def cut_everywhere(name, image, act, check):
    """Every operation, torn and just done."""
    board = Lending(image)
    old = board.seen()
    allowed = [old]
    real = board.keys.apply
    images = []

    async def counted(*arguments):
        await real(*arguments)
        images.append(board.flash.image())

    board.keys.apply = counted
    before = board.flash.operations
    asyncio.run(act(board))
    total = board.flash.operations - before
    allowed += [Lending(left).seen() for left in images]
    assert len(set(map(repr, allowed))) == len(allowed) > 1
    new = allowed[-1]
    outcomes = []
    for n in points(total, 1 if total < 50 else 3):
        board = Lending(image)
        board.flash.cut_after(n)
        try:
            asyncio.run(act(board))
            acknowledged = True
        except (OSError, journal.Unclear, Refused):
            acknowledged = False
        for how, left in (("torn", board.flash.image()), ("done", board.flash.whole)):
            where = "%s: operation %d, %s" % (name, n, how)
            found = Lending(left)
            seen = found.seen()
            assert seen in allowed, where
            assert seen == new or not acknowledged, "less than acknowledged: " + where
            check(found, allowed.index(seen))
            outcomes.append(allowed.index(seen))
            asyncio.run(act(found))
            asyncio.run(found.keys.apply(key(99)))
            later = Lending(found.flash.image())
            asyncio.run(later.keys.apply(None, [public(99)]))
            assert later.seen() == new, "no second try after " + where
    assert set(outcomes) == set(range(len(allowed))), "cuts on both sides of each commit"
    print("note: %s: %d power cuts at %d operations, %d times as before; 0 violations" % (
        name, len(outcomes), total, outcomes.count(0)
    ))  # fmt: skip


def presented(i, number):
    """Enrolled and spent, or neither; and nobody else has it then."""

    def check(board, done):
        assert bool(board.keys.find(public(i))) == bool(done)
        assert refused(board, i, number) == 0
        assert refused(board, i + 1, number) == (SPENT if done else 0)

    return check


def test_the_first_grant_of_a_maker():
    cut_everywhere("present the first grant", lending(), present(10, 1), presented(10, 1))


def test_a_later_grant():
    cut_everywhere("present a grant", lending(present(10, 1)), present(11, 5), presented(11, 5))


def test_a_grant_when_makers_of_before_make_room():
    cut_everywhere("present, and make room", lending(crowded), present(10, 1), presented(10, 1))


def revoked(i, number, has_key=True):
    """Its number is spent before its key goes, and both stay so."""

    def check(board, done):
        if done:
            assert refused(board, i + 50, number) == SPENT
        assert done or not has_key or board.keys.find(public(i))

    return check


def test_revoking_what_nobody_has_presented():
    cut_everywhere("revoke an open grant", lending(), revoke(1, 3), revoked(10, 3, False))


def test_revoking_a_key():
    cut_everywhere("revoke a key", lending(present(10, 1)), revoke(1), revoked(10, 1))


def test_revoking_more_keys_than_go_with_one_change():
    acts = [present(i, i) for i in range(10, 20)]
    cut_everywhere("revoke 10 keys", lending(*acts), revoke(below=100), revoked(10, 10))
