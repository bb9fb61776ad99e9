# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that needs nothing else: what was tested on what, how long it took, what failed."""

from __future__ import annotations

from pathlib import Path

from host_tools.report.plots import bars, figure, strips
from host_tools.report.results import FAILED, Result, Run, purpose
from host_tools.words import html

BUDGET = 50  # milliseconds
_STRETCHES = 20  # that are shown
_STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --paper: #ffffff; --card: #f6f8fa;
        --good: #1a7f4b; --bad: #c0292f; --skip: #8a6d1f; --plot: #2563a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --line: #323b47; --paper: #14181e;
        --card: #1c222a; --good: #4fc585; --bad: #ff7b7f; --skip: #d9b44a; --plot: #6fb1f5; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1000px; padding: 2rem 1.2rem 4rem; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 1rem; margin-bottom: 1rem }
.verdict { padding: .25rem .8rem; border-radius: 1rem; color: #fff; font-weight: 600 }
.verdict.good { background: var(--good) } .verdict.bad { background: var(--bad) }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .6rem }
.facts div { background: var(--card); border-radius: .5rem; padding: .5rem .8rem }
.facts dt, .soft { color: var(--soft); font-size: .85rem } .facts dd { margin: 0; overflow-wrap: anywhere }
dl { margin: 0 } ul { padding-left: 1.2rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; padding: .25rem .5rem .25rem 0 }
tr + tr td { border-top: 1px solid var(--line) } td.number { text-align: right; white-space: nowrap; width: 5rem }
.passed { color: var(--good) } .failed, .error { color: var(--bad) } .skipped { color: var(--skip) }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } .failure { border-left: 4px solid var(--bad) }
pre { overflow-x: auto; background: var(--card); border-radius: .5rem; padding: .7rem; margin: .4rem 0;
      font-size: 12.5px }
svg { width: 100%; height: auto; font: 13px system-ui, sans-serif; fill: var(--ink) }
svg circle { fill: var(--plot); opacity: .35 } svg rect { fill: var(--plot); opacity: .75 }
svg .median { stroke: var(--plot); stroke-width: 3 } svg .grid { stroke: var(--line) }
svg .axis, svg .figure { fill: var(--soft) }
"""


def page(run: Run, root: Path) -> str:
    """The report on a run. `root` is where its files of tests are."""
    verdict = "passed" if run.passed else f"{len(run.failures)} failed" if run.failures else "did not finish"
    parts = [
        f"<header><h1>Latchkey: acceptance run</h1>"
        f'<span class="verdict {"good" if run.passed else "bad"}">{html(verdict)}</span></header>',
        _facts(run),
    ]
    if run.failures:
        parts += ["<h2>What failed</h2>", *(_failure(result) for result in run.failures)]
    if run.measures:
        parts += [
            "<h2>How long things take</h2>",
            strips(run.measures),
            '<p class="soft">A dot for each time, a bar at the median. From the phone and back: through the serial '
            "port and both protocols. Inside the car: from the last byte in to the answer made.</p>",
        ]
    if run.stretches:
        parts += ["<h2>How long the loop was held</h2>", _stretches(run)]
    if run.notes:
        parts += ["<h2>Counted and measured</h2><ul>", *(f"<li>{html(note)}</li>" for note in run.notes), "</ul>"]
    parts += ["<h2>What was tested</h2>", *(_area(file, results, root) for file, results in run.files.items())]
    parts += ["<h2>Where the time went</h2>", bars(_durations(run))]
    title = f"Latchkey acceptance run, {run.started}: {verdict}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>\n'
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _facts(run: Run) -> str:
    board = run.board
    facts = {
        "board": f"{board.get('board', 'unknown')}" + (f" on {run.port}" if run.port else ", simulated"),
        "firmware": str(board.get("version", "unknown")),
        "MicroPython": str(board.get("micropython", "unknown")),
        "tests": f"{run.count('passed')} passed, {len(run.failures)} failed, {run.count('skipped')} skipped",
        "time": f"{run.started}, {figure(run.seconds)} s",
        **run.versions,
    }
    rows = "".join(f"<div><dt>{html(name)}</dt><dd>{html(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{rows}</dl>'


def _stretches(run: Run) -> str:
    """The deeds in which nobody else had a turn for longest."""
    rows = "".join(
        f'<tr><td>{html(stretch.deed)}</td><td>{html(stretch.who)}</td><td class="number'
        f'{" failed" if stretch.ms > BUDGET else ""}">{figure(stretch.ms)} ms</td></tr>'
        for stretch in run.stretches[:_STRETCHES]
    )
    over = sum(stretch.ms > BUDGET for stretch in run.stretches)
    where = "" if run.port else " These are times of this computer, which simulates the board."
    return (
        f"<table><tr><th>deed</th><th>held by</th><th>longest</th></tr>{rows}</table>"
        f'<p class="soft">The longest of {len(run.stretches)} deeds; {over} took more than the {BUDGET} ms '
        f"that an ESP32 may take.{where}</p>"
    )


def _failure(result: Result) -> str:
    sections = "".join(
        f"<details{' open' if title == 'Messages' else ''}><summary>{html(title)}</summary>"
        f"<pre>{html(text)}</pre></details>"
        for title, text in result.sections
    )
    return (
        f'<details class="failure" open><summary><b class="failed">{html(result.title)}</b> '
        f'<span class="soft">{html(result.test)}</span></summary><pre>{html(result.text)}</pre>{sections}</details>'
    )


def _area(file: str, results: list[Result], root: Path) -> str:
    bad = sum(result.outcome in FAILED for result in results)
    counted = f"{len(results)} tests" + (f', <b class="failed">{bad} failed</b>' if bad else "")
    rows = "".join(
        f'<tr><td>{html(result.title)}{_why(result)}</td><td class="{html(result.outcome)}">{html(result.outcome)}</td>'
        f'<td class="number soft">{figure(result.seconds)} s</td></tr>'
        for result in results
    )
    return (
        f"<details{' open' if bad else ''}><summary>{html(purpose(root / file))} "
        f'<span class="soft">{html(Path(file).name)}, {counted}</span></summary><table>{rows}</table></details>'
    )


def _why(result: Result) -> str:
    return f' <span class="soft">({html(result.text)})</span>' if result.outcome == "skipped" else ""


def _durations(run: Run) -> list[tuple[str, float]]:
    """Each file's time, the longest first."""
    sums = {file: sum(result.seconds for result in results) for file, results in run.files.items()}
    named = [(Path(file).stem.removeprefix("test_").replace("_", " "), seconds) for file, seconds in sums.items()]
    return sorted(named, key=lambda row: -row[1])
