# SPDX-License-Identifier: Apache-2.0
"""The power fails again, in the boot that finishes what the first cut interrupted."""

import asyncio

from cuts import CAR, Board, Settings, cut, points, prepared, with_guests

from latchkey import provisioning
from latchkey.keys.keychain import Keychain
from ramflash import ROOT, QuickFlash, key, mount, public


class Torn(QuickFlash):
    """Keeps what each of its operations leaves when the power fails in it."""

    def __init__(self, image):
        super().__init__(image)
        self.left = []

    def _operate(self, block, offset, data):
        twin = QuickFlash(self.image())
        twin.operations = self.operations  # which says where it is torn
        twin.cut_after(1)
        twin.writeblocks(block, data, offset)
        self.left.append(twin.image())
        return super()._operate(block, offset, data)


def cut_twice(name, image, act):
    """A second cut at every operation of the boot that finishes what the first, one of a share, interrupted."""
    board = Board(image)
    old = board.seen()
    before = board.flash.operations
    asyncio.run(act(board))
    total = board.flash.operations - before
    new = Board(board.flash.image()).seen()
    count = 0
    for n in points(total):
        _, left, _ = cut(image, act, n)
        wanted = Board(left).seen()
        assert wanted in (old, new)
        flash = mount(Torn(left))
        provisioning.load(ROOT, Settings)
        Keychain(ROOT, lambda why: None).open()
        for m, again in enumerate(flash.left, 1):
            count += 1
            assert Board(again).seen() == wanted, "cut at %d, then at %d of the boot" % (n, m)
    assert count
    print("note: %s, cut again in the boot after: %d power cuts" % (name, count))


def test_replacing_a_key():
    cut_twice("replace", prepared(key(1), key(2), key(3)), lambda board: board.keys.apply(key(4), [public(2)]))


def test_dropping_impermanent_keys():
    cut_twice("drop impermanent", with_guests(), lambda board: board.keys.apply(None, (), True))


def test_provisioning():
    image = prepared(key(1), key(2))
    cut_twice("provision again", image, lambda board: provisioning.provision(ROOT, b"{}", b"q" * 32, CAR))
