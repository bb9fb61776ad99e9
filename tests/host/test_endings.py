# SPDX-License-Identifier: Apache-2.0
"""How the real command ends, as a process: its exit code, one JSON object on every way out, and never a traceback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone import keyfile
from host_tools.serial.bench import Bench
from tests import interrupts
from tests.host.fake_bench import FakeBench
from tests.shares import share

LATCHKEY = [sys.executable, "-c", "from host_tools.cli import main; main()"]
ROOT = Path(__file__).parents[2]
SIGNALS = {signal.SIGINT: (130, "INTERRUPTED"), signal.SIGTERM: (143, "TERMINATED")}


def start(*arguments: str, **settings: Any) -> subprocess.Popen[str]:
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
    environment |= settings.pop("environment", {})
    given |= {"text": True, "cwd": ROOT, "env": environment, "preexec_fn": interrupts.obeyed, **settings}
    return subprocess.Popen([*LATCHKEY, *arguments], **given)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in out + (err or "") and "Exception ignored" not in (err or ""), err
    return process.returncode, out, err


@pytest.fixture
def silent() -> Iterator[str]:
    """A port where nobody is."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    "arguments",
    [
        "unlock --frobnicate",
        "fly",
        "open window --key x.pem",
        "pair --role king --key x.pem",
        "unlock --key x.pem --timeout soon",
        "keys add",
        "keys fly",
        "brake hard",
        "log --since -1",
        "unlock",
        "--frobnicate",
        "firmware fly",
    ],
)
def test_what_cannot_be_asked_for_is_one_object_and_one_line(arguments: str) -> None:
    code, out, err = ended(start(*arguments.split(), "--json"))
    told = json.loads(out)
    assert code == 2 and told["ok"] is False and told["error"]["name"] == "USAGE" and told["error"]["text"]
    assert err.startswith("USAGE: ") and err.count("\n") == 1
    code, out, err = ended(start(*arguments.split()))
    assert (code, out) == (2, "") and err.startswith("USAGE: ") and err.count("\n") == 1


def test_a_value_that_is_missing_is_one_object_too() -> None:
    code, out, _ = ended(start("unlock", "--json", "--key"))
    assert code == 2 and json.loads(out)["error"]["name"] == "USAGE"


def test_help_is_help() -> None:
    for arguments in (["--help"], [], ["unlock", "--help", "--json"]):
        code, out, err = ended(start(*arguments))
        assert code == 0 and "Usage:" in out and err == ""


def imported(process: subprocess.Popen[str], module: str) -> None:
    """Wait until the child, run with -v, has begun to import that module."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(rf"import '{re.escape(module)}'", line):
            return
    raise AssertionError(f"it never imported {module}")


def loading(port: str) -> subprocess.Popen[str]:
    """-v tells what is imported when: moments of the first second, whatever machine this is."""
    command = [sys.executable, "-v", *LATCHKEY[1:], "status", "--port", port, "--json", "--timeout", "60"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=interrupts.obeyed
    )
    imported(process, "typer.colors")  # main() has begun
    return process


MOMENTS = ["typer", "serial", "google.protobuf.message", "rich.console", "host_tools.cli.look"]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_while_it_loads_ends_it_in_order(silent: str, number: signal.Signals, moment: str) -> None:
    process = loading(silent)
    imported(process, moment)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    code, name = SIGNALS[number]
    assert process.returncode == code, err[-2000:]
    assert json.loads(out)["error"]["name"] == name
    assert "Traceback" not in err


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_signal_while_it_waits_ends_it_in_order(silent: str, number: signal.Signals, as_json: bool) -> None:
    process = start("status", "--port", silent, "--timeout", "60", *(["--json"] if as_json else []))
    told_to_sync(silent, process)
    process.send_signal(number)
    code, out, err = ended(process)
    assert code == SIGNALS[number][0] and err == ""
    if as_json:
        assert json.loads(out)["error"]["name"] == SIGNALS[number][1]
    else:
        assert out == ""


def told_to_sync(port: str, process: subprocess.Popen[str]) -> None:
    """Wait until the command has the port: it holds it for itself alone."""
    for _ in range(600):
        with contextlib.suppress(OSError):  # a file that it has closed meanwhile
            if any(os.readlink(file) == port for file in Path(f"/proc/{process.pid}/fd").iterdir()):
                return
        time.sleep(0.05)
    raise AssertionError("it never opened the port")


def test_signals_at_any_moment_leave_one_object_or_none_begun(silent: str) -> None:
    """A sweep: the moments that nobody thought of."""
    for step in share(range(12), 3):
        process = loading(silent)
        time.sleep(0.15 * step)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "Traceback" not in err, (step, err[-2000:])
        assert json.loads(out)["error"]["name"] == "INTERRUPTED"


def test_what_our_parent_ignores_stays_ignored(silent: str) -> None:
    """A background job of a script: Ctrl-C is not for it."""
    process = subprocess.Popen(
        [*LATCHKEY, "status", "--port", silent, "--timeout", "1", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        preexec_fn=interrupts.ignored,
    )  # fmt: skip
    told_to_sync(silent, process)
    process.send_signal(signal.SIGINT)
    code, out, _ = ended(process)
    assert code == 3 and json.loads(out)["error"]["name"] == "NO_ANSWER"


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_fault_of_ours_is_a_line_and_an_object(as_json: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(Bench, "open", broken)
    result = CliRunner().invoke(cli.app, ["status", "--port", "P", *as_json])
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("UNEXPECTED: ZeroDivisionError: of ours; ") and result.stderr.count("\n") == 1
    assert "LATCHKEY_DEBUG" in result.stderr
    assert not as_json or json.loads(result.stdout)["error"]["name"] == "UNEXPECTED"
    monkeypatch.setenv("LATCHKEY_DEBUG", "1")
    assert "in broken" in CliRunner().invoke(cli.app, ["status", "--port", "P", *as_json]).stderr


class Fails(FakeBench):
    """A port that goes as soon as the car has done it."""

    error: BaseException = OSError(5, "Input/output error")

    def __exit__(self, *_: object) -> None:
        raise self.error


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt(), ZeroDivisionError()])
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_what_the_car_has_done_is_done_whatever_comes_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, as_json: list[str], error: BaseException
) -> None:
    fake = Fails()
    fake.error = error
    monkeypatch.setattr(Bench, "open", fake.open)
    fake.car.enrol(keyfile.create(tmp_path / "owner.pem").public)
    result = CliRunner().invoke(cli.app, ["unlock", "--port", "P", "--key", str(tmp_path / "owner.pem"), *as_json])
    assert fake.car.done == ["UNLOCK"] and result.exit_code == 0
    assert not as_json or json.loads(result.stdout)["ok"] is True


def test_help_into_a_closed_pipe_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start("--help", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
