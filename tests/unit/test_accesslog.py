# SPDX-License-Identifier: Apache-2.0
"""The access log: who did what, over reboots, and under a flood of refusals."""

import asyncio
import os
import struct
from binascii import crc32

from latchkey import store
from latchkey.store import logreader
from latchkey.wire.schema import LogKind
from logchain import broken, link, raws
from ramflash import ROOT, RamFlash, flip, fresh, mount


class Time:
    def __init__(self):
        self.now = 100

    def __call__(self):
        return self.now


def opened(boot=1):
    log = logreader.opened(ROOT, Time(), boot)
    log.time = log._now
    return log


def flush(log):
    asyncio.run(log.flush())


def did(log, command, key=b"keyA"):
    log.append(LogKind.COMMAND, "ble/0", key, command, 0)


def refuse(log, outcome, key=b"keyB"):
    log.append(LogKind.REFUSED, "serial/3", key, 0, outcome)


def fill(log, count):
    for i in range(count):
        did(log, i)
        flush(log)


def kinds(log, *args):
    return [entry["kind"] for entry in logreader.entries(log, *args)]


def numbers(log, *args):
    return [entry["seq"] for entry in logreader.entries(log, *args)]


def test_a_new_log_is_empty():
    fresh()
    log = opened()
    assert (list(logreader.entries(log)), log.last, log.dropped, log.due()) == ([], 0, 0, False)


def test_an_entry_says_who_did_what_and_how_it_ended_before_and_after_a_reboot():
    fresh()
    log = opened()
    log.append(LogKind.REFUSED, "ble/2", b"\x01\x02\x03\x04", 20, 7, 513)
    log.append(LogKind.REMOVED, "", None, 0, 0)
    expected = [
        {
            "seq": 1,
            "boot": 1,
            "at": 100,
            "kind": "refused",
            "conn": "ble",
            "key": "01020304",
            "command": 20,
            "outcome": 7,
            "detail": 513,
            "count": 1,
        },
        {
            "seq": 2,
            "boot": 1,
            "at": 100,
            "kind": "removed",
            "conn": "",
            "key": None,
            "command": 0,
            "outcome": 0,
            "detail": 0,
            "count": 1,
        },
    ]
    assert list(logreader.entries(log)) == expected
    flush(log)
    assert list(logreader.entries(log)) == expected
    assert list(logreader.entries(opened())) == expected


def test_numbers_and_boots_go_on_after_a_reboot():
    fresh()
    for boot in range(1, 4):
        log = opened(boot)
        log.append(LogKind.BOOT, "", None, 0, 0)
        did(log, 1)
        assert log.last == 2 * boot
        flush(log)
    found = [(entry["seq"], entry["boot"]) for entry in logreader.entries(log)]
    assert found == [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3)]


def test_what_was_not_flushed_is_lost_with_the_power_and_nothing_else():
    fresh()
    log = opened()
    fill(log, 3)
    did(log, 99)
    assert numbers(log) == [1, 2, 3, 4]
    assert numbers(opened()) == [1, 2, 3]


def test_the_ring_keeps_at_least_the_last_448_entries_and_its_size():
    flash = fresh()
    log = opened()
    fill(log, 1300)
    for each in (log, opened()):
        kept = numbers(each, 0, 2000)
        assert kept == list(range(kept[0], 1301)) and 448 <= len(kept) <= 512
        assert [entry["command"] for entry in logreader.entries(each, 1290)] == list(range(1290, 1300))
    sizes = [os.stat("%s/log/%s" % (ROOT, name))[6] for name in os.listdir(ROOT + "/log")]
    assert len(sizes) == 8 and max(sizes) == 4096
    assert mount(flash)


def test_entries_are_read_in_pages():
    fresh()
    log = opened()
    fill(log, 150)
    did(log, 150)
    did(log, 151)
    found = []
    since = 0
    while True:
        page = list(logreader.entries(log, since, 16))
        if not page:
            break
        assert len(page) <= 16
        found += page
        since = page[-1]["seq"]
    assert [entry["seq"] for entry in found] == list(range(1, 153))
    assert numbers(log, 10**6) == numbers(log, 0, 0) == []


def test_what_was_done_is_due_at_once_and_a_boot_soon():
    fresh()
    log = opened()
    log.append(LogKind.BOOT, "", None, 0, 0)
    assert not log.due()
    did(log, 1)
    assert log.due()
    flush(log)
    assert not log.due()
    for kind in (LogKind.ENROLLED, LogKind.REMOVED, LogKind.UPDATED, LogKind.REPLACED, 99):
        log.append(kind, "", b"keyA", 0, 0)
        assert log.due(), kind
        flush(log)
    log.append(LogKind.BOOT, "", None, 0, 0)
    log.time.now += 2
    assert log.due()


