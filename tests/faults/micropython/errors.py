# SPDX-License-Identifier: Apache-2.0
"""A board whose flash fails: one operation, or all from one on; in what it writes, or in what it reads.

A change reads its flash thousands of times, the same places over and over. A read of a place that was read already,
with nothing written since, finds the same again: of reads, the first of each place between two operations is failed.
"""

import asyncio

from cuts import ALL, SEED, Settings, points, prepared

from latchkey import provisioning
from latchkey.keys.keychain import Keychain
from latchkey.store import boots, logreader
from ramflash import ROOT, QuickFlash, RamFlash, entries, key, mount, public

EIO, ENOSPC = 5, 28
# (error, all from then on, of reads)
KINDS = [(EIO, False, False), (ENOSPC, True, False), (EIO, False, True)]
if ALL:
    KINDS += [(EIO, True, False), (ENOSPC, False, False), (EIO, True, True)]
WORSE = [(EIO, True, False), (ENOSPC, True, False), (EIO, True, True)]  # boots
READS = 1 if ALL else 127  # of those reads, one in so many


class Reads(RamFlash):
    """Counts operations, and notes the reads of what was not read since the last of them."""

    def __init__(self, image):
        super().__init__(image)
        self.begin()

    def begin(self):
        self._began = self.operations, self.reads
        self._known = set()
        self.first = []

    @property
    def done(self):
        return self.operations - self._began[0]

    def readblocks(self, block, buf, offset=0):
        error = super().readblocks(block, buf, offset)
        place = block, offset, self.operations
        if place not in self._known:
            self._known.add(place)
            self.first.append(self.reads - self._began[1])
        return error


class LateFlash(QuickFlash):
    """Does what it says has failed. `left` is the image of a board whose power failed just then.

    littlefs itself does not live through that everywhere: told that the last write of a removal in the keychain has
    failed, it writes on, and a folder is inside itself after the next mount.
    """

    left = None

    def _operate(self, block, offset, data):
        error = super()._operate(block, offset, data)
        if error and not self.dead:
            self._put(block, offset, data)
            self.left = self.image()
        return error


class Sweep:
    """Where an act is to fail: `start` mounts a flash and gets ready, and returns what `act` is done to."""

    def __init__(self, start, act, share=3, edge=4):
        subject = start(Reads)
        flash = subject.flash
        flash.begin()
        act(subject)
        self._operations = points(flash.done, share, edge)
        self._reads = flash.first[SEED % min(READS, len(flash.first)) :: READS]
        self._of = flash.done, len(flash.first)

    def points(self, kind):
        return self._reads if kind[2] else self._operations

    def said(self):
        """The share of all that there are."""
        return "%d of %d operations, %d of %d reads" % (
            len(self._operations), self._of[0], len(self._reads), self._of[1]
        )  # fmt: skip


def flash_for(kind):
    return RamFlash if kind[2] else QuickFlash


class Board:
    """A boot, which never raises."""

    def __init__(self, image, flash=QuickFlash, error=None):
        self.flash = mount(flash(image))
        if error:
            self.flash.fail_after(1, *error)
        self.boot()

    def boot(self):
        self.told = []
        self.number = boots.count(ROOT, self.told.append)
        self.identity = provisioning.load(ROOT, Settings, self.told.append)
        self.log = logreader.opened(ROOT, lambda: 7, self.number or 0)
        self.keys = Keychain(ROOT, self.told.append)
        if self.identity:
            self.keys.open()

    def seen(self):
        """All there is to see of it."""
        if not self.identity:
            return None
        settings, identity, _ = self.identity
        keys = [bytes(record.pack()) for record in entries(self.keys)]
        assert self.keys.count == len(keys), (self.keys.count, keys, self.told)
        return settings.text, identity, keys, self.keys.lasting_owners(), self.keys.slot_mask(), list(self.keys.ids())


async def used(board):
    """Changes that leave no trace but in littlefs's own logs and caches: what an error does depends on these."""
    if board.identity:
        await board.keys.apply(key(77))
        await board.keys.apply(None, [public(77)])


def booted(*records, blocks=128):
    """The image of a car that has its reserve, and has been used."""
    board = Board(prepared(*records, blocks=blocks))
    for _ in range(5):
        asyncio.run(used(board))
    return board.flash.image()
