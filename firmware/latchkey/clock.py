# SPDX-License-Identifier: Apache-2.0
"""Monotonic seconds since boot, from a millisecond counter that wraps every 12.4 days.

`now()` has to be called at least once in six days; the agent's housekeeping calls it every second.
"""

import time


class Clock:
    def __init__(self) -> None:
        self._ticks = time.ticks_ms()
        self._millis = 0
        self._seconds = 0

    def now(self) -> int:
        """Whole seconds since boot: never steps back, fits a small int for 34 years."""
        ticks = time.ticks_ms()
        self._millis += time.ticks_diff(ticks, self._ticks)
        self._ticks = ticks
        if self._millis >= 1000:
            self._seconds += self._millis // 1000
            self._millis %= 1000
        return self._seconds

    def advance(self, seconds: int) -> int:
        """Step forward (the bench's hand); never back. Returns the new time."""
        if seconds < 0:
            raise ValueError("time never steps back")
        self._seconds += seconds
        return self.now()
