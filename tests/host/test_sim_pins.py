# SPDX-License-Identifier: Apache-2.0
"""The simulated board's pins are driven on through every restart but a power cut's, as an ESP32's are, until boot.py
ends that."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import build_firmware, find_micropython

START = 26
MAIN = """
import board, machine, time
from esp32 import NVS

nvs = NVS("test")
try:
    life = nvs.get_i32("life")
except OSError:
    life = 0
    outputs = NVS("latchkey")
    outputs.set_i32("outputs", (26 | 63 << 6 | 63 << 12) * 1021)  # as start.py writes them down for boot.py
    outputs.commit()
nvs.set_i32("life", life + 1)
nvs.commit()
print("life %d cause %d level %d" % (life, machine.reset_cause(), machine.Pin(26).value()))
machine.Pin(26, machine.Pin.OUT, value=1)
if life == 0:
    machine.reset()
if life == 1:
    machine.WDT(timeout=60_000)
    machine.WDT(timeout=300)
    time.sleep(60)
if life == 2:
    board.power_cut(1)
    with open("/data/note", "w") as f:
        f.write("cut")
machine.Pin(26, machine.Pin.IN)
print("done")
time.sleep(60)
"""


def until(board: SimulatedBoard, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert not board.wait(0.05) and time.monotonic() < deadline, board.failure or board.text


def lives(tmp_path: Path, boot: str | None) -> tuple[list[tuple[int, int]], int]:
    """Cause and level of the start pin, at the beginning of each life; and that level at the end, from outside."""
    firmware = tmp_path / "firmware"
    shutil.copytree(build_firmware(find_micropython()), firmware)
    (firmware / "main.py").write_text(MAIN)
    if boot is not None:
        (firmware / "boot.py").write_text(boot)
    with SimulatedBoard(tmp_path / "image", firmware_dir=firmware) as board:
        until(board, lambda: "done" in board.text)
        level, text = board.level(START), board.text
    found = re.findall(r"life \d cause (\d) level (\d)", text)
    return [(int(cause), int(was)) for cause, was in found], level


@pytest.mark.parametrize("boot, driven_on", [("", 1), (None, 0)], ids=["nothing at boot", "boot.py"])
def test_a_pin_is_driven_on_through_a_restart_until_boot_py_ends_it(
    tmp_path: Path, boot: str | None, driven_on: int
) -> None:
    levels = [(1, 0), (2, driven_on), (3, driven_on), (2, 0)]  # power-on, reset, watchdog, power cut
    assert lives(tmp_path, boot) == (levels, 0), "an input is not driven"


def test_a_plug_that_is_pulled_takes_the_level_with_it(tmp_path: Path) -> None:
    firmware = tmp_path / "firmware"
    firmware.mkdir()
    (firmware / "boot.py").write_text("import machine\nprint('level', machine.Pin(26).value())\n")
    (firmware / "main.py").write_text(
        "machine.Pin(26, machine.Pin.OUT, value=1)\nprint('high')\nimport time; time.sleep(60)"
    )
    with SimulatedBoard(tmp_path / "image", firmware_dir=firmware) as board:
        until(board, lambda: board.text == "level 0\nhigh\n")
        assert board.level(START) == 1
        board.power_cycle()
        until(board, lambda: board.text == "level 0\nhigh\n" * 2)
