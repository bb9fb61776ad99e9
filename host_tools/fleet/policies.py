# SPDX-License-Identifier: Apache-2.0
"""Three ways to take a failure. While all is well they are the same: the firmware's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from host_tools.fleet import rules
from host_tools.fleet.rules import Integers

_EVERY = 30
_CAP = 3600


@dataclass(frozen=True)
class Policy:
    """What a fleet does about failures."""

    name: str
    levels: int
    """From so many failures in a row on, another one changes nothing."""
    alike: bool
    """All who fail in the same second wait equally long: one number draws for them all."""
    after_failure: Callable[[int, int, int, Integers], Integers]
    """Interval, failures in a row, Retry-After and random numbers, to seconds: a wait for each number."""


def _fixed(interval: int, failures: int, retry_after: int, numbers: Integers) -> Integers:
    return np.full(len(numbers), _EVERY)


def _doubling(interval: int, failures: int, retry_after: int, numbers: Integers) -> Integers:
    return np.full(len(numbers), max(retry_after, min(_EVERY << (failures - 1), _CAP)))


POLICIES = (
    Policy("Latchkey's rules", rules.DOUBLINGS, False, rules.after_failure),
    Policy("every 30 s, no backoff", 1, True, _fixed),
    Policy("backoff from 30 s to 1 h, no jitter", 8, True, _doubling),
)
