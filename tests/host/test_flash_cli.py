# SPDX-License-Identifier: Apache-2.0
"""`latchkey flash` and `latchkey firmware erase`: the whole way, from a bare board to a car that opens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from host_tools.build import boards
from host_tools.flash.repl import Repl
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests import interrupts
from tests.host import command
from tests.host.bare_board import bare_board, files_on, kind

VIN = "5YJ3E1EA7KF000316"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "flash.img"


@contextmanager
def powered(monkeypatch: pytest.MonkeyPatch, image: Path) -> Iterator[SimulatedBoard]:
    """The board with that flash, which the command line knows as BARE."""
    monkeypatch.setattr(boards, "find", lambda name: kind(image.parent))
    monkeypatch.delenv("LATCHKEY_KEY", raising=False)
    with bare_board(monkeypatch, image) as there:
        monkeypatch.setenv("LATCHKEY_PORT", there.port)
        yield there


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, image: Path) -> Iterator[SimulatedBoard]:
    """A bare board."""
    with powered(monkeypatch, image) as there:
        yield there


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flash of a board that is a car."""
    image = tmp_path_factory.mktemp("flashed") / "flash.img"
    with pytest.MonkeyPatch.context() as patch, powered(patch, image):
        run("flash", "--board", "BARE", "--no-radio", "--vin", VIN)
    return image


@pytest.fixture
def car_board(monkeypatch: pytest.MonkeyPatch, flashed: Path, image: Path) -> Iterator[SimulatedBoard]:
    """That board, up again, with a flash of its own."""
    shutil.copy(flashed, image)
    with powered(monkeypatch, image) as there:
        Bench.open(there.port, 20).close()
        yield there


def run(*arguments: str | Path, code: int = 0, typed: str | None = None) -> Result:
    result = command.run(*arguments, typed=typed)
    assert result.exit_code == code, result.output
    return result


def ran(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*arguments, "--json", code=code).stdout)
    return document


def test_from_a_bare_board_to_an_unlocked_car(board: SimulatedBoard, tmp_path: Path, image: Path) -> None:
    settings = tmp_path / "car.toml"
    settings.write_text("radio = false\n")
    done = ran("flash", "--board", "BARE", "--vin", VIN, "--config", settings)
    assert (done["vin"], done["aioble"], done["production"]) == (VIN, "skipped", False)
    assert "/latchkey/agent.mpy" in done["copied"]
    key = tmp_path / "phone.pem"
    with Bench.open(board.port) as car:
        assert car.state()["locked"]
    run("pair", "--key", key, "--tap")
    run("unlock", "--key", key)
    with Bench.open(board.port) as car:
        assert not car.state()["locked"]
        identity = files_on(image)["/data/identity"]
    again = run("flash", "--board", "BARE")
    assert "0 files copied" in again.stdout and f"It is car {VIN}." in again.stdout
    run("unlock", "--key", key)  # its key is still known
    assert files_on(image)["/data/identity"] == identity


def test_a_production_car_has_no_bench_and_an_identity_of_its_own(board: SimulatedBoard, image: Path) -> None:
    done = ran("flash", "--board", "BARE", "--production", "--vin", VIN, "--no-radio")
    assert (done["vin"], done["production"]) == (VIN, True)
    with Bench.open(board.port) as car:
        assert car.hello["bench"] is False
    assert not any("bench" in path for path in files_on(image))


def test_settings_need_a_car(board: SimulatedBoard, tmp_path: Path) -> None:
    (tmp_path / "car.json").write_text("{}")
    assert "give --vin too" in run("flash", "--board", "BARE", "--config", tmp_path / "car.json", code=2).stderr


def test_an_unknown_board_is_wrong_usage() -> None:
    assert "no board NONE" in run("flash", "--board", "NONE", "--port", "/dev/null", code=2).stderr


def test_a_missing_port_is_told() -> None:
    assert run("flash", "--board", "ESP32_GENERIC", "--port", "/dev/none", code=3).stderr.startswith("PORT_MISSING")
    assert run("firmware", "erase", "--port", "/dev/none", "--yes", code=3).stderr.startswith("PORT_MISSING")


def test_nothing_is_erased_unasked(board: SimulatedBoard, image: Path) -> None:
    with Repl(board.port) as there:
        there.run("f = open('/mine', 'w')\nf.write('kept')\nf.close()")
    assert "say --yes if you mean it" in run("firmware", "erase", code=2).stderr
    assert ran("firmware", "erase", code=2)["ok"] is False
    assert files_on(image)["/mine"] == b"kept"


