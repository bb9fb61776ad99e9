# SPDX-License-Identifier: Apache-2.0
"""A flash operation of what an authority may bring about fails, once or all from then on: the answer, the flash and
RAM agree, and nobody else's key has changed. So they do where it is done all the same, the commit's rename too. Of
both kinds of operations a share, which is printed; `make faults`: all, and in all ways.
"""

import asyncio

from cuts import ALL
from errors import EIO, KINDS, WORSE, LateFlash, Sweep, flash_for
from trusting import FIRST, LATER, ROTATION, Trusting, deliver, install, nvs, remove, trusted

from latchkey.store import journal
from ramflash import key, mount, public

WAYS = [(kind, flash_for(kind)) for kind in KINDS] + [((EIO, False, False), LateFlash)]


def answer(board, act):
    try:
        asyncio.run(act(board))
        return "done"
    except (OSError, MemoryError):
        return "refused"
    except journal.Unclear:
        return "unclear"


def fail_everywhere(name, image, act, share=1):
    """`share`: of the operations that are not about the commit."""
    old = Trusting(image).seen()
    board = Trusting(image)
    asyncio.run(act(board))
    new = Trusting(board.flash.image(), nvs=nvs()).seen()
    assert new != old and new[0] == old[0]
    sweep = Sweep(lambda flash: Trusting(image, flash), lambda board: asyncio.run(act(board)), share, edge=12)
    count = {"done": 0, "refused": 0, "unclear": 0}
    taken_back = 0
    for kind, flash in WAYS:
        for n in sweep.points(kind):
            board = Trusting(image, flash)
            board.flash.fail_after(n, *kind)
            said = answer(board, act)
            assert board.flash.failures
            board.flash.fail_after(0)
            count[said] += 1
            where = "%s: %s at %d of a %s, %s" % (name, kind, n, flash.__name__, said)
            left, had = board.flash.image(), nvs()
            if kind[2]:
                mount(board.flash)  # littlefs takes what it could not read for what it had in its cache
            if said != "unclear":
                assert board.seen() == (new if said == "done" else old), "RAM, " + where
            found = Trusting(left, nvs=had).seen()
            assert found in {"unclear": (old, new), "done": (new,), "refused": (old,)}[said], "flash, " + where
            for error in WORSE if n % 8 == 1 or (ALL and not kind[2]) else ():
                worse = Trusting(left, flash_for(error), error, had)  # a boot that cannot write, or not even read
                worse.flash.fail_after(0)
                if not error[2]:
                    assert worse.seen() == found, "a boot that cannot write, " + where
            if said != "unclear":
                mount(board.flash)
                if said == "refused":
                    asyncio.run(act(board))
                asyncio.run(board.keys.apply(key(99)))
                later = Trusting(board.flash.image(), nvs=nvs())
                assert later.seen()[1:] == new[1:], "no second try after " + where
                assert later.keys.find(public(99)), "no change after " + where
            if flash is LateFlash and said == "refused":
                taken_back += Trusting(board.flash.left, nvs=had).seen() == new
    assert count["done"] and count["refused"] and taken_back, "one that was in force though its error was told"
    text = "note: %s: %d flash errors (%s), %d of them told (%d were in force), %d made up for, %d ended in a restart"
    print((text + "; 0 violations") % (
        name, sum(count.values()), sweep.said(), count["refused"], taken_back, count["done"], count["unclear"]
    ))  # fmt: skip


def test_an_installation():
    fail_everywhere("install an authority", trusted(), install())


def test_another_authority_in_place_of_the_one_before():
    fail_everywhere("install another", trusted(install(), deliver(*FIRST)), install(b"t" * 16))


def test_a_removal():
    fail_everywhere("remove the authority", trusted(install(), deliver(*FIRST)), remove)


def test_a_rotation():
    fail_everywhere("rotate root and signer", trusted(install(), deliver(*FIRST)), deliver(*ROTATION))


def test_a_roster_of_one_key():
    fail_everywhere("a roster of 1 key", trusted(install(), deliver(*FIRST)), deliver(*LATER[1]))


def test_a_roster_of_forty_keys():
    fail_everywhere("a roster of 40 keys", trusted(install(), deliver(*FIRST)), deliver(*LATER[40]), share=7)
