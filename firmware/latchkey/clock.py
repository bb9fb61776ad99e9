# SPDX-License-Identifier: Apache-2.0
"""Monotonic seconds since boot, from a millisecond counter that comes round every 12.4 days; and what the car knows of
the time beyond its own start (docs/protocol.md, "Time").

Durations of seconds and more are the Clock's; what is measured in milliseconds, in interrupts above all, goes through
`elapsed`. Nothing else in the firmware takes differences of ticks.
"""

import time

from micropython import const

_BUILT = const(1795564800)  # 2026-11-25: it is later than that wherever this runs
_NONE = const(0xFFFFFFFF)
_ROUND = const(0x3FFFFFFF)
_HOUR = const(3600)
_MINUTE = const(0x3FFF0000)  # about one before the counter comes round


def elapsed(now: int, then: int) -> int:
    """Ticks from `then` to `now`, never negative: 0 when an interrupt has taken `then` after `now`, up to a minute.

    It comes round with the counter, after 12.4 days of milliseconds: who keeps a tick marks it as old within a day.
    """
    ticks = (now - then) & _ROUND
    return ticks if ticks < _MINUTE else 0


class Clock:
    """`now` has to be called at least once in twelve days; the agent's housekeeping calls it every second.

    `known`: somebody who may has told the time since this start. How late it is at least, and for how many seconds the
    car has been powered in all, is kept in flash (store/calendarfile.py), the latter ahead of time: what may have been
    spent before a power cut is spent. Without that there is no total: nobody has any powered seconds.
    """

    def __init__(self) -> None:
        self._ticks = time.ticks_ms()
        self._millis = 0
        self._seconds = 0
        self.known = False
        self.least = _BUILT  # seconds since 1970 that it was at least when this start began,
        self.base = self.ahead = _NONE  # the powered seconds then, and those that the flash has
        self.until = 0  # where the last of all limits ends
        self.since = 0  # when powered seconds were first counted
        self.due = _HOUR  # when it is to be kept again

    def now(self) -> int:
        """Whole seconds since boot: never steps back, fits a small int for 34 years."""
        ticks = time.ticks_ms()
        more = elapsed(ticks, self._ticks)
        self._ticks = ticks
        self._seconds += more // 1000
        self._millis += more % 1000  # apart: together they could leave the small ints
        if self._millis >= 1000:
            self._seconds += 1
            self._millis -= 1000
        return self._seconds

    def time(self) -> int:
        """Seconds since 1970, at least."""
        return self.least + self.now()

    def powered(self) -> int:
        """Seconds for which the car has been powered in all: a limit is one of these."""
        return self.base + self.now()

    def advance(self, seconds: int) -> int:
        """Step forward (the bench's hand); never back. Returns the new time."""
        if seconds < 0:
            raise ValueError("time never steps back")
        self._seconds += seconds
        return self.now()
