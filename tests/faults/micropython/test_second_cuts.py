# SPDX-License-Identifier: Apache-2.0
"""The power fails again, in the boot that finishes what the first cut interrupted."""

import asyncio

from cuts import CAR, Board, Settings, cut, prepared, with_guests

from latchkey import provisioning
from latchkey.keys.keychain import Keychain
from ramflash import ROOT, RamFlash, key, mount, public


def cut_twice(name, image, act):
    """A second cut at every operation of the boot that finishes what the first cut interrupted."""
    board = Board(image)
    old = board.seen()
    asyncio.run(act(board))
    new = Board(board.flash.image()).seen()
    count = n = 0
    while True:
        n += 1
        _, left = cut(image, act, n, True)
        if left is None:
            break
        wanted = Board(left).seen()
        assert wanted in (old, new)
        m = 0
        while True:
            m += 1
            flash = mount(RamFlash(left))
            flash.cut_after(m)
            try:
                provisioning.load(ROOT, Settings)
                Keychain(ROOT, lambda why: None).open()
            except OSError:
                pass
            if not flash.dead:
                break
            count += 1
            assert Board(flash.image()).seen() == wanted, "cut at %d, then at %d of the boot" % (n, m)
    assert count
    print("note: %s, cut again in the boot after: %d power cuts" % (name, count))


def test_replacing_a_key():
    cut_twice("replace", prepared(key(1), key(2), key(3)), lambda board: board.keys.apply(key(4), [public(2)]))


def test_dropping_impermanent_keys():
    cut_twice("drop impermanent", with_guests(), lambda board: board.keys.apply(None, (), True))


def test_provisioning():
    image = prepared(key(1), key(2))
    cut_twice("provision again", image, lambda board: provisioning.provision(ROOT, b"{}", b"q" * 32, CAR))