def test_erasing_ends_with_a_bare_board(car_board: SimulatedBoard) -> None:
    done = ran("firmware", "erase", "--yes")
    assert "data" in done["was"] and done["blocks"] == 512
    assert "nothing else" in run("firmware", "erase", "--yes").stdout


class Asked:
    """`latchkey firmware erase` on a terminal, when it has asked."""

    def __init__(self, port: str) -> None:
        code = "from host_tools.cli import main; main()"
        self._master, slave = os.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, "firmware", "erase", "--port", port],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=interrupts.obeyed,
        )
        os.close(slave)
        self.said = b""
        while b"[y/N]" not in self.said:
            self.said += os.read(self._master, 4096)  # ends with an error when the program does

    def answer(self, how: bytes | int) -> int:
        """Type that, or send that signal; the exit code."""
        if isinstance(how, bytes):
            os.write(self._master, how)
        else:
            self._process.send_signal(how)
        code = self._process.wait(30)
        os.close(self._master)
        return code


@pytest.mark.parametrize("how", [b"n\n", b"\n", signal.SIGINT, signal.SIGTERM])
def test_the_car_goes_on_until_the_question_is_answered_and_after_any_answer_but_yes(
    car_board: SimulatedBoard, image: Path, how: bytes | int
) -> None:
    with Bench.open(car_board.port) as car:
        boot = car.boot
    asked = Asked(car_board.port)
    assert f"Car {VIN}".encode() in asked.said
    with Bench.open(car_board.port) as car:  # it is neither stopped nor is its port taken
        assert car.boot == boot and car.state()["locked"]
    assert asked.answer(how) != 0
    with Bench.open(car_board.port) as car:
        assert car.boot == boot
    assert "/data/identity" in files_on(image)


def test_yes_erases(car_board: SimulatedBoard) -> None:
    assert Asked(car_board.port).answer(b"y\n") == 0
    with Repl(car_board.port) as there:
        assert there.ask("import os, json\nprint(json.dumps(os.listdir('/')))") == ["boot.py"]


def test_a_wrong_chip_leaves_the_car_running(car_board: SimulatedBoard) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boards, "find", lambda name: replace(kind(car_board.image.parent), chip="ESP32C6"))
        assert run("flash", "--board", "OTHER", code=1).stderr.startswith("WRONG_CHIP")
    with Bench.open(car_board.port) as car:
        assert car.state()["locked"]


@pytest.mark.parametrize(
    ("command", "helps"),
    [
        (["flash", "--board", "ESP32_GENERIC", "--no-radio"], "runs the firmware of this folder"),
        (["firmware", "erase", "--yes"], "remove the file"),
    ],
)
def test_a_simulated_board_is_called_one_and_none_of_this_computer_s_folders_are_shown(
    tmp_path: Path, command: list[str], helps: str
) -> None:
    image = tmp_path / "sim.img"
    with SimulatedBoard(image, vin=VIN) as simulated:
        told = run(*command, "--port", simulated.port, code=2)
        assert "this is a simulated board" in told.stderr and str(image) in told.stderr and helps in told.stderr
        with Bench.open(simulated.port, 20) as car:  # and it goes on
            assert car.state()["locked"]


def test_a_board_at_its_prompt_is_started_by_the_command_that_the_hint_names(car_board: SimulatedBoard) -> None:
    there = Repl(car_board.port)
    there.attend()
    there.send(b"\r\x02")
    there.close()
    told = run("status", "--timeout", "2", code=3).stderr
    assert told.startswith("AT_PROMPT") and f"latchkey reboot --port {car_board.port}" in told
    assert ran("reboot", "--timeout", "2")["before"] is None
    assert ran("status")["vin"] == VIN


def test_a_board_that_does_not_stay_up_says_why_and_what_helps_then(board: SimulatedBoard) -> None:
    with Repl(board.port) as there:
        there.run("f = open('/main.py', 'w')\nf.write('print(\"latchkey: settings refused: colour\")')\nf.close()")
    told = run("reboot", "--timeout", "2", code=3).stderr
    assert told.startswith("AGENT_FAILED") and "settings refused: colour" in told
    assert "/data/config.json" in told and "mpremote reset" not in told
    with Repl(board.port) as there:
        there.run("f = open('/main.py', 'w')\nf.write('import nothing')\nf.close()")
    told = run("reboot", "--timeout", "2", code=3).stderr
    assert "no module named" in told and "latchkey flash" in told
