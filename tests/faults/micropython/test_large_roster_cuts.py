# SPDX-License-Identifier: Apache-2.0
# heapsize: 96M
"""The power fails at every flash operation of a roster of 4,000 keys that takes the place of another one: the next boot
finds all of the one or all of the other.

Taking it anew for each of some six thousand operations would take half a day. It is taken once: what it writes is
noted, and each beginning of that is a flash that lost its power, mounted and looked at. Of the operations, a share,
which is printed; `make faults`: all.
"""

import asyncio

from cuts import points
from trusting import FIRST, Trusting, deliver, install, nvs, roster, trusted

from latchkey import crypto
from latchkey.roster import lookup
from ramflash import ROOT, QuickFlash, key, public

MANY = 4000
BLOCKS = 384
CHUNK = 8192
SHARE = 47
AGAIN = 151  # one in so many cuts has the roster brought again


class Noting(QuickFlash):
    """Keeps what each operation writes, and what NVS had before it."""

    def __init__(self, image):
        super().__init__(image)
        self.written = None

    def _operate(self, block, offset, data):
        if self.written is not None:
            self.written.append((block, offset, bytes(data), nvs()))
        return super()._operate(block, offset, data)


class Large(Trusting):
    """A boot of it, which sees a roster of that size whole: its file, in which each key has its place."""

    def listed(self, roster):
        digest = b""
        with open(lookup.path(ROOT, roster.state.place), "rb") as f:
            while chunk := f.read(CHUNK):
                digest = crypto.sha256(digest + chunk)
        return digest


def written(image, operation, torn):
    """The image after that operation, or with it torn."""
    number, (block, offset, data, _) = operation
    if torn:
        data = data[: number * 40503 % len(data)]  # as in boards/UNIX/flash.py
    image = list(image)
    image[block] = image[block][:offset] + data + image[block][offset + len(data) :]
    return image


def test_a_roster_of_four_thousand_keys():
    image = trusted(install(), deliver(FIRST[0], *roster(1, MANY, 10_000)), blocks=BLOCKS)
    act = deliver(*roster(2, MANY, 20_000))
    old = Large(image).seen()
    board = Large(image, Noting)
    began, board.flash.written = board.flash.operations, []
    image = board.flash.image()  # this boot has written, too
    asyncio.run(act(board))
    operations = list(enumerate(board.flash.written, began + 1))
    new = Large(board.flash.image(), nvs=nvs()).seen()
    assert new[0] == old[0] and new[1:] != old[1:] and new == board.seen()
    wanted = points(len(operations), SHARE)
    outcomes = []
    again = 0
    for n, operation in enumerate(operations, 1):
        whole = written(image, operation, False)
        if n in wanted:
            for how, left in (("torn", written(image, operation, True)), ("done", whole)):
                where = "operation %d, %s" % (n, how)
                found = Large(left, nvs=operation[1][3])
                seen = found.seen()
                assert seen in (old, new), where
                outcomes.append(seen == new)
                if seen == old and not len(outcomes) % AGAIN:
                    again += 1
                    asyncio.run(act(found))
                    asyncio.run(found.keys.apply(key(99)))
                    later = Large(found.flash.image(), nvs=nvs())
                    assert later.seen()[1:] == new[1:] and later.keys.find(public(99)), "no second try after " + where
        image = whole
    assert seen == new, "less than acknowledged"
    assert any(outcomes) and not all(outcomes), "cuts on both sides of the commit"
    print("note: a roster of %d keys: %d power cuts at %d of %d operations, %d times as before (%d brought again); "
        "0 violations" % (MANY, len(outcomes), len(wanted), len(operations), outcomes.count(False), again)
    )  # fmt: skip
