# SPDX-License-Identifier: Apache-2.0
"""The suites on a board, over its serial port: one that restarts for seconds, on a line of 115200 baud.

A share of them; `make slow` runs all of both.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from host_tools.places import ROOT
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard

SHARE = (
    "tests/unit/test_lines.py",
    "tests/unit/test_pins.py",
    "tests/bench/test_cold_start.py::test_a_restarted_car_is_locked_and_off_with_its_keys_and_its_clock_at_zero",
)
CONFTEST = "from tests.bench.conftest import *\nfrom tests.bench.conftest import pytest_runtest_makereport\n"
RESTART_FAILS = """
def test_it_does_not_come_back_in_time(car, monkeypatch):
    monkeypatch.setattr(type(car), "restart_timeout", 0.1)
    car.reboot()

def test_the_next(owner):
    owner.unlock()

def test_the_one_after_that(owner, car):
    owner.lock()
    assert car.state()["locked"]
"""

BY_HAND = """
from host_tools.serial.bench import Bench

def test_it_leaves_the_board_restarting(board):
    with Bench.open(board.port) as car:
        car.request("reboot")
    assert False

def test_the_next(board):
    with Bench.open(board.port, 0.5) as car:
        assert car.hello
"""
NO_END = """
import sys

def test_it_waits_for_its_host():
    import micropython
    micropython.kbd_intr(-1)  # as what imports over the cable does
    print(len(sys.stdin.buffer.read(249)))
    import codes

def test_it_passes():
    import view_vectors
"""


def run(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", str(ROOT), "-qrs"]
    command += ["-pno:cacheprovider", "-ptests.micropython_plugin", "--slow-board", "1", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_unit_tests_and_bench_run_on_a_slow_board_one_after_the_other() -> None:
    printed = run(*SHARE)
    assert re.search(r"^\d+ passed, \d+ skipped in", printed, re.MULTILINE), printed
    assert "it looks into the simulated board's pins and NVS" in printed


def test_a_restart_that_fails_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_restart.py").write_text(RESTART_FAILS)
    (tmp_path / "test_restart_by_hand.py").write_text(BY_HAND)
    printed = run(tmp_path)
    assert "2 failed, 3 passed" in printed, printed


def test_a_unit_test_that_does_not_end_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "test_no_end.py").write_text(NO_END)
    printed = run(f"-omicropython_dirs={tmp_path}", "-omicropython_timeout=8", tmp_path)
    assert "1 failed, 1 passed" in printed, printed


def test_a_slow_board_hears_nothing_while_it_restarts_and_has_no_faster_line_than_its_baud_rate(tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path / "flash.img", restart_s=1, baud=9600) as board, Bench.open(board.port) as car:
        began = time.monotonic()
        car.reboot()
        assert time.monotonic() - began > 1
        began = time.monotonic()
        spoken = sum(len(str(car.info())) for _ in range(5))  # less than its lines are, which base64 makes longer
        assert time.monotonic() - began > 10 * spoken / 9600
        assert board.input_lost == 0
