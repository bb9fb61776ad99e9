# SPDX-License-Identifier: Apache-2.0
"""A flash operation of a boot fails, once or all from then on: the car boots, and what it had it has at the next boot.

What a boot writes: the number of this start, settings that a person edited, a second copy, the reserve, the log's
folder, buckets that are missing, a change that was interrupted, what is in the way of a file, and an identity where
there is none.
"""

import asyncio
import os

from cuts import CAR, PRIVATE
from errors import KINDS, Board, Sweep, booted, flash_for

from latchkey.keys import buckets
from latchkey.store import identity, journal
from ramflash import ROOT, key, mount, public

LAST = buckets.COUNT - 1


def put(path, content):
    with open(ROOT + path, "wb") as f:
        f.write(content)


def interrupted():
    record = key(3)
    record.slot = 2
    list(journal.commit(ROOT, journal.KEYS, b"\0\1" + record.pack()))


def without_log():
    for segment in os.listdir(ROOT + "/log"):
        os.remove(ROOT + "/log/" + segment)
    os.rmdir(ROOT + "/log")


def without_a_bucket():
    assert os.stat(buckets.path(ROOT, LAST))[6] == 0, "nobody's"
    os.remove(buckets.path(ROOT, LAST))


def folder_in_the_way():
    os.remove(ROOT + "/boot")
    os.mkdir(ROOT + "/boot")


BOOTS = {
    "settled": lambda: None,
    "edited": lambda: put("/config.json", b'{"vin": "5YJ30123456789ABC", "radio": false}'),
    "no reserve": lambda: os.remove(ROOT + "/reserve"),
    "interrupted": interrupted,
    "one copy": lambda: [os.remove(ROOT + path) for path in ("/identity", "/settings", "/boot")],
    "no log": without_log,
    "no bucket": without_a_bucket,
    "a damaged journal": lambda: put("/journal/redo", b"LK\x01\xfe and no more"),
    "a folder in the way": folder_in_the_way,
}


class Off(Board):
    """A board that has its power, and boots when the sweep says so."""

    def __init__(self, image, flash):  # no boot
        self.flash = mount(flash(image))


def test_a_boot_takes_any_error_and_loses_nothing():
    for name, prepare in BOOTS.items():
        board = Board(booted(key(1), key(2)))
        prepare()
        image = board.flash.image()
        wanted = Board(image).seen()
        number = Board(image).number
        assert len(wanted[2]) == (3 if name == "interrupted" else 2)
        sweep = Sweep(
            lambda flash, image=image: Off(image, flash), Off.boot, share=43 if name == "no reserve" else 1, edge=3
        )
        count = 0
        for kind in KINDS:
            for n in sweep.points(kind):
                board = Off(image, flash_for(kind))
                board.flash.fail_after(n, *kind)
                board.boot()
                assert board.flash.failures
                count += 1
                where = "%s: %s at %d" % (name, kind, n)
                if not kind[2]:
                    assert board.identity and board.keys.find(public(1)) and board.keys.find(public(2)), where
                    assert board.keys.count == len(wanted[2]), where
                after = Board(board.flash.image())
                assert after.seen() == wanted, where
                assert after.number > (board.number or 0) and after.number >= number, where
        print("note: a boot, %s: %d flash errors (%s); 0 violations" % (name, count, sweep.said()))


def test_an_identity_that_is_drawn_anew_is_the_one_that_the_next_boot_has():
    """A car that has lost it: whatever fails, a second try ends it, and never two boots with two identities."""
    board = Board(booted(key(1)))
    for path in ("/identity", "/twin/identity"):
        os.remove(ROOT + path)
    image = board.flash.image()
    settings = Board(image).identity[0].text

    def draw(board, private=PRIVATE):
        return asyncio.run(identity.set_identity(ROOT, private, CAR))

    sweep = Sweep(lambda flash: Board(image, flash), draw)
    count = refused = 0
    for kind in KINDS:
        for n in sweep.points(kind):
            board = Board(image, flash_for(kind))
            assert board.identity[1:] == (None, True)
            board.flash.fail_after(n, *kind)
            try:
                done = draw(board) == (PRIVATE, CAR)
                assert done
            except OSError:
                done = False
                refused += 1
            assert board.flash.failures
            board.flash.fail_after(0)
            count += 1
            where = "%s at %d, %s" % (kind, n, "done" if done else "refused")
            left = board.flash.image()
            after = Board(left)
            assert after.identity[0].text == settings, where
            assert after.identity[1] == (PRIVATE, CAR) or (after.identity[1] is None and not done), where
            # The boot after it draws another: what is there already stays.
            now = draw(after, b"q" * 32)
            assert now == (after.identity[1] or (b"q" * 32, CAR)), where
            assert Board(after.flash.image()).identity[1] == now, where
            # And the agent that goes on tries once more.
            mount(board.flash)
            assert draw(board) == (PRIVATE, CAR), where
            assert Board(board.flash.image()).identity[1] == (PRIVATE, CAR), where
    assert refused
    print("note: an identity: %d flash errors (%s), %d of them told; 0 violations" % (count, sweep.said(), refused))
