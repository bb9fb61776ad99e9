# SPDX-License-Identifier: Apache-2.0
"""Collects test files that run under MicroPython: each `test_` function is one pytest item of its own.

pytest never imports these files. Their functions are found in the source, and `micropython_run` runs those that
are asked for in one interpreter for each file. The folders are settings in pyproject.toml. A line `note: …` that
a test prints, or `record_property("note", …)` in an ordinary test, is repeated at the end of the run.
"""

import ast
import contextlib
import linecache
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host_tools import places
from host_tools.build.staging import SOURCES, STAGE, staged
from host_tools.faults import LatchkeyError
from tests.micropython_run import FileRun, Target

_FRAME = re.compile(r'  File "([^"]+)", line (\d+)')
_NOTE = "note: "
_TRACEBACK = "Traceback (most recent call last):"
_BOARD_TIMEOUT = 3600  # seconds
_TARGET = pytest.StashKey[Target]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("latchkey")
    group.addoption("--micropython", metavar="PATH", help="interpreter for MicroPython tests (or set MICROPYTHON)")
    group.addoption("--port", metavar="PORT", help="run on the board at this serial port instead of a simulated one")
    group.addoption(
        "--slow-board", metavar="SECONDS", type=float,
        help="as --port, on a simulated board (one for each worker) that takes so long to restart, at 115200 baud",
    )  # fmt: skip
    parser.addini("micropython_dirs", "folders whose tests run under MicroPython", type="paths", default=[])
    parser.addini("micropython_path", "folders that these tests import from", type="paths", default=[])
    parser.addini("micropython_timeout", "seconds that one such test may take", default="120")


def pytest_configure(config: pytest.Config) -> None:
    restart_s = config.getoption("--slow-board")
    workers = config.getoption("numprocesses", None)  # None in each of xdist's workers
    if config.getoption("--port") and workers:
        raise pytest.UsageError("--port: a board runs one test at a time; leave out -n")
    if not (places.INSTALLED or hasattr(config, "workerinput")):  # once, not in each of xdist's workers
        staged()
    beside = Path(sys.executable).parent / "micropython"
    interpreter = str(config.getoption("--micropython") or os.environ.get("MICROPYTHON") or beside)
    if shutil.which(interpreter) is None:
        raise pytest.UsageError(f"no MicroPython interpreter at {interpreter}: see --micropython")
    if restart_s is not None and not workers:
        config.option.port = _slow_board(config, interpreter, restart_s)
    config.stash[_TARGET] = Target(
        config.rootpath, interpreter, config.getoption("--port"), config.getini("micropython_path")
    )


def _slow_board(config: pytest.Config, interpreter: str, restart_s: float) -> str:
    """The port of a board that is slow on purpose, until the run ends."""
    from host_tools.serial.bench import Bench  # late, as most runs need them in fixtures only
    from host_tools.sim.board import SimulatedBoard

    cleanup = contextlib.ExitStack()
    config.add_cleanup(cleanup.close)
    folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-slow-"))
    board = SimulatedBoard(Path(folder, "flash.img"), micropython=interpreter, restart_s=restart_s, baud=115200)
    port = cleanup.enter_context(board).port
    with contextlib.suppress(LatchkeyError):
        Bench.open(port, board.boot_timeout).close()  # what comes while it boots is lost, and waited for
    return port


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A board decides how long a test takes: some restart it a dozen times."""
    if config.getoption("--port"):
        for item in items:
            item.add_marker(pytest.mark.timeout(_BOARD_TIMEOUT))


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> "MicroPythonFile | None":
    if module_path.parent in parent.config.getini("micropython_dirs"):
        return MicroPythonFile.from_parent(parent, path=module_path)
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for key in ("passed", "failed") for report in terminalreporter.getreports(key)]
    notes = sorted(
        f"{report.nodeid}: {value}"
        for report in reports if report.when == "call"
        for name, value in report.user_properties if name == "note"
    )  # fmt: skip
    if notes:
        terminalreporter.section("counted and measured")
        for note in notes:
            terminalreporter.write_line(note)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A board that has run such tests stands at its prompt: it is started again for others, if it has an agent."""
    port = item.config.getoption("--port")
    if port and isinstance(item, MicroPythonTest) and not isinstance(nextitem, MicroPythonTest):
        from host_tools.flash.listen import start_agent  # mpremote is slow to import

        with contextlib.suppress(LatchkeyError):
            start_agent(port)


class MicroPythonFile(pytest.File):
    """A test file, and the run of those of its functions that were selected."""

    _run: FileRun | None = None

    def collect(self) -> Iterator["MicroPythonTest"]:
        try:
            tree = ast.parse(self.path.read_bytes())
        except SyntaxError as error:
            raise self.CollectError(f"{self.path}:{error.lineno}: {error.msg}\n{error.text or ''}") from None
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield MicroPythonTest.from_parent(self, name=node.name, line=node.lineno)

    @property
    def run(self) -> FileRun:
        if self._run is None:
            names = [item.name for item in self.session.items if item.parent is self]
            timeout = float(self.config.getini("micropython_timeout"))
            self._run = FileRun(self.config.stash[_TARGET], self.path, names, timeout)
        return self._run

    def teardown(self) -> None:
        if self._run is not None:
            self._run.close()
            self._run = None


class MicroPythonTest(pytest.Item):
    """One function of such a file."""

    def __init__(self, *, line: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._line = line

    def runtest(self) -> None:
        assert isinstance(self.parent, MicroPythonFile)
        result = self.parent.run.result(self.name)
        print(result.output, end="")  # pytest captures it like that of any other test
        notes = [line.removeprefix(_NOTE) for line in result.output.splitlines() if line.startswith(_NOTE)]
        self.user_properties.extend(("note", note) for note in notes)
        if result.skip is not None:
            pytest.skip(result.skip)
        if result.error is not None:
            raise MicroPythonError(result.error)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None) -> str:
        if isinstance(excinfo.value, MicroPythonError):
            return excinfo.value.shown()
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._line - 1, self.name


class MicroPythonError(Exception):
    """A test's traceback, or why it has none."""

    def shown(self) -> str:
        """The error; then the traceback without the runner's frames, each with its source line as in CPython's."""
        text = str(self).replace(str(STAGE), str(SOURCES)).splitlines()  # each line has its number there, too
        if text[0] != _TRACEBACK:
            return "\n".join(text)
        lines = []
        for line in text:
            frame = _FRAME.match(line)
            if frame and frame[1].endswith("runner.py"):
                continue
            lines.append(line)
            if frame and (source := linecache.getline(frame[1], int(frame[2])).strip()):
                lines.append(f"    {source}")
        return "\n".join([text[-1], *lines])
