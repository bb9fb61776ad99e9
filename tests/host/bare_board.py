# SPDX-License-Identifier: Apache-2.0
"""A board with MicroPython and no firmware, on a pty: what `latchkey flash` finds on a new ESP32."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host_tools.build.boards import Board
from host_tools.sim import life
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import find_micropython

START = Path(__file__).parents[1] / "unit" / "bare_start.py"
BOARD_PY = """
NAME = "BARE"
OUTPUTS = INPUTS = b""
PINS = {"start": 26, "lock": 27, "led": None, "card": 32, "brake": 33, "door": 25}
"""


@contextmanager
def bare_board(monkeypatch: pytest.MonkeyPatch, image: Path, **environment: str) -> Iterator[SimulatedBoard]:
    """One, while the context lasts. BARE_MACHINE and others in `environment` make it another kind."""
    if not image.exists():
        image.write_bytes(b"\xff" * 4096 * 512)
    with monkeypatch.context() as patch:
        patch.setattr(life, "START", START)
        for name in ("BARE_MACHINE", "BARE_VERSION", "BARE_MPY", "BARE_CUT", "BARE_BLUETOOTH"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        with SimulatedBoard(image, firmware_dir=image.parent) as board:
            yield board


def march() -> str:
    """The processor that this machine's MicroPython takes native code for."""
    code = "import sys; print(sys.implementation._mpy >> 10)"
    asked = subprocess.run([find_micropython(), "-c", code], capture_output=True, text=True, check=True)
    return {1: "x86", 2: "x64"}[int(asked.stdout)]


def kind(folder: Path) -> Board:
    """What the bare board is to the flasher."""
    source = folder / "board.py"
    source.write_text(BOARD_PY)
    return Board("BARE", "ESP32", march(), "uart", 240, source)


def files_on(image: Path) -> dict[str, bytes]:
    """All files in a flash image, read by another interpreter."""
    code = f"""
import sys, os, vfs, json, binascii
sys.path.append({str(Path(__file__).parents[2] / "boards" / "UNIX")!r})
from flash import Flash
vfs.mount(vfs.VfsLfs2(Flash({str(image)!r})), "/f")
def walk(d):
    for e in os.ilistdir(d):
        p = d + "/" + e[0]
        if e[1] == 0x4000: walk(p)
        else:
            with open(p, "rb") as f: print(json.dumps([p[2:], binascii.hexlify(f.read()).decode()]))
walk("/f")
"""
    command = [find_micropython(), "-X", "heapsize=32M", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {path: bytes.fromhex(content) for path, content in map(json.loads, done.stdout.splitlines())}
