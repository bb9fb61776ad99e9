# SPDX-License-Identifier: Apache-2.0
"""What a car knows of the time, and its powered seconds, over restarts (docs/protocol.md, "Time")."""

import asyncio

from latchkey.clock import Clock
from latchkey.keys import limits
from latchkey.store import calendarfile, files
from ramflash import ROOT, fresh, mount
from support import GUEST, Keys, other_key, owner

HOUR, DAY = 3600, 86400
BUILT = Clock().least
FILES = (ROOT + "/calendar", ROOT + "/twin/calendar")


def car(flash, *records):
    """A start of a car with these keys: its keychain, and the clock in that."""
    mount(flash)
    keys = Keys(*records)
    keys.root = ROOT
    keys.clock = Clock()
    keys.told = []
    calendarfile.opened(keys.clock, ROOT, keys.told.append)
    return keys


def left(keys, limit):
    return limits.left(owner(powered=limit), keys.clock)


def lease(keys, seconds):
    return asyncio.run(calendarfile.lease(keys, seconds))


def refused(do, *what):
    try:
        do(*what)
    except OSError:
        return
    raise AssertionError("it was done")


def pass_by(keys, seconds):
    """Seconds pass, one by one in the housekeeping's way. How often the calendar was kept."""
    clock = keys.clock
    kept = 0
    for _ in range(seconds):
        clock.advance(1)
        if clock.now() >= clock.due:
            calendarfile.write(clock, ROOT, clock.until)
            kept += 1
    return kept


async def moment():
    await asyncio.sleep_ms(5)


def test_t1_the_time_is_at_least_that_of_the_build_and_goes_on():
    keys = car(fresh())
    clock = keys.clock
    assert not clock.known and BUILT <= clock.time() <= BUILT + 1
    clock.advance(DAY)
    assert clock.time() >= BUILT + DAY


def test_t2_it_is_kept_once_an_hour_and_never_steps_back_over_a_restart():
    flash = fresh()
    keys = car(flash)
    calendarfile.tell(keys.clock, BUILT + 10 * DAY)
    assert pass_by(keys, 5 * HOUR) == 5
    again = car(flash)
    assert BUILT + 10 * DAY + 5 * HOUR - 5 <= again.clock.time() <= BUILT + 10 * DAY + 5 * HOUR
    assert not again.clock.known
    lower = car(flash)
    lower.clock.least = BUILT - DAY  # a firmware of before
    calendarfile.opened(lower.clock, ROOT, print)
    assert lower.clock.time() >= again.clock.time() - 1


def test_t2_one_of_two_places_is_enough_and_the_other_is_made_anew():
    for lost in FILES:
        for damage in (b"", b"x" * 24, None):
            flash = fresh()
            keys = car(flash)
            calendarfile.tell(keys.clock, BUILT + 10 * DAY)
            limit = lease(keys, 1000)
            if damage is None:
                files.remove(lost)
            else:
                with open(lost, "wb") as f:
                    f.write(damage)
            for _ in range(2):
                again = car(flash)
                assert again.clock.time() >= BUILT + 10 * DAY and again.clock.until == limit
                assert 0 < left(again, limit) < 1000
            assert not again.told, "it was made anew"


def test_t9_powered_seconds_are_ahead_in_flash_by_no_more_than_the_car_was_on_and_an_hour_at_most():
    for on in (0, 30, 59, 60, 61, 100, 500, 3000, 3700, 10_000, 30_000):
        flash = fresh()
        keys = car(flash)
        limit = lease(keys, 100_000)
        pass_by(keys, on)
        had = left(keys, limit)
        assert 100_000 - on - 1 <= had <= 100_000 - on
        again = car(flash)  # the power was cut
        lost = had - left(again, limit)
        assert 0 < lost <= min(max(60, on + 1), HOUR) + 60, (on, lost)


def test_t9_starting_over_and_over_gains_nothing():
    flash = fresh()
    limit = lease(car(flash), 1000)
    for start in range(20):
        keys = car(flash)
        assert left(keys, limit) <= max(0, 1000 - 60 * start)
        pass_by(keys, 5)
    assert left(car(flash), limit) == 0


