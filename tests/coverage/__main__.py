# SPDX-License-Identifier: Apache-2.0
"""`make coverage`: which lines do the tests run?

coverage.py measures the host's code. The firmware is measured where it runs, under MicroPython, by its unit tests: with
probes in its text, because the interpreter from PyPI has no `sys.settrace`. What a whole simulated car runs does not
count. Prints a table by room, and the lines of the rooms that a car's safety hangs on which no unit test runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import coverage
from coverage.exceptions import CoverageWarning
from rich.console import Console
from rich.table import Table

from host_tools.build.staging import SOURCES, staged
from tests.coverage.probes import Probes

ROOT = SOURCES.parent
OUT = ROOT / "build" / "coverage"
TESTS = ("tests/unit", "tests/host", "tests/bench", "tests/ble")
SAFETY = ("session", "keys", "store", "link")


def run(probes: Probes, arguments: list[str]) -> int:
    """The tests, with coverage.py in every process of the host and probes in the firmware. Their exit status."""
    path = f"micropython_path={probes.firmware} {ROOT / 'boards' / 'UNIX'}"
    command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q", "-n", "2", "-o", path]
    return subprocess.run(command + (arguments or list(TESTS)), cwd=ROOT, check=False).returncode


def measured(probes: Probes) -> coverage.Coverage:
    """What was measured on both sides."""
    firmware = coverage.CoverageData(str(OUT / "data.firmware"))
    firmware.add_lines({str(SOURCES / name): lines for name, lines in probes.lines().items()})
    firmware.write()
    both = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CoverageWarning)  # of a command that a test killed while it wrote
        both.combine([str(OUT)])
    return both


def rooms(files: dict[str, Any]) -> Table:
    """Lines by folder, from what coverage.py says of the files."""
    lines: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    for name, file in files.items():
        room = str(Path(name).parent)
        lines[room] += file["summary"]["num_statements"]
        ran[room] += file["summary"]["covered_lines"]
    table = Table("room", "lines", "run", "%")
    for room in sorted(lines):
        if lines[room]:
            table.add_row(room, str(lines[room]), str(ran[room]), f"{100 * ran[room] / lines[room]:.1f}")
    return table


def main() -> int:
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    probes = Probes(staged(), OUT)
    status = run(probes, sys.argv[1:])
    both = measured(probes)
    both.json_report(outfile=str(OUT / "coverage.json"))
    both.html_report(directory=str(OUT / "html"))
    print("\nfirmware: its unit tests, under MicroPython with probes; host_tools: all tests that ran, with coverage.py")
    Console().print(rooms(json.loads((OUT / "coverage.json").read_text())["files"]))
    both.report(include=[f"firmware/latchkey/{room}/*" for room in SAFETY], show_missing=True, skip_covered=True)
    print(f"every line: {(OUT / 'html' / 'index.html').relative_to(ROOT)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
