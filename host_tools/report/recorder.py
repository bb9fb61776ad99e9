# SPDX-License-Identifier: Apache-2.0
"""A pytest plugin: what was exchanged with a car stands under a failure, and each result is told at once.

It is about tests that have a `Bench` among their fixtures. With --results FILE every result is one line of JSON in it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any, TextIO

import pytest

from host_tools.explain import decode
from host_tools.faults import LatchkeyError, Misuse
from host_tools.serial.bench import Bench

_KEPT = 40  # messages of one test
_LINES = 60  # of the car's log
_PATIENCE = 2.0  # seconds for a car to tell; a test may have left it restarting
_ARROWS = {"sent": "->", "received": "<-"}


class Recorder:
    """Keeps the messages of the test that runs."""

    def __init__(self, results: TextIO | None) -> None:
        self._results = results
        self._messages: deque[tuple[float, int, str, bytes]] = deque(maxlen=_KEPT)
        self._began = 0.0
        self._restarts = 0

    def hear(self, connection: int, way: str, message: bytes) -> None:
        """A message went over a phone connection."""
        self._messages.append((time.monotonic(), connection, way, message))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self) -> None:
        self._messages.clear()
        self._began = time.monotonic()
        self._restarts = len(Bench.restarts)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" and report.passed:
            report.user_properties.extend(_stretches(item))
        if report.failed:
            report.sections.extend(self._sections(item))
        return report

    def _sections(self, item: pytest.Item) -> list[tuple[str, str]]:
        """What a failed test leaves to read."""
        found = [("Messages", "\n".join(self._told(*entry) for entry in list(self._messages)))]
        for name, car in getattr(item, "funcargs", {}).items():
            if isinstance(car, Bench):
                found.append((f"Events of {name}", "\n".join(json.dumps(event) for event in car.events[-_LINES:])))
                found.append((f"Log of {name}", "\n".join(car.log_text.splitlines()[-_LINES:])))
        return [section for section in found if section[1]]

    def _told(self, at: float, connection: int, way: str, message: bytes) -> str:
        head = f"{1000 * (at - self._began):8.1f} ms  phone {connection} {_ARROWS[way]} "
        try:
            decoded = decode.decode(message)
        except Misuse:
            return f"{head}{len(message)} bytes that are no message: {message.hex()}"
        lines = [head + decode.summary(decoded)]
        lines += [f"{'':14}{name}: {value}" for name, value in decode.fields(decoded)]
        return "\n".join(lines)

    # To whoever follows the run

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._tell(event="collected", tests=[_test(item.nodeid, item.location) for item in session.items])

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self._tell(event="started", test=_test(nodeid, location), file=location[0])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self._tell(
                event="result",
                test=_test(report.nodeid, report.location),
                file=report.location[0],
                outcome="error" if report.failed and report.when != "call" else report.outcome,
                seconds=time.monotonic() - self._began,
                restarts=Bench.restarts[self._restarts :],
                text=_reason(report),
                sections=report.sections if report.failed else [],
                properties=report.user_properties,
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._tell(
                event="result",
                test=report.nodeid,
                file=report.nodeid.partition("::")[0],
                outcome="error",
                seconds=0,
                restarts=[],
                text=report.longreprtext,
                sections=[],
                properties=[],
            )

    def _tell(self, **result: Any) -> None:
        if self._results is not None:
            self._results.write(json.dumps(result, default=str) + "\n")
            self._results.flush()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("latchkey").addoption("--results", metavar="FILE", help="tell every result there, as JSON lines")


def pytest_configure(config: pytest.Config) -> None:
    path = None if hasattr(config, "workerinput") else config.getoption("--results")
    results = open(path, "w", encoding="utf-8") if path else None  # noqa: SIM115 - closed when the run ends
    if results is not None:
        config.add_cleanup(results.close)
    recorder = Recorder(results)
    config.pluginmanager.register(recorder, "latchkey recorder")
    Bench.witness = recorder.hear
    config.add_cleanup(_stop_watching)


def _stop_watching() -> None:
    Bench.witness = None


def _stretches(item: pytest.Item) -> Iterator[tuple[str, Any]]:
    """How long the test's car held its loop at most, where there is one that tells."""
    for car in getattr(item, "funcargs", {}).values():
        if isinstance(car, Bench) and car.hello.get("bench") is not False:
            with contextlib.suppress(LatchkeyError):
                yield "stretch", car.stretch(timeout=_PATIENCE)


def _test(nodeid: str, location: tuple[str, int | None, str]) -> str:
    """What selects that test: pytest's own id has no path where a file is not below its root folder."""
    return f"{location[0]}::{nodeid.partition('::')[2]}"


def _reason(report: pytest.TestReport) -> str:
    """Why it did not pass."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext
