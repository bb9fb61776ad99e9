# SPDX-License-Identifier: Apache-2.0
"""A flash operation of presenting or revoking a grant fails, once or all from then on: the answer, the flash and, once
what is made could be carried out, RAM agree; a key is there with its number spent, or neither is. Of reads, a share.
"""

import asyncio

from errors import KINDS, Sweep, flash_for
from lending import SPENT, Lending, lending, present, refused, revoke

from latchkey.keys.makers import Refused
from latchkey.store import journal
from ramflash import key, mount, public


def answer(board, act):
    try:
        asyncio.run(act(board))
        return "done"
    except (OSError, MemoryError, Refused):
        return "refused"
    except journal.Unclear:
        return "unclear"


def fail_everywhere(name, image, act, check):
    board = Lending(image)
    old = board.seen()
    asyncio.run(act(board))
    new = Lending(board.flash.image()).seen()
    assert new != old
    sweep = Sweep(lambda flash: Lending(image, flash), lambda board: asyncio.run(act(board)))
    count = {"done": 0, "refused": 0, "unclear": 0}
    for kind in KINDS:
        for n in sweep.points(kind):
            board = Lending(image, flash_for(kind))
            board.flash.fail_after(n, *kind)
            said = answer(board, act)
            board.flash.fail_after(0)
            count[said] += 1
            where = "%s: %s at %d, %s" % (name, kind, n, said)
            left = board.flash.image()
            if said != "unclear":
                mount(board.flash)  # littlefs has lost its way in some: what its cache had
                asyncio.run(board.keys.settle())
                assert board.seen() == (new if said == "done" else old), "RAM, " + where
                check(board, said == "done")
            found = Lending(left)
            assert found.seen() in {"unclear": (old, new), "done": (new,), "refused": (old,)}[said], "flash, " + where
            check(found, found.seen() == new)
            asyncio.run(act(found))
            asyncio.run(found.keys.apply(key(99)))
            later = Lending(found.flash.image())
            asyncio.run(later.keys.apply(None, [public(99)]))
            assert later.seen() == new, "no second try after " + where
    assert count["done"] and count["refused"]
    print("note: %s: %d flash errors (%s), %d of them told, %d made up for, %d ended in a restart; 0 violations" % (
        name, sum(count.values()), sweep.said(), count["refused"], count["done"], count["unclear"]
    ))  # fmt: skip


def test_a_grant():
    def check(board, done):
        assert bool(board.keys.find(public(11))) == done
        assert refused(board, 12, 5) == (SPENT if done else 0)

    fail_everywhere("present a grant", lending(present(10, 1)), present(11, 5), check)


def test_a_revocation():
    def check(board, done):
        assert bool(board.keys.find(public(10))) != done
        assert refused(board, 12, 3) == (SPENT if done else 0)

    fail_everywhere("revoke a key and an open grant", lending(present(10, 1)), revoke(1, 3), check)
