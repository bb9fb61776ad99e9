# SPDX-License-Identifier: Apache-2.0
"""Ticks come round after 12.4 days: every place of the firmware that touches them has been looked at."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from host_tools.build.staging import SOURCES

# What a file may use besides `elapsed`, and why that is safe over any gap.
REVIEWED = {
    "latchkey/clock.py": {"ticks_ms"},  # `elapsed` and the Clock themselves
    "latchkey/router.py": {"ticks_ms"},  # stamps a command
    "latchkey/bench/meter.py": {"ticks_us"},  # times one message, which ends at once
    "latchkey/bench/stretches.py": {"ticks_us"},  # times what comes between two waits of the loop
    "latchkey/car.py": {"ticks_ms"},  # is a phone commanding? One that came round is told later
    "latchkey/sync/poll.py": {"ticks_ms"},  # is a phone commanding? One that came round is waited for once
    "latchkey/link/serial.py": {"ticks_ms"},  # _heard: looked at twice a second, and not at all once it is old
    "latchkey/link/ble.py": {"ticks_ms"},  # only passed on
    "latchkey/link/blephone.py": {"ticks_ms", "ticks_add"},  # Phone.tick marks what is old, ten times a second
}


def ticks_in(text: str) -> set[str]:
    """The names of `time`'s tick functions that a source uses, however it came by them."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]  # getattr
        found |= {name for name in names if name.startswith("ticks_")}
    return found


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_ticks_are_used_only_where_a_gap_of_any_length_is_safe(path: Path) -> None:
    used = ticks_in(path.read_text("utf-8"))
    assert used == REVIEWED.get(path.relative_to(SOURCES).as_posix(), set())


def test_every_reviewed_file_is_there() -> None:
    assert all((SOURCES / name).exists() for name in REVIEWED)


def test_no_way_of_naming_them_escapes() -> None:
    for text in (
        "import time\ntime.ticks_diff(1, 2)",
        "from time import ticks_diff as d\nd(1, 2)",
        "import time\ngetattr(time, 'ticks_diff')(1, 2)",
        "from time import *\nticks_diff(1, 2)",
    ):
        assert "ticks_diff" in ticks_in(text)
