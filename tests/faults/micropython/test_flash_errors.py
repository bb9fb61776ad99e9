# SPDX-License-Identifier: Apache-2.0
"""A flash operation of a change fails, once or all from then on: the answer, the flash and RAM agree.

A share of the erases and programs of a change is failed, and of its reads; it is printed. `make faults`: all, and in
all ways.

What was answered as done is there, in RAM and after a restart; what was refused has changed nothing, and never comes by
itself. Where nobody can tell (Unclear) the board restarts, and what it finds then is one or the other.
"""

import asyncio
import os

from cuts import ALL, CAR, DRIVER, PRIVATE, SETTINGS, neighbour, with_guests
from errors import EIO, KINDS, WORSE, Board, Sweep, booted, flash_for, used

from latchkey import provisioning
from latchkey.keys.record import IMPERMANENT
from latchkey.store import journal, reserve
from latchkey.wire.schema import LogKind
from ramflash import ROOT, fresh, key, mount, public

OTHER = b'{"vin": "other"}'


def answer(board, act):
    try:
        asyncio.run(act(board))
        return "done"
    except OSError:
        return "refused"
    except journal.Unclear:
        return "unclear"


def fail_everywhere(name, image, act, restarts=False, share=3):
    """`restarts`: the act ends with one, so that what RAM has is of no account."""
    old = Board(image).seen()
    board = Board(image)
    asyncio.run(act(board))
    new = Board(board.flash.image()).seen()
    assert old != new

    def start(flash):
        board = Board(image, flash)
        asyncio.run(used(board))
        return board

    sweep = Sweep(start, lambda board: asyncio.run(act(board)), share)
    count = {"done": 0, "refused": 0, "unclear": 0}
    for kind in KINDS:
        for n in sweep.points(kind):
            board = start(flash_for(kind))
            board.flash.fail_after(n, *kind)
            said = answer(board, act)
            assert board.flash.failures
            board.flash.fail_after(0)
            board.log.append(LogKind.REFUSED, "ble/0", b"keyA", 1, 0)
            asyncio.run(board.log.flush())  # littlefs may write with it what it held back
            count[said] += 1
            where = "%s: %s at %d, %s" % (name, kind, n, said)
            left = board.flash.image()
            # littlefs takes what it could not read for what it had in its cache: reads that failed for good and work
            # again mean nothing before it is mounted anew.
            blind = kind == (EIO, True, True)
            if said != "unclear" and not restarts and not blind:
                assert board.seen() == (new if said == "done" else old), "RAM, " + where
            wanted = (old, new) if said == "unclear" else (new,) if said == "done" else (old,)
            found = Board(left).seen()
            assert found in wanted, "flash, " + where
            # A boot that cannot write, or not even read, is a boot.
            for error in WORSE if n % 8 == 1 or (ALL and not kind[2]) else ():
                worse = Board(left, flash_for(error), error)
                worse.flash.fail_after(0)
                if not error[2]:
                    assert worse.seen() == found, "a boot that cannot write, " + where
                    assert Board(worse.flash.image()).seen() == found
            if said != "unclear" and not restarts and not blind and found:
                mount(board.flash)
                asyncio.run(board.keys.apply(key(99, DRIVER)))
                later = Board(board.flash.image())
                assert later.keys.find(public(99)) and later.keys.count == board.keys.count, "the next one, " + where
                assert not later.told
    assert count["done"] and count["refused"]
    text = "note: %s: %d flash errors (%s), %d of them told, %d made up for, %d ended in a restart; 0 violations"
    print(text % (
        name, sum(count.values()), sweep.said(), count["refused"], count["done"], count["unclear"]
    ))  # fmt: skip


def test_provisioning_a_new_board():
    act = lambda board: provisioning.provision(ROOT, SETTINGS, PRIVATE, CAR)  # noqa: E731
    fail_everywhere("provision", fresh().image(), act, restarts=True, share=41)


