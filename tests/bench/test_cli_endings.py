# SPDX-License-Identifier: Apache-2.0
"""The exit code says what the car did, whoever listens: a pipe nobody reads, a full disk, no stdout, plain ASCII."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from tests.bench.support import VIN, AnyBoard, provision, tap

LABEL = "Käthe 🚗 日本"


@pytest.fixture(scope="module")
def key(board: AnyBoard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An owner's key file; the port is free."""
    made = keyfile.create(tmp_path_factory.mktemp("keys") / "owner.pem")
    with provision(board.port) as car, car.connect() as connection:
        phone = Phone(connection, VIN, made)
        pair(phone, "owner", LABEL, on_wait=lambda: tap(car, phone))
    if made.path is None:
        raise OSError("it has no path")
    return made.path


def locked(board: AnyBoard) -> bool:
    with Bench.open(board.port) as car:
        return bool(car.state()["locked"])


def run(words: str, board: AnyBoard, key: Path, after: str, **environment: str) -> tuple[int, str]:
    """The command in a shell that does that with its output; its own exit code, and what it said on stderr."""
    code = "from host_tools.cli import main; main()"
    script = f'"$@" {after}' if after.startswith(">") else f'{{ "$@"; echo "exit $?" >&2; }} {after}'
    command = [sys.executable, "-c", code, *words.split(), "--port", board.port]
    command += ["--key", str(key)] if words.startswith(("unlock", "lock")) else []
    shell = subprocess.run(
        ["/bin/sh", "-c", script, "sh", *command], capture_output=True, text=True, env=os.environ | environment
    )
    if after.startswith(">"):
        return shell.returncode, shell.stderr
    said, _, number = shell.stderr.rpartition("exit ")
    return int(number), said


@pytest.fixture
def unlocked_afterwards(board: AnyBoard, key: Path) -> Iterator[None]:
    """The car is locked before, and open after."""
    assert run("lock", board, key, ">/dev/null")[0] == 0
    yield
    assert not locked(board), "the car did not do it"


WAYS = [("| true", ""), (">/dev/full", "No space left"), (">&-", ""), (">/dev/full 2>/dev/full", ""), (">&- 2>&-", "")]


@pytest.mark.usefixtures("unlocked_afterwards")
@pytest.mark.parametrize("as_json", ["", " --json"])
@pytest.mark.parametrize(("way", "said"), WAYS)
def test_a_car_that_has_unlocked_has_unlocked(board: AnyBoard, key: Path, way: str, said: str, as_json: str) -> None:
    code, err = run("unlock" + as_json, board, key, way)
    assert code == 0, err
    assert "Traceback" not in err and "Exception" not in err
    assert err.count("\n") == bool(said) and said in err


@pytest.mark.parametrize("command", ["log", "keys", "status", "monitor --once", "log --json"])
@pytest.mark.parametrize("way", ["| true", "| head -c 20 >/dev/null", ">&-"])
def test_what_nobody_reads_is_quiet(board: AnyBoard, key: Path, command: str, way: str) -> None:
    assert run(command, board, key, way) == (0, "")


@pytest.mark.parametrize("way", ["| true", ">/dev/full"])
def test_a_refusal_stays_one(board: AnyBoard, key: Path, tmp_path: Path, way: str) -> None:
    stranger = keyfile.create(tmp_path / "stranger.pem")
    assert stranger.path
    for command in ("unlock", "unlock --json"):
        code, err = run(command, board, stranger.path, way)
        assert code == 1 and "UNKNOWN_KEY_ID: " in err and "Traceback" not in err


@pytest.mark.parametrize("command", ["log", "keys", "status", "monitor --once", "keys --json"])
def test_a_terminal_that_knows_ascii_only_gets_ascii(board: AnyBoard, key: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    code, err = run(command, board, key, f'>"{out}"', PYTHONIOENCODING="ascii", LANG="C", LC_ALL="C", PYTHONUTF8="0")
    assert (code, err) == (0, "")
    text = out.read_bytes()
    assert text.isascii()
    if command in {"log", "keys"}:
        assert rb"K\xe4the" in text


def test_output_is_whole_where_there_is_no_terminal(board: AnyBoard, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("unlock", board, keyfile.create(tmp_path / "stranger.pem").path or key, ">/dev/null")
    for command in ("log", "keys"):
        assert run(command, board, key, f'>"{out}"', COLUMNS="40")[0] == 0
        assert LABEL in out.read_text()
