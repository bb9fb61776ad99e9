# SPDX-License-Identifier: Apache-2.0
"""No silence, however long, makes ticks lie: each class that keeps one, over gaps of an hour to four weeks."""

import sys
import time

from latchkey import clock
from latchkey.faults import Fault
from latchkey.link import frames, serial
from latchkey.link.connection import Connection
from ticks import DAY, PERIOD, SILENCES, Ticks

MINUTE = 0x10000
STARTS = (0, 5, PERIOD // 2 - 7, PERIOD - 3)  # of the counter


def patched(module, ticks, *names):
    for name in names:
        setattr(module, name, getattr(ticks, name))


def test_time_that_passed_is_never_negative():
    for start in STARTS:
        for silence in [0, 1, 999] + SILENCES:
            ticks = Ticks(start)
            then = ticks.ticks_ms()
            ticks.at += silence
            passed = silence % PERIOD
            if passed >= PERIOD - MINUTE:
                passed = 0  # as good as a tick that is a moment ahead
            assert clock.elapsed(ticks.ticks_ms(), then) == passed, (start, silence)


def test_a_tick_that_an_interrupt_took_a_moment_later_is_no_time_ago():
    for start in STARTS:
        for early in (1, 50, 60_000):
            assert clock.elapsed(start, (start + early) % PERIOD) == 0


def test_the_clock_never_steps_back_and_loses_nothing_while_it_is_looked_at_once_in_twelve_days():
    for start in STARTS:
        for silence in SILENCES:
            ticks = Ticks(start)
            clock.time = ticks
            now = clock.Clock()
            ticks.at += silence
            if silence < PERIOD - MINUTE:
                assert now.now() == silence // 1000, (start, silence)
            before = now.now()
            ticks.at += 1000
            assert now.now() == before + 1


def test_a_connection_that_was_silent_for_days_has_its_allowance_back():
    for start in STARTS:
        for silence in SILENCES:
            ticks = Ticks(start)
            clock.time = ticks
            now = clock.Clock()
            limiter = Connection("a phone")
            limiter.check(now.now())
            for _ in range(9):
                limiter.bad_tag()
            for _ in range(silence // (DAY // 4)):
                ticks.at += DAY // 4
                now.now()  # housekeeping
            ticks.at += silence % (DAY // 4)
            limiter.check(now.now())


def test_an_allowance_that_is_spent_comes_back_by_one_a_second():
    limiter = Connection("a phone")
    limiter.check(100)
    for _ in range(8):
        limiter.bad_tag()
    try:
        limiter.check(100)
    except Fault as fault:
        assert fault.code == 1  # BUSY
    else:
        raise AssertionError("a spent allowance lets pass")
    limiter.check(101)
    limiter.bad_tag()
    for _ in range(2):
        try:
            limiter.check(101)
        except Fault:
            continue
        raise AssertionError("it came back twice in one second")


def test_half_a_message_is_abandoned_after_any_silence():
    for start in STARTS:
        for silence in [1001] + SILENCES:
            ticks = Ticks(start)
            assembler = frames.Assembler()
            assert not list(assembler.feed(b"\x00\x04ab", ticks.ticks_ms()))
            left = silence
            while left > 0:  # as the link's tick does; once a day is enough
                step = min(left, DAY)
                ticks.at += step
                left -= step
                assembler.tick(ticks.ticks_ms())
            messages = [bytes(message) for message in assembler.feed(b"\x00\x02ok", ticks.ticks_ms())]
            assert messages == [b"ok"], (start, silence)


def test_a_host_that_is_silent_has_left_after_any_silence():
    class Port:
        def write(self, data):
            pass

    for start in STARTS:
        for silence in [15_000] + SILENCES:
            if not 15_000 <= silence % PERIOD < PERIOD - MINUTE:
                continue  # by then it has been looked at a million times
            ticks = Ticks(start)
            patched(serial, ticks, "ticks_ms")
            link = serial.SerialLink(None, None, dict, Port())
            for byte in b"@S0700.b85b766c\n":
                link._feed(byte)
            assert link._attached
            ticks.at += 14_000
            link.tick()
            assert link._attached
            ticks.at += silence - 14_000
            link.tick()
            assert not link._attached, (start, silence)
    serial.ticks_ms = time.ticks_ms


def test_the_watchdog_is_fed_after_any_silence():
    sys.path.append("boards/UNIX")
    try:
        import machine
    finally:
        sys.path.pop()
    if not hasattr(machine, "_FEED_MS"):
        return  # a board's own
    before = machine.ticks_ms
    try:
        for start in STARTS:
            for silence in SILENCES:
                ticks = Ticks(start)
                machine.ticks_ms = ticks.ticks_ms
                watchdog = machine.WDT(timeout=8000)
                fed = watchdog.count
                ticks.at += silence
                watchdog.feed()
                assert watchdog.count == fed + 1, (start, silence)
    finally:
        machine.ticks_ms = before
