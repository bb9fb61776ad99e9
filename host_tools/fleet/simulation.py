# SPDX-License-Identifier: Apache-2.0
"""One fleet, one server, one outage, second by second.

Cars are alike, so what is kept is not which car does what, but how many are due in each second after how many failures.
Each car has its own random numbers all the same. The server answers what its capacity allows and refuses the rest
(503, Retry-After); in the outage nothing answers. The fleet begins as one that has been on the road for long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from host_tools.fleet import rules
from host_tools.fleet.policies import Policy
from host_tools.fleet.rules import Integers

MINUTE = 60
RETRY_AFTER = 120
"""Seconds, in every 503."""
_BEFORE, _AFTER = 1, 4  # intervals
_RECOVERED = 0.01  # of the fleet still unanswered


@dataclass(frozen=True)
class Scenario:
    """What happens: seconds, and requests a second."""

    cars: int
    outage: int
    interval: int
    capacity: float
    seed: int = 0

    @property
    def steady(self) -> float:
        """What the fleet asks while all is well."""
        return steady(self.cars, self.interval)

    @property
    def end(self) -> int:
        """When the outage is over: at a full minute."""
        return -(-(_BEFORE * self.interval + self.outage) // MINUTE) * MINUTE

    @property
    def begin(self) -> int:
        return self.end - self.outage

    @property
    def minutes(self) -> int:
        """The length of it all."""
        return (self.end + _AFTER * self.interval) // MINUTE

    def told(self) -> dict[str, object]:
        """The same for JSON."""
        rates = {"capacity_per_s": round(self.capacity, 3), "steady_per_s": round(self.steady, 3)}
        lengths = {"outage_s": self.outage, "interval_s": self.interval, "begin_s": self.begin, "end_s": self.end}
        return {"cars": self.cars, "seed": self.seed, **lengths, **rates}


def steady(cars: int, interval: int) -> float:
    """Requests a second of so many cars while all is well."""
    return cars / rules.mean_after_success(interval)


@dataclass
class Course:
    """What came of it under one policy, a figure each minute."""

    policy: Policy
    scenario: Scenario
    asked: Integers
    refused: Integers
    failing: Integers
    """Cars whose last poll failed, at the minute's end."""

    @property
    def peak_during(self) -> float:
        """The busiest minute of the outage, as a multiple of the steady rate."""
        begin = self.scenario.begin // MINUTE
        return self._multiple(self.asked[begin : self.scenario.end // MINUTE])

    @property
    def peak(self) -> float:
        """The busiest minute after it, as a multiple of the steady rate."""
        return self._multiple(self.asked[self.scenario.end // MINUTE :])

    @property
    def recovered(self) -> int | None:
        """Seconds from the outage's end until fewer than 1 car in 100 waits for an answer; None: not in this time."""
        failing = self.failing[self.scenario.end // MINUTE :] > _RECOVERED * self.scenario.cars
        minutes = int(np.flatnonzero(failing)[-1]) + 1 if failing.any() else 0
        return minutes * MINUTE if minutes < len(failing) else None

    def _multiple(self, asked: Integers) -> float:
        return float(asked.max()) / MINUTE / self.scenario.steady

    def told(self) -> dict[str, object]:
        """The figures, for JSON."""
        return {
            "policy": self.policy.name,
            "peak_during_outage": round(self.peak_during, 3),
            "peak_after_outage": round(self.peak, 3),
            "refused": int(self.refused.sum()),
            "recovered_s": self.recovered,
        }


class _Fleet:
    """How many cars are due in each second (columns), after how many failures in a row (rows)."""

    def __init__(self, policy: Policy, scenario: Scenario, rng: np.random.Generator) -> None:
        self._policy, self._scenario, self._rng = policy, scenario, rng
        self._end = scenario.minutes * MINUTE  # the last column: those who come later than all this
        self._due = np.zeros((policy.levels + 1, self._end + 1), np.int64)
        self._due[0] = np.bincount(np.minimum(self._long_on_the_road(), self._end), minlength=self._end + 1)

    def _long_on_the_road(self) -> Integers:
        """What is left of a wait that somebody looks in on: a long one is met more often, each at any moment of it."""
        left = np.empty(0, np.int64)
        longest = 1.5 * self._scenario.interval
        while len(left) < self._scenario.cars:
            waits = rules.after_success(self._scenario.interval, self._numbers(self._scenario.cars))
            met = waits[self._rng.random(len(waits)) * longest < waits]
            left = np.concatenate((left, (met * self._rng.random(len(met))).astype(np.int64)))
        return left[: self._scenario.cars]

    def due(self, second: int) -> Integers:
        """Who polls now, by failures so far."""
        return self._due[:, second].copy()

    def answered(self, second: int, cars: int) -> None:
        """They have got a roster."""
        waits = rules.after_success(self._scenario.interval, self._numbers(cars))
        self._later(0, second, cars, waits)

    def failed(self, second: int, cars: int, failures: int, retry_after: int) -> None:
        """They have not, for so many times in a row."""
        numbers = self._numbers(1 if self._policy.alike else cars)
        waits = self._policy.after_failure(self._scenario.interval, failures, retry_after, numbers)
        self._later(min(failures, self._policy.levels), second, cars, waits)

    def _numbers(self, count: int) -> Integers:
        return self._rng.integers(0, 1 << rules.BITS, count)

    def _later(self, level: int, second: int, cars: int, waits: Integers) -> None:
        when = np.minimum(second + np.maximum(waits, 1), self._end)
        np.add.at(self._due[level], when, cars // len(waits))


class _Server:
    """Answers so many requests a second, counted over a minute, so that chance alone makes no refusals."""

    def __init__(self, capacity: float, rng: np.random.Generator) -> None:
        self._capacity, self._rng = capacity, rng
        self._room = self._most = capacity * MINUTE

    def serve(self, due: Integers) -> Integers:
        """In the next second: which of them it answers, each as likely as another."""
        self._room = min(self._room + self._capacity, self._most)
        count = int(due.sum())
        served = min(count, int(self._room))
        self._room -= served
        return due if served == count else self._rng.multivariate_hypergeometric(due, served)


def simulate(policy: Policy, scenario: Scenario, follow: Callable[[], None]) -> Course:
    """A fleet under this policy, from an interval before the outage to four after it; `follow` hears each minute."""
    rng = np.random.default_rng(scenario.seed)
    fleet, server = _Fleet(policy, scenario, rng), _Server(scenario.capacity, rng)
    asked, refused, failing = (np.zeros(scenario.minutes, np.int64) for _ in range(3))
    behind = 0
    for second in range(scenario.minutes * MINUTE):
        minute = second // MINUTE
        silent = scenario.begin <= second < scenario.end
        due = fleet.due(second)
        served = np.zeros_like(due) if silent else server.serve(due)
        failed = due - served
        count, answered = int(due.sum()), int(served.sum())
        if answered:
            fleet.answered(second, answered)
        if answered < count:
            for level in np.flatnonzero(failed):
                fleet.failed(second, int(failed[level]), int(level) + 1, 0 if silent else RETRY_AFTER)
        behind += int(failed[0]) - (answered - int(served[0]))
        asked[minute] += count
        refused[minute] += 0 if silent else count - answered
        failing[minute] = behind
        if second % MINUTE == MINUTE - 1:
            follow()
    return Course(policy, scenario, asked, refused, failing)
