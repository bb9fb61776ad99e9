# SPDX-License-Identifier: Apache-2.0
"""The fleet, simulated: what its server is asked in and after an outage."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from host_tools.cli.answer import Answer
from host_tools.cli.options import Json
from host_tools.faults import Misuse
from host_tools.fleet import rules
from host_tools.fleet.policies import POLICIES
from host_tools.fleet.simulation import Scenario, simulate, steady
from host_tools.words import Screen

OUT = Path("build/fleet")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FEWEST, _MOST = 10_000, 100_000_000
_SHORTEST, _LONGEST = 60, 7 * 86_400  # of outages


def fleet(
    cars: Annotated[int, typer.Option("--cars", metavar="N", help="How many cars.")] = 1_000_000,
    outage: Annotated[str, typer.Option("--outage", metavar="TIME", help="How long nothing answers.")] = "5h",
    interval: Annotated[str, typer.Option("--interval", metavar="TIME", help="What the roster asks for.")] = "6h",
    capacity: Annotated[
        float | None,
        typer.Option(
            "--capacity",
            metavar="RATE",
            help="Requests a second that the server answers. [default: twice the steady rate]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Other random numbers.")] = 1,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where fleet.png and fleet.json go.")] = OUT,
    as_json: Json = False,
) -> None:
    """Simulate a fleet's polls through an outage of its server: the firmware's rules beside two others."""
    with Answer(as_json) as answer:
        scenario = _scenario(cars, outage, interval, capacity, seed)
        out.mkdir(parents=True, exist_ok=True)
        courses = []
        with _progress(answer, len(POLICIES) * scenario.minutes) as follow:
            for policy in POLICIES:
                courses.append(simulate(policy, scenario, follow(policy.name)))
        from host_tools.fleet import plot  # slow to import

        picture, figures = out / "fleet.png", out / "fleet.json"
        plot.draw(courses, picture)
        told = {**scenario.told(), "policies": [course.told() for course in courses]}
        by_minute = {course.policy.name: course.asked.tolist() for course in courses}
        figures.write_text(json.dumps({**told, "asked_by_minute": by_minute}) + "\n", "utf-8")
        table = Table(title=f"steady rate: {scenario.steady:,.1f} requests a second")
        for column in ("policy", "peak in the outage", "peak after it", "refused", "99 % answered after"):
            table.add_column(column, justify="left" if column == "policy" else "right")
        for course in courses:
            late = "not yet" if course.recovered is None else f"{course.recovered / 3600:.1f} h"
            peaks = (plot.multiple(course.peak_during), plot.multiple(course.peak))
            table.add_row(course.policy.name, *peaks, f"{course.refused.sum():,}", late)
        answer.show(table)
        answer.done(f"{picture}, {figures}", did="fleet", **told, files=[str(picture), str(figures)])


def _scenario(cars: int, outage: str, interval: str, capacity: float | None, seed: int) -> Scenario:
    """Raises Misuse."""
    if not _FEWEST <= cars <= _MOST:
        raise Misuse(f"{cars:,} cars", f"from {_FEWEST:,}, below which chance is larger than any wave, to {_MOST:,}")
    seconds = _seconds("--interval", interval, rules.SHORTEST, rules.LONGEST)
    usual = steady(cars, seconds)
    if capacity is None:
        capacity = 2 * usual
    if not usual < capacity < float("inf"):
        hint = f"give a number above the {usual:,.4g} that this fleet asks while all is well"
        raise Misuse(f"a server for {capacity:g} requests a second", hint)
    return Scenario(cars, _seconds("--outage", outage, _SHORTEST, _LONGEST), seconds, capacity, seed)


def _seconds(option: str, text: str, shortest: int, longest: int) -> int:
    """A duration such as 90s, 30m, 5h, 2d or 1h30m. Raises Misuse."""
    if not re.fullmatch(r"(?:[0-9]{1,9}[smhd])+", text):
        raise Misuse(f"{option} {text!r} is no time", "a number and its unit, s, m, h or d: 5h, or 1h30m")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", text))
    if not shortest <= seconds <= longest:
        raise Misuse(f"{option} {text}", f"from {_about(shortest)} to {_about(longest)}")
    return seconds


def _about(seconds: int) -> str:
    """A limit, in the largest unit that it is a whole number of."""
    unit = max((unit for unit in _UNITS if seconds % _UNITS[unit] == 0), key=lambda unit: _UNITS[unit])
    return f"{seconds // _UNITS[unit]}{unit}"


@contextlib.contextmanager
def _progress(answer: Answer, minutes: int) -> Iterator[Callable[[str], Callable[[], None]]]:
    """A bar on a terminal. Gives who follows a policy, by its name."""
    console = Screen(stderr=True)
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    hidden = answer.as_json or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=minutes)

        def follow(name: str) -> Callable[[], None]:
            bar.update(task, description=name)
            return lambda: bar.advance(task)

        yield follow
