# SPDX-License-Identifier: Apache-2.0
"""The acceptance run: pytest on the bench suite in a process of its own, followed line by line as it goes."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from host_tools.faults import LatchkeyError, Misuse, Refused
from host_tools.places import ROOT
from host_tools.report.page import page
from host_tools.report.results import Result, Run
from host_tools.serial.bench import Bench

SUITE = "tests/bench"
_PLUGINS = ("tests.micropython_plugin", "host_tools.report.recorder", "pytest_timeout", "no:cacheprovider")
_OPTIONS = "-ra --import-mode=importlib"
_LOG = "pytest.log"
_RESULTS = "results.jsonl"
_FAILURES, _NOTHING = 1, 5  # as pytest's exit code tells them
_CLEANUP = 20.0  # seconds to end when interrupted: a board is let go of


Follow = Callable[[Run, Result | None, str, str], None]


class SuiteFailed(LatchkeyError):
    """The car does not do all that it should."""

    name = "BENCH_FAILED"


def check_car(port: str, timeout: float, force: bool) -> None:
    """Raise unless there is a car on the port that the suite may have. It makes the car a new one, and keys go."""
    with Bench.open(port, timeout) as car:
        vin = car.info().get("vin")
        keys = len(car.keys()) if vin else 0
    if keys and not force:
        raise Refused(
            "KEYS_WOULD_BE_LOST",
            f"car {vin} has {keys} key{'s' * (keys > 1)}, and the run makes it a new car without any",
            "--force runs it all the same",
        )


def run(
    port: str | None,
    out: Path,
    tests: list[str],
    select: str | None,
    follow: Follow,
    resume: bool = False,
) -> Run:
    """Run the suite and write junit.xml, report.html, results.jsonl and pytest.log into `out`.

    `follow` is told of every test that begins, with its file, and of every result. With `resume` the last run there
    goes on, with those of its tests that failed and then with those that did not have their turn.

    :raises Misuse: there is nothing to run or to resume, or no place for the report
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / _LOG).touch()
    except OSError as error:
        raise Misuse(
            f"no report can be written into {out}: {error.strerror}", "say with --out where it may go"
        ) from None
    done = Run(port, time.strftime("%Y-%m-%d %H:%M"), _versions(), before=last(out))
    if resume:
        tests = _unfinished(done, out)
    began = time.monotonic()
    with (out / _RESULTS).open("a" if resume else "w", encoding="utf-8") as kept:
        kept.write("\n" * resume + json.dumps({"event": "resumed" if resume else "run", "port": port}) + "\n")
        with _pytest(port, out, tests, select) as (process, told):
            try:
                for line in told:
                    kept.write(line)
                    event = json.loads(line)
                    follow(done, done.take(event), event.get("test", ""), event.get("file", ""))
            except KeyboardInterrupt:
                done.interrupted = True
                process.send_signal(signal.SIGINT)
                for line in told:
                    kept.write(line)
                    done.take(json.loads(line))
    done.seconds = time.monotonic() - began
    if process.returncode == _NOTHING:
        raise Misuse("no test is selected", f"see `ls {ROOT / SUITE}`")
    if process.returncode not in {0, _FAILURES} and not done.interrupted:
        raise LatchkeyError(f"the suite cannot be run: {_last_line(out / _LOG)}", f"see {out / _LOG}")
    (out / "report.html").write_text(page(done, ROOT), encoding="utf-8")
    return done


def last(out: Path) -> Run | None:
    """The last run whose results are in that folder, as far as it went; None if there was none."""
    try:
        told = (out / _RESULTS).read_text(encoding="utf-8").splitlines()
        run = Run(json.loads(told[0])["port"], "", {})
    except (OSError, ValueError, LookupError):
        return None
    for line in told[1:]:
        with contextlib.suppress(ValueError):  # the run was killed in the middle of a line
            run.take(json.loads(line))
    return run


def _unfinished(done: Run, out: Path) -> list[str]:
    """What the last run has left to do; `done` begins with what that has done."""
    before = done.before
    if before is None or before.port != done.port:
        where = f"on {done.port}" if done.port else "on a simulated car"
        raise Misuse(f"the last run in {out} was none {where}", "leave --resume out")
    if not before.unfinished:
        raise Misuse(f"of the last run in {out} nothing has failed and nothing is left", "leave --resume out")
    done.tests, done.results = before.tests, dict(before.results)
    done.take({"event": "resumed"})
    return before.unfinished


@contextlib.contextmanager
def _pytest(
    port: str | None, out: Path, tests: list[str], select: str | None
) -> Iterator[tuple[subprocess.Popen[bytes], TextIO]]:
    """pytest at work, and the lines that it tells."""
    reading, writing = os.pipe()
    command = [sys.executable, "-B", "-m", "pytest", "-c", "pyproject.toml", "--rootdir", str(ROOT)]
    command += ["-o", f"addopts={_OPTIONS}", *(f"-p{name}" for name in _PLUGINS)]
    command += [*map(_whole, tests or [SUITE]), "--results", f"/dev/fd/{writing}"]
    command += ["--junitxml", str((out / "junit.xml").absolute()), *(["--port", port] if port else [])]
    command += ["-k", select] if select else []
    # What is installed beside it, or set for other suites, does not matter.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with os.fdopen(reading, encoding="utf-8") as told, (out / _LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            start_new_session=True,  # Ctrl-C comes to us, and we pass it on, once
        )
        os.close(writing)
        try:
            yield process, told
            process.wait(_CLEANUP)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _whole(test: str) -> str:
    """A test of the caller's folder by its whole path, for pytest works in another; any other is the suite's."""
    return str(Path(test).absolute()) if Path(test.partition("::")[0]).exists() else test


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.lower().startswith("error")), lines[-1] if lines else "")


def _versions() -> dict[str, str]:
    return {
        "harness": f"latchkey {importlib.metadata.version('latchkey')}, Python {platform.python_version()}",
        "host": f"{platform.system()} {platform.machine()}",
    }
