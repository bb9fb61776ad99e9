# SPDX-License-Identifier: Apache-2.0
"""The clock: whole seconds that never step back, over the wrap of the millisecond counter."""

from latchkey import clock


class Ticks:
    """A millisecond counter of 30 bits, as every port has it, set by the test."""

    PERIOD = 1 << 30

    def __init__(self, at):
        self.at = at

    def ticks_ms(self):
        return self.at % self.PERIOD

    def ticks_diff(self, new, old):
        half = self.PERIOD // 2
        return (new - old + half) % self.PERIOD - half


def with_ticks(at):
    ticks = Ticks(at)
    clock.time = ticks
    return ticks, clock.Clock()


def test_seconds_are_whole_and_none_is_lost():
    ticks, now = with_ticks(0)
    for _ in range(1000):
        ticks.at += 333
        now.now()
    assert now.now() == 333


def test_the_counter_may_wrap():
    ticks, now = with_ticks(Ticks.PERIOD - 1500)
    assert now.now() == 0
    ticks.at += 3000
    assert now.now() == 3


def test_fifty_days_pass():
    ticks, now = with_ticks(12345)
    for _ in range(50 * 24):
        ticks.at += 3_600_000
        now.now()
    assert now.now() == 50 * 24 * 3600


def test_it_steps_forward_and_never_back():
    ticks, now = with_ticks(0)
    assert now.advance(120) == 120
    ticks.at += 1000
    assert now.now() == 121
    try:
        now.advance(-1)
    except ValueError:
        assert now.now() == 121
        return
    raise AssertionError("time stepped back")