def test_provisioning_over_a_car_with_keys():
    image = booted(key(1), key(2, DRIVER))
    act = lambda board: provisioning.provision(ROOT, OTHER, b"q" * 32, CAR)  # noqa: E731
    fail_everywhere("provision again", image, act, restarts=True)


def test_pairing():
    fail_everywhere("pair", booted(), lambda board: board.keys.apply(key(1)))


def test_adding():
    fail_everywhere("add", booted(key(1), key(2)), lambda board: board.keys.apply(key(3, DRIVER)))


def test_updating():
    def act(board):
        record = board.keys.find(public(2)) or key(2)
        record.role = DRIVER
        return board.keys.apply(record)

    fail_everywhere("update", booted(key(1), key(2), key(neighbour(2))), act)


def test_removing():
    image = booted(key(1), key(2), key(neighbour(2)))
    fail_everywhere("remove", image, lambda board: board.keys.apply(None, [public(2)]))


def test_replacing():
    image = booted(key(1), key(2), key(neighbour(2)))
    fail_everywhere("replace", image, lambda board: board.keys.apply(key(4), [public(2)]))


def test_dropping_impermanent_keys():
    image = Board(with_guests()).flash.image()
    fail_everywhere("drop impermanent", image, lambda board: board.keys.apply(None, (), True))


def test_an_impermanent_key_in_place_of_all_others():
    image = Board(with_guests()).flash.image()
    guest = lambda: key(9, DRIVER, flags=IMPERMANENT)  # noqa: E731
    fail_everywhere("add and drop impermanent", image, lambda board: board.keys.apply(guest(), (), True))


def test_each_number_of_free_blocks_is_enough_for_a_change_or_too_few_before_it():
    """Somebody's file leaves so many blocks, with the reserve whole or gone."""
    near = [neighbour(2)]
    acts = {
        "add": lambda board: board.keys.apply(key(9)),
        "remove": lambda board: board.keys.apply(None, [public(2)]),
        "replace": lambda board: board.keys.apply(key(9), [public(2)]),
        "drop": lambda board: board.keys.apply(None, (), True),
        "provision": lambda board: provisioning.provision(ROOT, OTHER, b"q" * 32, CAR),
    }
    counts = {"done": 0, "refused": 0, "unclear": 0}
    image = booted(key(1), key(2), *[key(i) for i in near], key(5, DRIVER, flags=IMPERMANENT))
    for name, act in acts.items():
        board = Board(image)
        old = board.seen()
        asyncio.run(act(board))
        new = Board(board.flash.image()).seen()
        for whole in (True, False):
            for free in range(0, 16, 1 if ALL else 3):
                board = Board(image)
                if not whole:
                    os.remove(ROOT + "/reserve")
                ballast(free)
                said = answer(board, act)
                counts[said] += 1
                where = "%s with %d blocks, reserve %s: %s" % (name, free, whole, said)
                assert said == "done" or (name != "remove" and name != "drop") or not whole, where
                found = [Board(board.flash.image())]
                if name != "provision":
                    found.append(board)
                for each in found:
                    mount(each.flash)
                    assert each.seen() == (new if said == "done" else old), where
                for path in ("/ballast0", "/ballast1"):
                    os.remove(ROOT + path)
                last = Board(each.flash.image())
                assert last.seen() == (new if said == "done" else old) and reserve.whole(ROOT), where
    print("note: %d changes on flashes with 0 to 15 free blocks: %d done, %d refused before; 0 violations" % (
        sum(counts.values()), counts["done"], counts["refused"]
    ))  # fmt: skip
    assert counts["done"] and counts["refused"]


def ballast(free):
    """Fill the flash but for about so many blocks."""
    with open(ROOT + "/ballast1", "wb") as f:
        f.write(b"x" * (free * 4064))
    for size in (40_640, 2000):  # what fails is not in the file
        with open(ROOT + "/ballast0", "ab") as f:
            try:
                while True:
                    f.write(b"x" * size)
                    f.flush()
            except OSError:
                pass
    with open(ROOT + "/ballast1", "wb") as f:
        pass
