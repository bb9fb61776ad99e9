# SPDX-License-Identifier: Apache-2.0
"""What the server is asked, under each policy, on one pair of axes: a PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from host_tools.fleet.simulation import MINUTE, Course

_COLOURS = ("#0b6e4f", "#c1121f", "#d98200")


def draw(courses: Sequence[Course], path: Path) -> None:
    """Requests a second over the hours since the outage began. The courses are of one scenario.

    Raises OSError.
    """
    scenario = courses[0].scenario
    hours = (np.arange(scenario.minutes) * MINUTE - scenario.begin) / 3600
    figure = Figure(figsize=(10, 5.6), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(0, scenario.outage / 3600, color="#e9e9e9", zorder=0)
    for order, (course, colour) in enumerate(zip(courses, _COLOURS, strict=True)):
        rate = np.where(course.asked > 0, course.asked / MINUTE, np.nan)  # a logarithm has no nought
        label = f"{course.policy.name}: peak after the outage {multiple(course.peak)} the steady rate"
        axes.plot(hours, rate, color=colour, linewidth=1.6, label=label, zorder=5 - order)  # the first on top
    lines = ((scenario.steady, "steady rate", "top"), (scenario.capacity, "capacity", "bottom"))
    for height, text, side in lines:
        axes.axhline(height, color="#333333", linewidth=0.9, linestyle=":")
        axes.annotate(
            f"{text}, {height:,.1f}/s", (0, height), xycoords=("axes fraction", "data"),
            xytext=(5, 4 if side == "bottom" else -7), textcoords="offset points", va=side, fontsize=9, color="#333333",
        )  # fmt: skip
    top = axes.get_ylim()[1]
    axes.set_yscale("log")
    axes.set_ylim(scenario.steady / 8, top * 4)
    axes.set_xlim(hours[0], hours[-1])
    axes.text(scenario.outage / 7200, scenario.steady / 7, "nothing answers", ha="center", va="bottom", fontsize=9)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_xlabel("hours since the outage began")
    axes.set_ylabel("requests per second (means of a minute)")
    hours_of = f"an interval of {scenario.interval / 3600:g} h, an outage of {scenario.outage / 3600:g} h"
    axes.set_title(f"{scenario.cars:,} cars, {hours_of}")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(loc="upper right", fontsize=9, framealpha=1)
    figure.savefig(path)


def multiple(value: float) -> str:
    """So many times something, with as many digits as are worth reading."""
    return f"{value:.0f} ×" if value >= 10 else f"{value:.1f} ×"  # noqa: RUF001 - the sign for times
