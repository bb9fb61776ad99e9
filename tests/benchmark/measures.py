# SPDX-License-Identifier: Apache-2.0
"""One checkout's firmware, measured part by part: times in microseconds, and counts that do not change from run to run.

Each part takes times of its own and, in the same minute, those of a loop that does no work of the firmware's.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_tools.build import compiling, size
from host_tools.build.staging import CompileError, shortened, staged
from host_tools.faults import Misuse
from host_tools.serial.bench import Bench
from host_tools.sim import heap
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import ask, find_micropython, heap_option
from host_tools.sim.life import START
from tests.benchmark import programs

PARTS = ("crypto", "command", "lookups", "boot", "heap")
ROOT = Path(__file__).parents[2]
_VIN = "LATCHKEYBEN000001"
_KEYS = (4, 4096)
_TIMEOUT = 300.0
_BOOTS = 3  # in a run: the best counts, as of everything that is timed


@dataclass
class Figures:
    """What one run of a part found."""

    reference: float = 0.0
    """Microseconds of the loop; 0 where nothing was timed."""
    times: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)


class Checkout:
    """A firmware to be measured: built as this checkout builds its own, run with its own unit tests' stand-ins."""

    def __init__(self, root: Path, work: Path) -> None:
        self._root = root.resolve()
        self._work = work
        for needed in ("firmware/latchkey", "tests/unit", "boards/UNIX"):
            if not (self._root / needed).is_dir():
                raise Misuse(f"{root} is no checkout of Latchkey: it has no {needed}", "give the path of one")
        self._micropython = find_micropython()
        self._march, self._bits = ask(self._micropython)
        try:
            self._stage = staged(work / "stage", self._root / "firmware")
            self._short = shortened(work / "short", self._stage)
        except CompileError as error:
            raise Misuse(
                f"the firmware of {root} does not compile: {error}", "see what `make lint` says there"
            ) from None

    def measure(self, part: str) -> Figures:
        """Raises Misuse where this checkout has not what is measured."""
        if part == "heap":
            return self._heap()
        if part == "boot":
            return self._boot()
        return self._run({"crypto": programs.crypto, "command": programs.command, "lookups": programs.lookups}[part]())

    def _run(self, program: str) -> Figures:
        path = [str(self._root / "tests" / "unit"), str(self._stage), str(self._root / "boards" / "UNIX")]
        code = f"import sys; sys.path[:1] = {path!r}\n{program}"
        command = [self._micropython, "-X", "heapsize=16M", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise Misuse(f"{self._root} cannot be measured so: {' '.join(said)}", "is it much older than this one?")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        times = found.get("times", {})
        return Figures(times.pop(programs.REFERENCE, 0.0), times, found.get("counts", {}))

    def _boot(self) -> Figures:
        """From the interpreter's start to the first word to a host, and what the flash had to do for it."""
        built = self._work / "built"
        compiling.build(built, self._march, sources=self._short)
        figures = self._run(programs.reference())
        for count in _KEYS:
            image = self._work / f"{count}.img"
            if not image.exists():
                settings = json.dumps({"vin": _VIN, "radio": False, "bench": True}).encode()
                self._run(programs.car(str(image), settings, count))
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder, "flash.img")
                boots = [self._cold_boot(Path(shutil.copy(image, copy)), built) for _ in range(_BOOTS)]
                figures.times[f"a cold boot with {count} keys"] = min(boots)
                shutil.copy(image, copy)
                with SimulatedBoard(copy, firmware_dir=built) as board, Bench.open(board.port) as car:
                    figures.counts[f"flash operations of a boot with {count} keys"] = car.request("flash_ops")["count"]
                    figures.counts[f"largest free block with {count} keys and the bench"] = car.heap()["largest"]
        return figures

    def _cold_boot(self, image: Path, built: Path) -> float:
        environment = os.environ | {"LATCHKEY_IMAGE": str(image), "LATCHKEY_FIRMWARE": str(built)}
        command = [self._micropython, "-X", heap_option("160K", self._bits), str(START)]
        began = time.perf_counter()
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
            try:
                assert process.stdout
                for line in process.stdout:
                    if line.startswith(b"@s"):
                        return 1e6 * (time.perf_counter() - began)
            finally:
                process.kill()
        raise Misuse(f"the car of {self._root} did not boot", "is it much older than this one?")

    def _heap(self) -> Figures:
        figures = Figures()
        stages = heap.measure(sources=self._short)
        for stage, found in stages.items():
            figures.counts[f"heap in use: {stage}"] = found.used
        figures.counts["names interned: booted"] = stages["booted"].names
        for march in compiling.BOARD_MARCHES:
            figures.counts[f"bytes of .mpy, {march}"] = sum(size.sizes(march, sources=self._short).values())
        figures.counts["statements"] = sum(
            isinstance(node, ast.stmt)
            for path in (self._root / "firmware").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
        return figures
