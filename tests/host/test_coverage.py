# SPDX-License-Identifier: Apache-2.0
"""make coverage: the lines of firmware that are said to have run are those that ran."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from host_tools.build.staging import SCHEMA
from host_tools.sim.interpreter import find_micropython
from tests.coverage.probes import Probes

SOURCE = '''"""A car."""
import micropython

_LIMIT = micropython.const(2)


@micropython.bytecode
def door(n):
    """No line that runs."""
    try:
        if n > _LIMIT:
            raise ValueError
        elif n:
            return (
                n
            )
    except ValueError:
        n = 0
    micropython.heap_lock()
    n = 1
    micropython.heap_unlock()
    while n:
        n -= 1
    else:
        n = 5
'''


@pytest.mark.parametrize(
    ("calls", "ran"),
    [
        ("", set()),
        ("car.door(0)", {10, 11, 13, 19, 20, 21, 22, 23, 25}),
        ("car.door(1)", {10, 11, 13, 14}),
        ("car.door(3)", {10, 11, 12, 17, 18, 19, 20, 21, 22, 23, 25}),
    ],
)
def test_what_ran_under_micropython_is_said_by_the_lines_of_the_source(
    tmp_path: Path, calls: str, ran: set[int]
) -> None:
    stage = tmp_path / "stage"
    for name, text in (("car.py", SOURCE), (SCHEMA, ""), ("idle.py", "x = 1\n")):
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(text)
    probes = Probes(stage, tmp_path)
    code = f"import sys; sys.path[:1] = [{str(probes.firmware)!r}]; import car; {calls}"
    for _ in range(2):
        subprocess.run([find_micropython(), "-c", code], check=True)
    assert probes.lines() == {"car.py": {2, 4, 7, 8} | ran, "idle.py": set()}
