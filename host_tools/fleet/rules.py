# SPDX-License-Identifier: Apache-2.0
"""How long cars wait before they poll: firmware/latchkey/sync/polling.py in numpy, for many cars at once.

Seconds. A number is of 30 random bits, one for each car. docs/fleet.md says why they are as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

BITS = 30
USUAL, SHORTEST, LONGEST = 6 * 3600, 3600, 7 * 86_400
DOUBLINGS = 3
LONGEST_ASKED = 86_400


def interval(asked: Integers) -> Integers:
    """The interval of cars whose rosters ask for one, or for none (0)."""
    return np.minimum(np.maximum(np.where(asked == 0, USUAL, asked), SHORTEST), LONGEST)


def first(interval: int | Integers, numbers: Integers) -> Integers:
    """From a start to the first poll."""
    return numbers % interval


def after_success(interval: int | Integers, numbers: Integers) -> Integers:
    """After a poll that was answered."""
    return interval + numbers % (interval // 2)


def after_failure(
    interval: int | Integers, failures: int | Integers, retry_after: int | Integers, numbers: Integers
) -> Integers:
    """After so many failures in a row, from 1, the last of them with that Retry-After (0: none)."""
    windows = np.left_shift(interval, np.minimum(failures, DOUBLINGS))
    return np.minimum(np.maximum(retry_after, 0), LONGEST_ASKED) + numbers % windows


def mean_after_success(interval: int) -> float:
    """What cars wait on average while all is well."""
    return interval + (interval // 2 - 1) / 2
