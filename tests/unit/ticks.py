# SPDX-License-Identifier: Apache-2.0
"""A millisecond counter as a 32-bit board has it: it comes round after 12.4 days, and the test winds it."""

PERIOD = 1 << 30
DAY = 86_400_000
# Silences around which differences of ticks go wrong: where the sign turns, where the counter comes round, and again.
SILENCES = [DAY // 24, DAY] + [
    turn * PERIOD // 2 + more for turn in (1, 2, 3, 4) for more in (-7_200_000, -2000, 2000, 7_200_000)
]


class Ticks:
    """In place of the module `time`."""

    def __init__(self, at=0):
        self.at = at

    def ticks_ms(self):
        return self.at % PERIOD

    ticks_us = ticks_ms

    def ticks_add(self, ticks, delta):
        return (ticks + delta) % PERIOD

    def ticks_diff(self, new, old):
        return (new - old + PERIOD // 2) % PERIOD - PERIOD // 2
