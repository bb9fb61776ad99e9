# SPDX-License-Identifier: Apache-2.0
"""What a run of the bench suite found: every test's outcome, what was counted and measured, and on which board."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAILED = ("failed", "error")


@dataclass(frozen=True)
class Measure:
    """How long something took, each time."""

    name: str
    unit: str
    values: list[float]

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.values)


@dataclass(frozen=True)
class Stretch:
    """How long a car held its loop at most in one test, and who did."""

    deed: str
    ms: float
    who: str


@dataclass(frozen=True)
class Result:
    """One test."""

    test: str
    file: str
    outcome: str  # passed, failed, skipped, or error: its fixtures failed
    seconds: float
    text: str = ""
    sections: list[tuple[str, str]] = field(default_factory=list)
    properties: list[tuple[str, Any]] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)  # seconds of each

    @property
    def title(self) -> str:
        """The test's name as the sentence that it is."""
        return sentence(self.test)

    def seconds_with(self, restart: float | None) -> float:
        """How long it takes where a restart takes that long; None: as it was."""
        return self.seconds + sum(restart - took for took in self.restarts if restart is not None)


@dataclass
class Run:
    """The whole run, as far as it has got."""

    port: str | None
    started: str
    versions: dict[str, str]
    tests: list[str] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False
    before: Run | None = None
    """The last run in the same folder."""
    results: dict[str, Result] = field(default_factory=dict)

    def take(self, told: dict[str, Any]) -> Result | None:
        """One line of what the run tells. The result that is in it."""
        if told.get("event") == "collected":
            self.tests += [test for test in told["tests"] if test not in self.tests]
        if told.get("event") == "resumed":  # what failed is run again
            self.results = {test: result for test, result in self.results.items() if result.outcome not in FAILED}
        if told.get("event") != "result":
            return None
        result = Result(
            told["test"],
            told["file"],
            told["outcome"],
            told["seconds"],
            told["text"],
            sections=[(str(title), str(text)) for title, text in told["sections"]],
            properties=[(str(name), value) for name, value in told["properties"]],
            restarts=told["restarts"],
        )
        known = self.results.get(result.test)
        if known is None or known.outcome not in FAILED:  # a teardown that fails counts; it hides no failure
            self.results[result.test] = result
        return result

    @property
    def unfinished(self) -> list[str]:
        """The tests that have not passed: first those that failed, then those that did not have their turn."""
        return [result.test for result in self.failures] + self._waiting

    @property
    def seconds_left(self) -> float | None:
        """How long the tests that wait will take, from how long tests took in the last run and in this one.

        The restarts in it are those of this board, once there was one. None: nobody knows.
        """
        known = {**(self.before.results if self.before else {}), **self.results}
        restarts = [seconds for result in self.results.values() for seconds in result.restarts]
        each = statistics.median(restarts) if restarts else None
        took = [result.seconds_with(each) for test in self._waiting if (result := known.get(test))]
        took = took or [result.seconds_with(each) for result in known.values()]
        return statistics.fmean(took) * len(self._waiting) if took else None

    @property
    def _waiting(self) -> list[str]:
        return [test for test in self.tests if test not in self.results]

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(result.outcome == outcome for result in self.results.values())

    @property
    def failures(self) -> list[Result]:
        """The tests that did not do what they say."""
        return [result for result in self.results.values() if result.outcome in FAILED]

    @property
    def passed(self) -> bool:
        """Whether the car does all that it should, as far as this run can tell."""
        return not self.interrupted and not self.failures and self.count("passed") > 0

    @property
    def board(self) -> dict[str, Any]:
        """What the board said of itself."""
        found = [value for value in self._properties("board") if isinstance(value, dict)]
        return found[0] if found else {}

    @property
    def measures(self) -> list[Measure]:
        """What was measured."""
        values = [value for value in self._properties("measure") if isinstance(value, dict) and value.get("values")]
        return [Measure(str(value["name"]), str(value["unit"]), value["values"]) for value in values]

    @property
    def stretches(self) -> list[Stretch]:
        """Each test's, the longest first."""
        found = [
            Stretch(result.title, value["us"] / 1000, str(value["who"]))
            for result in self.results.values()
            for name, value in result.properties if name == "stretch"
        ]  # fmt: skip
        return sorted(found, key=lambda stretch: -stretch.ms)

    @property
    def notes(self) -> list[str]:
        """What was counted."""
        return [str(value) for value in self._properties("note")]

    @property
    def files(self) -> dict[str, list[Result]]:
        """The results, by the file that they are from."""
        found: dict[str, list[Result]] = {}
        for result in self.results.values():
            found.setdefault(result.file, []).append(result)
        return found

    def told(self) -> dict[str, Any]:
        """The run for JSON."""
        return {
            "board": self.board,
            "port": self.port,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "tests": len(self.results),
            "passed": self.count("passed"),
            "failed": len(self.failures),
            "skipped": self.count("skipped"),
            "failures": [{"test": result.test, "text": result.text} for result in self.failures],
            "measures": {measure.name: {"unit": measure.unit, "median": measure.median} for measure in self.measures},
            "stretches_ms": {stretch.deed: stretch.ms for stretch in self.stretches},
            "notes": self.notes,
        }

    def _properties(self, wanted: str) -> Iterator[Any]:
        for result in self.results.values():
            for name, value in result.properties:
                if name == wanted:
                    yield value


def sentence(test: str) -> str:
    """A test's name in words, and its case."""
    name, bracket, case = (test.rpartition("::")[2] or test).removeprefix("test_").partition("[")
    return name.replace("_", " ") + (f": {case.removesuffix(']')}" if bracket else "")


def purpose(file: Path) -> str:
    """What a file of tests is about, in its own words."""
    try:
        told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    except (OSError, SyntaxError, ValueError):
        told = None
    return (told or file.stem.removeprefix("test_").replace("_", " ")).splitlines()[0]