async def test_its_task_writes_what_is_due_and_goes_on_when_it_finds_no_memory():
    fresh()
    log = opened()
    flushed, flush_it = [], log.flush

    async def tight():
        flushed.append(log.due())
        if len(flushed) == 1:
            raise MemoryError
        await flush_it()

    log.flush = tight
    task = asyncio.create_task(log.run())
    log.append(LogKind.BOOT, "", None, 0, 0)
    await asyncio.sleep_ms(0)
    assert not flushed and not log._wake.is_set(), "nothing is due"
    did(log, 1)
    for written in (0, 2):
        log.tick()
        for _ in range(200):
            await asyncio.sleep_ms(1)
            if len(flushed) == 1 + (written > 0) and len(numbers(opened())) == written:
                break
        assert numbers(opened()) == list(range(1, written + 1))
    assert flushed == [True, True] and not task.done()
    task.cancel()


def test_equal_refusals_are_counted_up():
    fresh()
    log = opened()
    for _ in range(70000):
        refuse(log, 6)
    refuse(log, 17)
    refuse(log, 6, b"keyC")
    refuse(log, 6, None)
    flush(log)
    found = [(entry["key"], entry["outcome"], entry["count"]) for entry in logreader.entries(log)]
    assert found == [(b"keyB".hex(), 6, 65535), (b"keyB".hex(), 17, 1), (b"keyC".hex(), 6, 1), (None, 6, 1)]
    assert log.dropped == 0


def test_many_different_refusals_push_out_nothing_and_their_number_is_logged():
    fresh()
    log = opened()
    fill(log, 3)
    for i in range(50):
        refuse(log, i)
    did(log, 7)
    flush(log)
    assert log.dropped == 46
    kinds = [(entry["kind"], entry["count"]) for entry in logreader.entries(log, 3)]
    assert kinds == [("refused", 1)] * 4 + [("command", 1), ("dropped", 46)]
    refuse(log, 1)
    flush(log)
    assert [entry["kind"] for entry in logreader.entries(log, 9)] == ["refused"], "the count is logged once"


def test_a_stranger_cannot_wear_out_the_flash_or_the_log():
    flash = fresh()
    log = opened()
    fill(log, 5)
    flushes = 0
    before = flash.operations
    for _ in range(24 * 3600):  # a day of refusals, all different
        log.time.now += 1
        for i in range(3):
            refuse(log, log.time.now & 0xFFFF, b"%04d" % ((log.time.now + i) % 10000))
        if log.due():
            flush(log)
            flushes += 1
    print("note: a day of refusals: %d flushes, %d flash operations" % (flushes, flash.operations - before))
    assert flushes <= 8 + 24 * 6
    assert flash.operations - before < 30 * flushes
    assert numbers(opened(), 0, 1) == [1], "all that was done before is still there"
    for _ in range(5 * 24 * 6):  # and after five days more, at the pace that is left
        for i in range(600):
            refuse(log, i, b"%04d" % (log.time.now % 10000))
        log.append(LogKind.COLLISION, "ble/7", None, 0, 0)
        log.time.now += 600
        if log.due():
            flush(log)
    assert numbers(opened(), 0, 1) == [1]
    refuse(log, 1)
    did(log, 77)
    assert log.due(), "and what is done is still written at once"
    flush(log)
    assert list(logreader.entries(opened(), log.last - 3))[-1]["kind"] in ("command", "dropped")


def test_two_strangers_who_collide_for_a_day_push_out_nothing_and_are_in_the_log_all_the_same():
    flash = fresh()
    log = opened()
    fill(log, 5)
    before = flash.operations
    flushes = 0
    for now in range(24 * 3600):
        log.time.now += 1
        for i in range(5):
            refuse(log, i, b"%04d" % (now % 10000))
        if now % 31 == 0:
            log.append(LogKind.COLLISION, "ble/7", None, 0, 0)
        if log.due():
            flush(log)
            flushes += 1
    flush(log)
    assert flushes <= 8 + 24 * 6 and flash.operations - before < 40 * flushes
    found = [entry["count"] for entry in logreader.entries(log, 0, 512) if entry["kind"] == "collision"]
    assert sum(found) > 24 * 3600 // 31 // 2 and max(found) > 1, "told with their number, and not one by one"


def test_a_full_waiting_room_drops_and_counts():
    fresh()
    log = opened()
    for i in range(40):
        did(log, i)
    assert log.dropped == 27
    flush(log)
    found = list(logreader.entries(opened(), 0, 100))
    assert [entry["command"] for entry in found[:13]] == list(range(13))
    assert (found[13]["kind"], found[13]["count"]) == ("dropped", 27)


