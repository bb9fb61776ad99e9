# SPDX-License-Identifier: Apache-2.0
"""A flash operation of the access log fails, once or all from then on: what was written stays, in order and once.

Every operation of a flush is failed: of one inside a segment, of one that begins a segment or the ring anew, and of one
that follows a failed one. Of reads, a share (`make faults`: all).
"""

import asyncio
import os

from latchkey.store import logreader
from latchkey.wire.schema import LogKind
from logchain import broken
from ramflash import ROOT, QuickFlash, RamFlash, fresh, mount

EIO, ENOSPC = 5, 28
SEGMENT, RING = 64, 512
NEW = [1001, 1002, 1003, 1004]  # what a flush that fails has to write
# (error, all from then on, of reads)
KINDS = [(error, forever, False) for error in (EIO, ENOSPC) for forever in (False, True)]
KINDS += [(EIO, False, True), (EIO, True, True)]
SHARE = 1 if os.getenv("FAULTS") else 13  # of the reads, one in so many and the last


def opened():
    return logreader.opened(ROOT, lambda: 7)


def written(log, commands):
    """Append and flush. Whether all is written, as far as the log knows."""
    for command in commands:
        log.append(LogKind.COMMAND, "ble/0", b"keyA", command, 0)
    asyncio.run(log.flush())
    return not log.waiting()


def seen(log):
    """(number, command) of all entries that the log shows."""
    return [(entry["seq"], entry["command"]) for entry in logreader.entries(log, 0, 2 * RING)]


def numbered(commands):
    return list(enumerate(commands, 1))


def same(found, commands):
    """In order, none twice, none missing: but the oldest segment, which goes when a new one begins."""
    return found == numbered(commands)[-len(found) :] and len(found) >= min(len(commands), RING - SEGMENT)


def fail_everywhere(name, before, first=0):
    """`first`: the operation at which an earlier flush failed, whose entry is still waiting."""
    old = list(range(before))
    flash = fresh()
    log = opened()
    for at in range(0, before, 8):
        assert written(log, old[at : at + 8])
    image = flash.image()
    new = [1000] * bool(first) + NEW

    def prepared(chip=RamFlash):
        flash = mount(chip(image))
        log = opened()
        if first:
            flash.fail_after(first, EIO)
            written(log, [1000])
            assert flash.failures == 1
        return flash, log

    flash, log = prepared()
    operations, reads = flash.operations, flash.reads
    assert written(log, NEW)
    operations, reads = flash.operations - operations, flash.reads - reads
    count = waiting = 0
    for kind in KINDS:
        points = set(range(1, reads, SHARE)) | {reads} if kind[2] else range(1, operations + 1)
        for n in points:
            flash, log = prepared(RamFlash if kind[2] else QuickFlash)
            flash.fail_after(n, *kind)
            done = written(log, NEW)
            assert flash.failures > bool(first)
            flash.fail_after(0)
            count += 1
            waiting += not done
            where = "%s: %s at %d, %s" % (name, kind, n, "written" if done else "it waits")
            left = flash.image()
            if kind[2]:  # littlefs takes what it could not read for what is in its cache, until it reads something else
                seen(log)
            assert same(seen(log), old + new), "RAM, " + where
            assert written(log, [2001]), "the next flush, " + where
            assert same(seen(log), old + new + [2001]), "the next one, " + where
            mount(QuickFlash(flash.image()))
            assert same(seen(opened()), old + new + [2001]), "the next one, after a restart, " + where
            assert broken() == [], "its chain, " + where
            # And had the power been cut in place of that.
            mount(QuickFlash(left))
            log = opened()
            kept = new[: log.last - before]
            assert same(seen(log), old + kept) and (kept == new or not done), "after a restart, " + where
            assert written(log, [2002]) and same(seen(log), old + kept + [2002]), "a flush then, " + where
            assert broken() == [], "its chain then, " + where
    assert waiting
    text = (
        "note: access log, %s: %d flash errors (each operation, 1 read in %d), %d of them left it waiting; 0 violations"
    )
    print(text % (name, count, SHARE, waiting))


def test_a_flush_inside_a_segment():
    fail_everywhere("inside a segment", 3)


def test_a_flush_that_begins_a_segment():
    fail_everywhere("a new segment", SEGMENT)


def test_a_flush_over_the_end_of_a_segment():
    fail_everywhere("over the end of a segment", SEGMENT - 2)


def test_a_flush_that_begins_the_ring_anew():
    fail_everywhere("over the end of the ring", RING - 2)


def test_a_flush_after_one_that_failed():
    for first in (1, 2, 3, 4, 5):
        fail_everywhere("after one that failed at %d" % first, SEGMENT - 4, first)
