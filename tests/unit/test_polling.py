# SPDX-License-Identifier: Apache-2.0
"""The waits between polls: their bounds, for whatever a roster, a server and chance may say."""

from latchkey.sync import polling

HOUR, DAY, WEEK = 3600, 86_400, 604_800
INTERVALS = (HOUR, 6 * HOUR, 12_345, WEEK)
NUMBERS = (0, 1, HOUR, 12_345_678, (1 << 30) - 1)


def test_a_roster_without_a_wish_is_asked_for_four_times_a_day():
    assert polling.interval(0) == 6 * HOUR


def test_a_roster_may_lengthen_the_interval():
    assert polling.interval(6 * HOUR + 1) == 6 * HOUR + 1
    assert polling.interval(3 * DAY) == 3 * DAY


def test_a_roster_cannot_shorten_it_below_an_hour():
    assert polling.interval(HOUR) == HOUR
    for asked in (HOUR - 1, 30, 1, -1, -(1 << 40)):
        assert polling.interval(asked) == HOUR, asked


def test_a_roster_cannot_lengthen_it_beyond_a_week():
    for asked in (WEEK, WEEK + 1, 1_000_000_000, 1 << 31, 1 << 64):
        assert polling.interval(asked) == WEEK, asked


def test_the_first_poll_may_be_at_any_moment_of_the_interval():
    for interval in INTERVALS:
        assert polling.first(interval, 0) == 0
        assert polling.first(interval, interval - 1) == interval - 1
        assert polling.first(interval, interval) == 0


def test_an_answered_poll_is_followed_after_the_interval_and_up_to_half_as_long_again():
    for interval in INTERVALS:
        assert polling.after_success(interval, 0) == interval
        most = interval // 2 - 1
        assert polling.after_success(interval, most) == interval + most
        for number in NUMBERS:
            assert interval <= polling.after_success(interval, number) < interval * 3 // 2


def test_each_failure_in_a_row_doubles_the_window_up_to_eight_intervals():
    for interval in INTERVALS:
        for failures, intervals in ((1, 2), (2, 4), (3, 8), (4, 8), (1000, 8)):
            window = interval * intervals
            assert polling.after_failure(interval, failures, 0, 0) == 0
            assert polling.after_failure(interval, failures, 0, window - 1) == window - 1
            assert polling.after_failure(interval, failures, 0, window) == 0


def test_retry_after_is_waited_for_and_then_the_cars_are_spread_all_the_same():
    for number in NUMBERS:
        spread = polling.after_failure(HOUR, 1, 0, number)
        assert polling.after_failure(HOUR, 1, 120, number) == 120 + spread
        assert polling.after_failure(HOUR, 1, DAY, number) == DAY + spread


def test_a_lying_server_is_asked_again_after_a_day_and_one_of_the_past_says_nothing():
    for asked in (DAY + 1, 1_000_000_000, 1 << 31, 1 << 64):
        assert polling.after_failure(HOUR, 1, asked, 5) == DAY + 5, asked
    for asked in (-1, -1_000_000_000, -(1 << 64)):
        assert polling.after_failure(HOUR, 1, asked, 5) == 5, asked


def test_no_wait_leaves_the_small_ints_whatever_is_asked():
    longest = polling.interval(1 << 64)
    for number in NUMBERS:
        for failures in (1, 3, 1 << 20):
            assert 0 <= polling.after_failure(longest, failures, 1 << 64, number) < 1 << 23
        assert 0 <= polling.after_success(longest, number) < 1 << 23