def test_t9_after_a_new_limit_the_steps_begin_anew():
    flash = fresh()
    keys = car(flash)
    lease(keys, 10)
    pass_by(keys, 40_000)
    limit = lease(keys, 1000)
    assert left(car(flash), limit) >= 1000 - 61


def test_t9_nothing_is_counted_once_all_limits_are_over():
    flash = fresh()
    keys = car(flash)
    lease(keys, 5000)
    for start in range(3):
        keys = car(flash)
        kept = pass_by(keys, 20 * HOUR)
        assert kept <= 20 + 12, "the time once an hour"
        assert left(keys, keys.clock.until) == 0
        assert start or kept > 20
    assert kept == 20


def test_t9_a_step_of_the_clock_spends_what_it_passes_over():
    flash = fresh()
    keys = car(flash)
    limit = lease(keys, 1000)
    keys.clock.advance(600)
    assert left(keys, limit) == 0, "not in flash yet"
    assert pass_by(keys, 1) == 1 and 390 <= left(keys, limit) <= 400
    keys.clock.advance(10_000)
    assert pass_by(keys, 1) == 1
    assert left(keys, limit) == 0 == left(car(flash), limit)


def test_t10_without_a_record_nobody_has_powered_seconds_until_a_new_limit_begins_above_all():
    for how in ("lost", "damaged"):
        flash = fresh()
        keys = car(flash)
        first = lease(keys, 1000)
        pass_by(keys, 100)
        for path in FILES:
            if how == "lost":
                files.remove(path)
            else:
                with open(path, "wb") as f:
                    f.write(b"rot" * 8)
        friend = owner(other_key(1), role=GUEST, powered=first)
        keys = car(flash, owner(), friend)
        assert BUILT <= keys.clock.time() <= BUILT + 1
        assert left(keys, first) == 0
        pass_by(keys, 2 * HOUR)
        assert left(keys, first) == 0 == left(car(flash, friend), first)
        keys = car(flash, owner(), friend)
        second = lease(keys, 500)
        assert second > first and left(keys, first) == 0 and 499 <= left(keys, second) <= 500
        again = car(flash, friend)
        assert left(again, first) == 0 and 400 <= left(again, second) <= 440


def test_t10_where_a_key_cannot_be_read_no_total_begins():
    class Unreadable(Keys):
        def find_slot(self, slot, old=False):
            self.buckets.failed = True

    fresh()
    keys = Unreadable()
    keys.root, keys.clock = ROOT, Clock()
    refused(lease, keys, 500)
    assert left(keys, 1) == 0


def test_t11_what_another_firmware_has_kept_stays_and_nobody_has_powered_seconds():
    flash = fresh()
    keys = car(flash)
    files.run(files.keep(ROOT, "calendar", 2, b"later"))
    keys = car(flash)
    assert len(keys.told) == 1 and BUILT <= keys.clock.time() <= BUILT + 1
    refused(lease, keys, 10)
    calendarfile.start(keys.clock, ROOT)
    asyncio.run(moment())
    assert bytes(files.read_sealed(FILES[0], 2)) == b"later" == bytes(files.read_sealed(FILES[1], 2))


def test_t12_what_cannot_be_kept_is_tried_again_in_a_while_and_is_over_until_then():
    flash = fresh()
    keys = car(flash)
    limit = lease(keys, 1000)
    keys.clock.advance(60)
    flash.fail_after(1, 5, True)
    assert keys.clock.due <= keys.clock.now()
    calendarfile.start(keys.clock, ROOT)
    asyncio.run(moment())
    keys.clock.advance(1)
    assert left(keys, limit) == 0
    assert keys.clock.now() < keys.clock.due <= keys.clock.now() + 30
    flash.fail_after(0)
    calendarfile.start(keys.clock, ROOT)
    asyncio.run(moment())
    assert left(keys, limit) >= 930


def test_the_last_second_that_can_be_kept_is_kept():
    flash = fresh()
    keys = car(flash)
    calendarfile.tell(keys.clock, 0xFFFFFFFF)
    keys.clock.advance(DAY)
    calendarfile.write(keys.clock, ROOT, 0)
    assert car(flash).clock.time() >= 0xFFFFFFFF
    limit = lease(keys, 0xFFFFFFFF)
    assert limit == 0xFFFFFFFE and left(keys, limit) > 0x7FFFFFFF
