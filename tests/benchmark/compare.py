# SPDX-License-Identifier: Apache-2.0
"""Runs made into a result, and two results into ratios.

A time is compared as a multiple of the loop that was timed beside it, so that a result of another, or a busier,
computer can be compared: its interpreter is as much slower at the loop. That takes out what all code shares, not what
differs between processors. Counts are compared as they are.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.table import Table

from tests.benchmark.measures import Figures


@dataclass
class Time:
    """Microseconds: the median of some runs, and how far apart their quartiles are. `loops`: the median of the same
    times as multiples of the loop."""

    median: float
    spread: float
    loops: float


@dataclass
class Result:
    """`by` says which interpreter and what kind of computer it is of."""

    by: dict[str, str]
    times: dict[str, Time] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, by: dict[str, str], runs: Iterable[Figures]) -> Result:
        """Of all runs of all parts."""
        taken: dict[str, list[tuple[float, float]]] = {}
        counted: dict[str, list[float]] = {}
        for run in runs:
            for name, value in run.times.items():
                taken.setdefault(name, []).append((value, value / run.reference))
            for name, value in run.counts.items():
                counted.setdefault(name, []).append(value)
        result = cls(by)
        for name, pairs in taken.items():
            values, loops = zip(*pairs, strict=True)
            first, median, third = _quartiles(values)
            result.times[name] = Time(median, third - first, statistics.median(loops))
        result.counts = {name: statistics.median(values) for name, values in counted.items()}
        return result

    @classmethod
    def read(cls, content: dict[str, Any]) -> Result:
        """What `write` gave. Raises KeyError or TypeError for anything else."""
        times = {name: Time(**time) for name, time in content["times"].items()}
        return cls(content["by"], times, dict(content["counts"]))

    def write(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    def ratios(self, other: Result) -> dict[str, float]:
        """This divided by the other one, of all that both have and that is not zero there."""
        mine, others = ({**{name: time.loops for name, time in each.times.items()}, **each.counts}
                        for each in (self, other))  # fmt: skip
        return {name: value / others[name] for name, value in mine.items() if others.get(name)}


def _quartiles(values: Sequence[float]) -> Sequence[float]:
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3


def tables(result: Result, other: Result | None, name: str) -> tuple[Table, Table]:
    """Times and counts, and how they stand to another result, whose name heads the column."""
    ratios = result.ratios(other) if other else {}
    times = Table("time", title="microseconds on this computer; ratios of multiples of a loop timed beside them")
    counts = Table("count", title="counted: the same on every computer that runs this interpreter")
    for table, columns in ((times, ("median", "spread")), (counts, ("now",))):
        for column in (*columns, *([f"/ {name}"] if other else [])):
            table.add_column(column, justify="right")
    for what, time in result.times.items():
        times.add_row(what, f"{time.median:,.1f}", f"{time.spread:,.1f}", *_ratio(what, ratios, other))
    for what, count in result.counts.items():
        counts.add_row(what, f"{count:,.0f}", *_ratio(what, ratios, other))
    return times, counts


def _ratio(what: str, ratios: dict[str, float], other: Result | None) -> list[str]:
    if other is None:
        return []
    return [f"{ratios[what]:.3f}" if what in ratios else "new"]
