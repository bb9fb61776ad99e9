# SPDX-License-Identifier: Apache-2.0
"""The acceptance run: the bench suite on a car, with its progress, a JUnit file and a report to read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from host_tools.cli.answer import Answer
from host_tools.cli.options import PATIENCE, Json, Port, Timeout
from host_tools.places import ROOT
from host_tools.report import run as acceptance
from host_tools.report.results import FAILED, Result, Run, purpose, sentence
from host_tools.words import Screen

app = typer.Typer(help="The bench suite: does a car do all that it should?", add_completion=False)

OUT = Path("build/bench")


@app.callback()
def _bench() -> None:
    """The bench suite: does a car do all that it should?"""


@app.command("run")
def run(
    tests: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Files of tests, if not all of tests/bench.")
    ] = None,
    port: Port = None,
    select: Annotated[
        str | None, typer.Option("-k", "--select", metavar="WORDS", help="Only tests with such names, as pytest's -k.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where report.html and junit.xml go.")] = OUT,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run: what failed in it, then what it did not reach.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Run on a car that has keys: it forgets them.")] = False,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Run the bench suite on the car at --port, or on a simulated one. The car becomes a new one, without keys."""
    with Answer(as_json) as answer:
        if port:
            acceptance.check_car(port, timeout, force)
        with _progress(answer) as follow:
            done = acceptance.run(port, out, tests or [], select, follow, resume)
        files = {name: str(out / name) for name in ("report.html", "junit.xml")}
        if done.interrupted:
            answer.say(f"Interrupted after {len(done.results)} of {len(done.tests)} tests: {files['report.html']}")
            raise KeyboardInterrupt
        if not done.passed:
            failed = acceptance.SuiteFailed(
                f"{len(done.failures)} of {len(done.results)} tests failed", f"see {files['report.html']}"
            )
            failed.details = {**done.told(), "files": files}
            raise failed
        for note in done.notes:
            answer.say(f"  {note}")
        skipped = f", {done.count('skipped')} skipped" if done.count("skipped") else ""
        answer.done(
            f"{done.count('passed')} tests passed{skipped} in {done.seconds:.0f} s: {files['report.html']}",
            did="bench run",
            **done.told(),
            files=files,
        )


def _about(seconds: float) -> str:
    """A time to wait, no more exact than it is known."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {max(1, round(seconds))} s"


@contextlib.contextmanager
def _progress(answer: Answer) -> Iterator[acceptance.Follow]:
    """Who follows the run: a bar on a terminal, a line for each file elsewhere, nobody with --json."""
    if answer.as_json:
        yield lambda run, result, test, file: None
        return
    console = Screen(stderr=True)
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)
        begun: set[str] = set()

        def follow(run: Run, result: Result | None, test: str, file: str) -> None:
            if file and file not in begun:
                begun.add(file)
                left = run.seconds_left
                answer.say(purpose(ROOT / file) + (f" ({_about(left)} left)" if left else ""))
            if result is None:
                bar.update(task, total=len(run.tests) or None, description=sentence(test)[:60] or "collected")
                return
            bar.update(task, completed=len(run.results))
            if result.outcome in FAILED:
                answer.say(f"  FAILED {result.title}")

        yield follow
