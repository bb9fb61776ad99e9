# SPDX-License-Identifier: Apache-2.0
"""The session file saves a round trip. Whatever has become of it, the driver unlocks the car, and is told once."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone import keyfile
from host_tools.phone.cache import SessionCache
from host_tools.phone.session import Session
from host_tools.serial.bench import Bench
from tests.host.car_model import VIN
from tests.host.fake_bench import FakeBench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    fake = FakeBench()
    monkeypatch.setattr(Bench, "open", fake.open)
    monkeypatch.setenv("LATCHKEY_PORT", "PORT")
    return fake


@pytest.fixture
def key(bench: FakeBench, tmp_path: Path) -> Path:
    made = keyfile.create(tmp_path / "owner.pem")
    bench.car.enrol(made.public)
    return tmp_path / "owner.pem"


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff{[")


def a_deep_one(path: Path) -> None:
    path.write_text("[" * 100_000)


def a_newer_one(path: Path) -> None:
    path.write_text('{"version": 99, "sessions": {}}')


def the_wrong_car(path: Path) -> None:
    """An entry whose car key is no point on the curve: bits have flipped."""
    entry = {"car_public": "04" + "11" * 64, "epoch": "00" * 16, "counter": 1, "clock_zero": 0.0, "clock_seen": 0}
    path.write_text(json.dumps({"version": 1, "sessions": {VIN: entry}}))


STRANGE = [a_folder, a_pipe, a_device, a_loop, garbage, a_deep_one, a_newer_one]


@pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__)
def test_a_driver_unlocks_whatever_lies_in_its_place(bench: FakeBench, key: Path, make: Callable[[Path], None]) -> None:
    make(key.with_name("owner.pem.sessions.json"))
    result = CliRunner().invoke(cli.app, ["unlock", "--key", str(key)])
    assert result.exit_code == 0 and bench.car.done == ["UNLOCK"], result.stderr
    assert result.stderr.count("warning: ") == 1 and result.stderr.count("\n") == 1
    assert {path.name for path in key.parent.iterdir()} <= {"owner.pem", "owner.pem.sessions.json"}


def test_damage_heals_and_another_version_is_left_alone(bench: FakeBench, key: Path) -> None:
    path = key.with_name("owner.pem.sessions.json")
    a_newer_one(path)
    before = path.read_text()
    assert CliRunner().invoke(cli.app, ["unlock", "--key", str(key)]).exit_code == 0
    assert path.read_text() == before
    garbage(path)
    assert CliRunner().invoke(cli.app, ["unlock", "--key", str(key)]).exit_code == 0
    result = CliRunner().invoke(cli.app, ["lock", "--key", str(key)])
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_damaged_entry_is_no_other_car(bench: FakeBench, key: Path) -> None:
    the_wrong_car(key.with_name("owner.pem.sessions.json"))
    assert CliRunner().invoke(cli.app, ["unlock", "--key", str(key)]).exit_code == 0


@pytest.mark.parametrize("trouble", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("call", ["tempfile.mkstemp", "os.fsync", "os.replace", "fcntl.flock", "os.open"])
def test_a_driver_unlocks_when_nothing_can_be_kept(
    bench: FakeBench, key: Path, monkeypatch: pytest.MonkeyPatch, call: str, trouble: int
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(trouble, os.strerror(trouble))

    first = CliRunner().invoke(cli.app, ["lock", "--key", str(key)])
    assert first.exit_code == 0
    with monkeypatch.context() as patched:
        patched.setattr(f"host_tools.phone.beside.{call}", fail)
        result = CliRunner().invoke(cli.app, ["unlock", "--key", str(key)])
    assert result.exit_code == 0, result.output
    assert result.stderr.count("\n") == 1 and os.strerror(trouble) in result.stderr
    again = CliRunner().invoke(cli.app, ["lock", "--key", str(key)])
    assert (again.exit_code, again.stderr) == (0, "")
    assert bench.car.done == ["LOCK", "UNLOCK", "LOCK"]


def test_a_program_that_keeps_the_lock_keeps_nobody_out(
    bench: FakeBench, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("host_tools.phone.beside._PATIENCE", 0.05)
    with key.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = CliRunner().invoke(cli.app, ["unlock", "--key", str(key)])
    assert result.exit_code == 0 and bench.car.done == ["UNLOCK"]
    assert result.stderr.count("warning: ") == 1


_COUNT = """
import sys
from pathlib import Path
from host_tools.phone.cache import SessionCache
from host_tools.phone.session import Session
cache = SessionCache(Path(sys.argv[1]))
session = Session("VIN", bytes(65), bytes(16), bytes(16), 0, 0.0)
print(*[cache.next_counter(session) for _ in range(40)])
"""


def test_two_processes_at_once_use_no_counter_twice(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    keyfile.create(path)
    command = [sys.executable, "-c", _COUNT, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    used = [int(number) for process in running for number in process.communicate()[0].split()]
    assert sorted(used) == list(range(1, 81))


def test_what_was_given_up_is_remembered_by_this_process(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "key.pem"
    keyfile.create(path)
    a_folder(tmp_path / "key.pem.sessions.json")
    cache = SessionCache(path, said.append)
    session = Session(VIN, bytes(65), bytes(16), bytes(16), 6, 0.0)
    assert [cache.next_counter(session) for _ in range(3)] == [7, 8, 9]
    cache.save(session)
    kept = cache.load(VIN)
    assert kept is not None and kept.counter == 9 and cache.vins() == [VIN]
    cache.forget(VIN)
    assert cache.load(VIN) is None and len(said) == 1
