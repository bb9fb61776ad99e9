# SPDX-License-Identifier: Apache-2.0
"""The access log read: no entry but those that are whole, of a version that is known, and in their place."""

import os
import struct

from latchkey.store import logreader
from logchain import broken, raws
from ramflash import ROOT, flip, fresh
from test_accesslog import did, entry, fill, flush, kinds, numbers, opened


def written(*entries):
    """A log of one segment, and what is known of its end."""
    fresh()
    os.mkdir(ROOT + "/log")
    first = struct.unpack_from("<I", entries[0])[0]
    with open(ROOT + "/log/%d" % ((first - 1) // 64 % 8), "wb") as f:
        for each in entries:
            f.write(each)
    return logreader.last(ROOT + "/log")[:2]


def test_an_entry_of_another_version_or_out_of_its_place_is_passed_over():
    assert written(entry(1), entry(2, version=1), entry(3), entry(3), entry(5, boot=7)) == (5, 7)
    assert numbers(opened())[:3] == [1, 3, 5]


def test_numbers_that_no_flash_lives_to_see_are_no_end_of_a_log():
    for seq, boot in ((1, 0x1000000), (0x1000000, 1), (0x1000000 - 511, 0x1000001)):
        assert written(entry(seq, boot)) == (0, 0), (seq, boot)
    assert written(entry(0x1000000 - 511, 0xFFFFFF)) == (0x1000000 - 511, 0xFFFFFF)


def test_the_newest_entry_in_flash_is_checked_while_others_wait_in_memory():
    fresh()
    log = opened()
    fill(log, 3)
    did(log, 3)
    flip(ROOT + "/log/0", 2 * 64 + 20)
    assert numbers(log) == [1, 2, 4]


def test_no_more_entries_are_told_than_were_asked_for_whether_they_wait_or_not():
    fresh()
    log = opened()
    fill(log, 3)
    for i in range(3, 8):
        did(log, i)
    for limit in range(10):
        for since in range(9):
            assert numbers(log, since, limit) == list(range(since + 1, min(since + limit, 8) + 1)), (since, limit)


def test_after_a_number_that_no_entry_has_there_is_nothing_however_large_it_is():
    fresh()
    log = opened()
    fill(log, 3)
    did(log, 3)
    for since in (4, 5, 0xFFFFFFFF, 1 << 62):  # more than a small int of any board
        assert logreader.read(log, since, 9) == ([], 0), since


def test_the_last_page_says_that_there_is_no_other():
    fresh()
    log = opened()
    fill(log, 3)
    for waits in (False, True):
        pages = [logreader.read(log, 0, limit) for limit in range(1, log.last + 2)]
        assert [after for _, after in pages] == [1, 2, 0, 0] if not waits else [1, 2, 3, 3, 3]
        assert logreader.read(log, log.last, 9) == ([], 0)
        did(log, 3)
    assert logreader.read(log, 3, 1)[1] == 4 and logreader.read(log, 3, 2)[1] == 0


def test_h4_the_head_is_the_newest_entry_in_flash():
    fresh()
    assert logreader.head(opened()) == (0, bytes(16))
    log = opened()
    fill(log, 3)
    did(log, 3)
    head = logreader.head(log)
    assert head == (3, raws()[3][36:52]) == logreader.head(opened())
    assert [each["raw"] for each in logreader.read(log, 0, 8)[0]] == [raws()[number] for number in (1, 2, 3)]
    assert logreader.read(log, 3, 8)[0][0]["raw"][:4] == bytes((4, 0, 0, 0))
    assert "raw" not in next(logreader.entries(log))


def test_h3_behind_the_entries_of_an_earlier_firmware_a_chain_begins_anew_and_says_so():
    assert written(*[entry(number, version=2) for number in range(1, 6)]) == (5, 1)
    log = opened()
    did(log, 1)
    flush(log)
    assert (numbers(log), kinds(log)[5:]) == ([1, 2, 3, 4, 5, 6, 7], ["gap", "command"])
    assert [number for number in broken() if number > 5] == []
    log = opened()
    did(log, 2)
    flush(log)
    assert kinds(log)[5:] == ["gap", "command", "command"] and not [n for n in broken() if n > 5]


def test_h3_a_log_whose_newest_entry_is_damaged_goes_on_with_a_gap_and_only_then():
    for damage, told in ((4 * 64 + 5, ["gap", "command"]), (4 * 64 + 40, ["gap", "command"]), (64, ["command"])):
        fresh()
        fill(opened(), 5)
        flip(ROOT + "/log/0", damage)
        log = opened()
        did(log, 1)
        flush(log)
        assert kinds(log)[-len(told) :] == told and log.last == 5 + len(told), damage
        assert broken() == ([] if damage > 64 else [3]), "an entry says of the one before it what it was"
