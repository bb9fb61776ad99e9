# SPDX-License-Identifier: Apache-2.0
"""How long a car waits before it polls, so that a fleet never helps an outage along.

A roster is not urgent: nobody is stranded by a late one. So even the first try after a failure comes an interval later,
on average, and the windows grow from there: exponential backoff with full jitter. docs/fleet.md shows a million cars at
it, and host_tools/fleet/rules.py is the same in numpy.

A failure is a request without a useful answer. Without a network nobody was asked, and nothing has failed. All times
are seconds, below 2^23 and so small ints everywhere. A `number` is of 30 random bits, so that its remainder is even to
half a percent.
"""

from micropython import const

_USUAL = const(6 * 3600)
_SHORTEST = const(3600)
_LONGEST = const(7 * 86_400)
_DOUBLINGS = const(3)
_LONGEST_ASKED = const(86_400)  # a lying server is asked again all the same


def interval(asked: int) -> int:
    """The interval of a car whose roster asks for one of so many seconds, or for none (0): an hour to a week."""
    return min(max(asked or _USUAL, _SHORTEST), _LONGEST)


def first(interval: int, number: int) -> int:
    """From the start: any moment of the interval, as a whole city may have started in this second."""
    return number % interval


def after_success(interval: int, number: int) -> int:
    """The interval and up to half as long again, so that cars which came together drift apart."""
    return interval + number % (interval // 2)


def after_failure(interval: int, failures: int, retry_after: int, number: int) -> int:
    """After so many failures in a row (from 1): any moment of the next 2, then 4, then 8 intervals.

    They begin when the server's Retry-After (0: none was given) is over, of which at most a day is honoured.
    """
    return min(max(retry_after, 0), _LONGEST_ASKED) + number % (interval << min(failures, _DOUBLINGS))