def test_no_enrolment_goes_without_its_entry_whatever_else_happens_while_it_is_made():
    fresh()
    log = opened()
    for i in range(40):
        did(log, i, b"keyC")
        refuse(log, i)
        log.append(LogKind.COLLISION, "ble/0", None, 0, 0)
    log.append(LogKind.COMMAND, "", b"keyC", 512, 0)
    log.append(LogKind.ENROLLED, "", b"keyD", 0, 0)
    flush(log)
    assert [entry["key"] for entry in logreader.entries(log, 0, 100) if entry["kind"] == "enrolled"] == [b"keyD".hex()]


def test_entries_that_come_during_a_flush_are_kept():
    fresh()
    log = opened()

    async def both():
        did(log, 1)
        refuse(log, 6)
        task = asyncio.create_task(log.flush())
        await asyncio.sleep_ms(0)
        for _ in range(3):
            refuse(log, 6)
        did(log, 2)
        await task
        await log.flush()

    asyncio.run(both())
    found = [(entry["kind"], entry["count"]) for entry in logreader.entries(opened())]
    assert found in ([("command", 1), ("refused", 1), ("refused", 3), ("command", 1)],
                     [("command", 1), ("refused", 4), ("command", 1)])  # fmt: skip


def test_a_flash_that_fails_ends_nothing_and_the_entries_are_written_later():
    flash = fresh()
    log = opened()
    fill(log, 2)
    image = flash.image()
    did(log, 3)
    flash.cut_after(1)
    for _ in range(3):
        flush(log)
    assert numbers(log)[-1] == 3
    mount(RamFlash(image))
    did(log, 4)
    flush(log)
    assert numbers(opened()) == [1, 2, 3, 4]


def test_a_damaged_entry_is_left_out_and_never_read_as_another():
    fresh()
    log = opened()
    fill(log, 5)
    for at in range(64):
        flip(ROOT + "/log/0", 64 + at)
        assert numbers(opened()) == [1, 3, 4, 5]
        flip(ROOT + "/log/0", 64 + at)


def test_a_log_with_any_damage_at_its_end_goes_on():
    for damage, gap in ((0, False), (4 * 64 + 5, True)):  # its first, its last entry
        fresh()
        fill(opened(), 5)
        flip(ROOT + "/log/0", damage)
        log = opened()
        did(log, 42)
        flush(log)
        found = list(logreader.entries(opened()))
        assert found[-1]["command"] == 42 and len(found) == 5 + gap
        assert opened().last == log.last


