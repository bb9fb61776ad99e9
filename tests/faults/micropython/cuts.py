# SPDX-License-Identifier: Apache-2.0
"""A board that loses its power in the middle of an act, and what its next boot finds."""

import asyncio
import os

from latchkey import provisioning
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import IMPERMANENT
from latchkey.store import journal
from latchkey.wire.schema import Origin
from ramflash import ROOT, QuickFlash, entries, fresh, key, mount

PRIVATE, CAR = b"p" * 32, b"\x04" + b"c" * 64
SETTINGS = b'{"vin": "5YJ30123456789ABC"}'
DRIVER = 3
ALL = bool(os.getenv("FAULTS"))  # `make faults`: no shares
SEED = int(os.getenv("SEED") or 0)  # another one: other shares


def neighbour(i):
    """The number of another key in the same bucket."""
    bucket = key(i).id[0] & 63
    n = i + 1000
    while key(n).id[0] & 63 != bucket:
        n += 1
    return n


class Settings:
    """Any settings are good."""

    vin = "5YJ30123456789ABC"

    def __init__(self, text):
        self.text = bytes(text)


class Board:
    """What a boot finds."""

    def __init__(self, image):
        self.flash = mount(QuickFlash(image))
        self.reports = []
        self.identity = provisioning.load(ROOT, Settings, self.reports.append)
        if self.identity:
            self.identity = (self.identity[0].text,) + (self.identity[1] or (None, None))
        self.keys = Keychain(ROOT, self.reports.append)
        if self.identity:
            self.keys.open()
        self.reports = [why for why in self.reports if "made anew" not in why]  # what was cut between two copies
        assert not self.reports, self.reports

    def seen(self):
        """All there is to see of the store."""
        if not self.identity:
            return None
        keys = [bytes(record.pack()) for record in entries(self.keys)]
        assert self.keys.count == len(keys)
        assert not self.reports, self.reports
        return self.identity, keys, self.keys.lasting_owners(), self.keys.slot_mask(), list(self.keys.ids())


def prepared(*records, blocks=128):
    """The image of a provisioned car with these keys."""
    flash = fresh(blocks)

    async def prepare():
        await provisioning.provision(ROOT, SETTINGS, PRIVATE, CAR)
        keys = Keychain(ROOT)
        keys.open()
        for record in records:
            await keys.apply(record)

    asyncio.run(prepare())
    return flash.image()


def cut(image, act, n):
    """Do the act on a board whose power fails at its n-th flash operation.

    (acknowledged, the image with the operation torn, the image with it just done); None for the images: no cut.
    """
    board = Board(image)
    board.flash.cut_after(n)
    try:
        asyncio.run(act(board))
        acknowledged = True
    except (OSError, journal.Unclear):
        acknowledged = False
    return acknowledged, board.flash.image() if board.flash.dead else None, board.flash.whole


def points(total, share=3, edge=4):
    """The operations that meet a fault: the first and the last few, and one in `share` between them; all with ALL."""
    return [n for n in range(1, total + 1) if ALL or n <= edge or n > total - edge or not (n + SEED) % share]


def with_guests():
    guests = [key(i, DRIVER, flags=IMPERMANENT, origin=Origin.OWNER_COMMAND) for i in range(4, 8)]
    return prepared(key(1), key(2), *guests)
