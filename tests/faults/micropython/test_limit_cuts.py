# SPDX-License-Identifier: Apache-2.0
"""The power fails at every flash operation of what limits cost: a use, powered seconds, the calendar. What was had is
spent at the next boot, and no cut gives a second or a use back."""

import asyncio

from latchkey.clock import Clock
from latchkey.keys import charging, limits
from latchkey.store import calendarfile
from ramflash import ROOT, QuickFlash, fresh, key, mount

HOUR, DAY = 3600, 86400
USES = 1000


class Board:
    """What a boot finds."""

    def __init__(self, image):
        self.flash = mount(QuickFlash(image))
        self.root = ROOT
        self.clock = Clock()
        self.reports = []
        calendarfile.opened(self.clock, ROOT, self.reports.append)

    def left(self, limit):
        return limits.left(key(1, powered=limit), self.clock)


def cut_everywhere(name, image, act, check):
    """Cut at each operation of act(board), torn and just done; check(board of before, acknowledged, board of after)."""
    board = Board(image)
    before = board.flash.operations
    act(board)
    total = board.flash.operations - before
    outcomes = 0
    for n in range(1, total + 1):
        board = Board(image)
        board.flash.cut_after(n)
        try:
            act(board)
            acknowledged = True
        except OSError:
            acknowledged = False
        assert board.flash.dead
        for left in (board.flash.image(), board.flash.whole):
            check(board, acknowledged, Board(left))
            outcomes += 1
    print("note: %s: %d power cuts at %d operations; 0 violations" % (name, outcomes, total))


def guest(slot):
    record = key(1, 8, uses=USES, number=3)
    record.slot = slot
    return record


def test_a_use():
    for name, slot, spent in (("the first use", 0, 0), ("a use", 7, 1), ("a use in a full file", 255, 40)):
        flash = fresh()
        for _ in range(spent):
            charging._spend(guest(slot), ROOT)
        others = guest(slot and slot - 1)
        others.number = 4
        if slot:
            charging._spend(others, ROOT)

        def check(before, acknowledged, after, slot=slot, spent=spent, others=others):
            used = limits.used(guest(slot), ROOT)
            assert used in (spent, spent + 1) and used >= spent + acknowledged
            assert not slot or limits.used(others, ROOT) == 1, "another key's row"

        cut_everywhere(name, flash.image(), lambda board, slot=slot: charging._spend(guest(slot), ROOT), check)


def test_a_hundred_uses_with_a_cut_in_each():
    """As they follow each other, a folder's block fills up and is written anew."""
    image = fresh().image()
    had = 0
    for n in range(1, 101):
        board = Board(image)
        board.flash.cut_after(1 + n % 9)
        for _ in range(3):
            if board.flash.dead:
                break
            try:
                charging._spend(guest(5), ROOT)
                had += 1
            except OSError:
                pass
        image = board.flash.image()
        Board(image)
        assert limits.used(guest(5), ROOT) >= had
    print("note: %d uses had, %d spent" % (had, limits.used(guest(5), ROOT)))
    assert had > 20


def test_a_use_on_a_flash_that_fails():
    """Once, or from then on; with an error, or for want of room: what is acknowledged is spent, whatever comes next."""
    for spent in (0, 3):
        flash = fresh()
        for _ in range(spent):
            charging._spend(guest(200), ROOT)
        image = flash.image()
        for error, forever in ((5, False), (5, True), (28, False), (28, True)):
            for n in range(1, 40):
                board = Board(image)
                board.flash.fail_after(n, error, forever)
                try:
                    charging._spend(guest(200), ROOT)
                    had = 1
                except OSError:
                    had = 0
                board.flash.fail_after(0)
                try:
                    charging._spend(guest(200), ROOT)
                    had += 1
                except OSError:
                    pass  # littlefs has given up for this start
                Board(board.flash.image())
                assert spent + had <= limits.used(guest(200), ROOT) <= spent + 2, (spent, error, forever, n)


def counted():
    """The image of a car that counts somebody's powered seconds, after an hour and a bit, and that limit."""
    flash = fresh()
    board = Board(flash.image())
    limit = asyncio.run(calendarfile.lease(Keychain(board.clock), 10 * HOUR))
    board.clock.advance(HOUR + 100)
    calendarfile.write(board.clock, ROOT, board.clock.until)
    return board.flash.image(), limit


class Keychain:
    """Of one key, as far as a lease looks at it."""

    CAPACITY = 1
    root = ROOT

    class buckets:
        failed = False

    def __init__(self, clock):
        self.clock = clock

    def find_slot(self, slot, old):
        return None


def test_powered_seconds():
    image, limit = counted()
    first = Board(image).left(limit)

    def act(board):
        board.clock.advance(50)
        calendarfile.write(board.clock, ROOT, board.clock.until)

    def check(before, acknowledged, after):
        assert after.left(limit) <= first, "none is given back"
        assert after.left(limit) >= first - 2 * HOUR
        if acknowledged:
            assert after.clock.base >= before.clock.ahead

    cut_everywhere("powered seconds", image, act, check)


def test_a_boot_that_counts_them():
    image, limit = counted()
    first = Board(image).left(limit)
    for n in range(1, 40):
        flash = mount(QuickFlash(image))
        flash.cut_after(n)
        clock = Clock()
        calendarfile.opened(clock, ROOT, lambda why: None)
        if not flash.dead:
            break
        for left in (flash.image(), flash.whole):
            assert Board(left).left(limit) <= first
    assert n > 2


def test_a_new_limit():
    image, limit = counted()
    first = Board(image)
    had = first.left(limit)

    def act(board):
        board.new = asyncio.run(calendarfile.lease(Keychain(board.clock), 20 * HOUR))

    def check(before, acknowledged, after):
        assert after.left(limit) <= had
        assert after.clock.until >= limit
        if acknowledged:
            assert after.clock.until == before.new and after.left(before.new) <= 20 * HOUR - 60

    cut_everywhere("a new limit", image, act, check)


def test_the_time():
    image, _ = counted()
    known = Board(image).clock.time()

    def act(board):
        calendarfile.tell(board.clock, known + 30 * DAY)
        calendarfile.write(board.clock, ROOT, board.clock.until)

    def check(before, acknowledged, after):
        assert after.clock.time() >= known + 30 * DAY * acknowledged
        assert after.clock.time() <= known + 30 * DAY + 2

    cut_everywhere("the time", image, act, check)