def test_a_log_cut_short_or_too_long_goes_on_in_the_next_segment():
    for size in (1, 63, 65, 5 * 64 - 1, 5 * 64 + 1, 4096 + 64):
        fresh()
        fill(opened(), 5)
        with open(ROOT + "/log/0", "rb") as f:
            data = f.read() + bytes(8192)
        with open(ROOT + "/log/0", "wb") as f:
            f.write(data[:size])
        log = opened()
        whole = min(size // 64, 5)
        gap = size > 4096  # the last of its places is none that was written
        assert numbers(log)[:whole] == list(range(1, whole + 1)), size
        did(log, 42)
        flush(log)
        did(log, 43)
        flush(log)
        found = list(logreader.entries(opened()))
        assert [entry["command"] for entry in found[-2:]] == [42, 43], size
        assert len(found) == whole + gap + 2


def test_garbage_and_missing_segments_are_survived():
    fresh()
    fill(opened(), 300)
    os.remove(ROOT + "/log/1")
    with open(ROOT + "/log/2", "wb") as f:
        f.write(os.urandom(4096))
    log = opened()
    assert log.last == 300
    assert numbers(log, 0, 1000) == list(range(1, 65)) + list(range(193, 301))
    assert numbers(log, 0, 70)[-1] == 198
    did(log, 1)
    flush(log)
    assert opened().last == 301


def test_h2_each_entry_has_the_hash_of_itself_and_of_the_hash_before_it():
    fresh()
    log = opened()
    fill(log, 2)
    for i in range(5):
        did(log, i)
    flush(log)
    found = raws()
    before = bytes(16)
    for number in range(1, 8):
        raw = found[number]
        before = link(before, raw)
        assert raw[36:52] == before and raw[52:60] == bytes(8) and raw[27] == 3
    assert log.chain == before


def test_the_chain_goes_on_over_segments_the_rings_end_and_restarts():
    fresh()
    for _ in range(12):
        fill(opened(), 61)
    assert broken() == [] and len(raws()) > 448


def test_h1_what_was_counted_up_after_a_write_that_failed_is_chained_as_it_is_written():
    flash = fresh()
    log = opened()
    fill(log, 2)
    refuse(log, 6)
    did(log, 1)
    flash.fail_after(1, 5)
    flush(log)
    assert len(log.waiting()) == 2 * 64
    refuse(log, 6)
    flash.fail_after(0)
    did(log, 2)
    flush(log)
    assert broken() == [] and [entry["count"] for entry in logreader.entries(log, 2)] == [2, 1, 1]


def test_an_entry_has_the_first_bytes_of_its_requests_tag():
    fresh()
    log = opened()
    tag = bytes(range(1, 18))
    log.append(LogKind.COMMAND, "ble/0", b"keyA", 16, 0, 0, tag)
    did(log, 1)
    flush(log)
    assert [raws()[number][28:36] for number in (1, 2)] == [tag[1:9], bytes(8)]
    log.append(LogKind.COMMAND, "ble/0", b"keyA", 2, 0, 0, b"")
    flush(log)
    assert raws()[3][28:36] == bytes(8), "and nothing of the entry that waited in its place before"


def test_p7_of_refusals_that_are_counted_up_the_newest_requests_tag_is_kept_and_none_that_nobody_signed():
    fresh()
    log = opened()
    for tag in (b"\x05first...", b"\x05second..", b""):
        log.append(LogKind.REFUSED, "ble/0", b"keyA", 0, 6, 0, tag)
    flush(log)
    assert raws()[1][12:14] == b"\x03\x00" and raws()[1][28:36] == b"second.."


def test_it_knows_whether_something_that_was_done_has_no_entry():
    fresh()
    log = opened()
    for i in range(50):
        refuse(log, i)
    assert log.dropped and not log.lost, "a stranger's refusals are no deeds"
    for i in range(40):
        did(log, i)
    assert log.lost


def test_what_finds_no_memory_for_its_entry_is_counted_and_known_to_be_missing():
    class Full:
        def split(self, separator):
            raise MemoryError

    fresh()
    log = opened()
    log.append(LogKind.COMMAND, Full(), b"keyA", 16, 0)
    assert (log.lost, log.dropped, log.last) == (True, 1, 0)
    did(log, 1)
    flush(log)
    assert kinds(log) == ["command", "dropped"]


def entry(seq, boot=1, version=3):
    """A sound entry with any numbers."""
    raw = bytearray(64)
    struct.pack_into("<IIIH13sB", raw, 0, seq, boot, 7, 1, bytes(13), version)
    struct.pack_into("<I", raw, 60, crc32(raw[:60]))
    return raw


def test_numbers_that_no_log_gets_to_are_passed_over():
    for seq, boot in ((1, 0xFFFFFFFF), (0xFFFFFFFF, 1), (0x7FFFFFFF, 1), (0, 1), (1, 0x3FFFFFFF), (64, 0xFFFFFFFE)):
        fresh()
        os.mkdir(ROOT + "/log")
        with open(ROOT + "/log/0", "wb") as f:
            f.write(entry(seq, boot))
        for _ in range(2):
            log = opened()
            did(log, 1)
            flush(log)
            assert [e["command"] for e in logreader.entries(log, log.last - 1)] == [1]
        assert log.last < 200


def test_an_entry_in_a_segment_where_it_does_not_belong_is_passed_over():
    fresh()
    os.mkdir(ROOT + "/log")
    with open(ROOT + "/log/3", "wb") as f:
        f.write(entry(1000))
    log = opened()
    assert log.last == 0


def test_a_log_whose_places_are_taken_by_other_things_is_made_anew_or_waits():
    fresh()
    with open(ROOT + "/log", "wb") as f:
        f.write(b"a file where the folder should be")
    log = opened()
    fill(log, 3)
    assert numbers(opened()) == [1, 2, 3]
    assert "log.bad" in os.listdir(ROOT)
    fresh()
    os.mkdir(ROOT + "/log")
    for segment in range(8):
        os.mkdir(ROOT + "/log/%d" % segment)
    log = opened()
    fill(log, 70)
    assert len(numbers(opened(), 0, 512)) == 70


def test_a_log_that_can_never_be_written_stops_nothing():
    flash = fresh()
    flash.fail_after(1, 5, forever=True)
    log = opened()
    for i in range(40):
        did(log, i)
        flush(log)
    assert len(numbers(log)) == 14 and log.dropped == 27
    flash.fail_after(0)
    os.mkdir(ROOT + "/log")
    flush(log)
    assert len(numbers(opened())) == 14, "thirteen that waited, and how many were dropped"


def test_what_the_reserve_set_free_is_not_for_the_log():
    fresh()
    log = opened()
    store.room = False
    try:
        did(log, 1)
        flush(log)
        assert numbers(log) == [1] and numbers(opened()) == []
    finally:
        store.room = True
    flush(log)
    assert numbers(opened()) == [1]
