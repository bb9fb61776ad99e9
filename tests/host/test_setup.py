# SPDX-License-Identifier: Apache-2.0
"""What is met before anything works: `make setup` says in a line what is missing, and tests run as any job."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests import interrupts

ROOT = Path(__file__).parents[2]
_NARROW, _WIDE = set(" .,:;il|'·"), 0.66  # a wide font's average letter, in em
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As much of a fresh copy as setting up begins with."""
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def setup(checkout: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """`make setup`: its exit code and what it says on stderr, without make's own line about it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "--no-print-directory", "setup", *arguments],
        cwd=checkout,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]


def test_without_a_network_one_line_says_so_and_what_to_try(checkout: Path) -> None:
    nobody = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    code, said = setup(checkout, f"PYTHON={sys.executable}", **nobody)
    assert code != 0
    assert len(said) == 1, said
    assert "could not be downloaded" in said[0] and "PIP_INDEX_URL" in said[0] and "HTTPS_PROXY" in said[0]
    assert "No matching distribution" in (checkout / ".venv/pip.log").read_text()


def test_an_interpreter_that_is_not_there_is_not_called_too_old(checkout: Path) -> None:
    code, said = setup(checkout, "PYTHON=no-such-python")
    assert code != 0
    assert len(said) == 1 and "There is no no-such-python here" in said[0] and "needs Python" not in said[0]


def test_an_interpreter_that_is_not_there_is_told_also_when_all_is_set_up(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/fresh").touch()
    assert setup(checkout, "PYTHON=no-such-python")[0] != 0
    assert setup(checkout)[0] == 0


def test_an_interpreter_that_is_too_old_is_called_so(checkout: Path) -> None:
    old = checkout / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    code, said = setup(checkout, f"PYTHON={old}")
    assert code != 0 and "needs Python 3.11 or newer" in said[0]


@pytest.mark.parametrize("where", ["tests/host/test_sim.py", "tests/bench/test_cli_story.py"])
def test_tests_of_ctrl_c_pass_where_the_caller_ignores_it(where: str) -> None:
    """As in the background job of a script, and in a CI."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "ctrl_c", where]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False, preexec_fn=interrupts.ignored
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"[1-9] passed", done.stdout)


def _width(text: str, size: float) -> float:
    """At most so wide, whatever sans-serif font the reader has."""
    return sum(0.4 if letter in _NARROW else _WIDE for letter in text) * size


def test_no_words_of_the_wiring_picture_are_cut_off_in_any_font() -> None:
    root = ElementTree.parse(ROOT / "docs/wiring.svg").getroot()
    _, _, width, height = (float(number) for number in root.attrib["viewBox"].split())
    small = {match[1]: float(match[2]) for match in re.finditer(r"\.(\w+)\{[^}]*font-size:(\d+)px", str(root[0].text))}
    seen = 0
    for text in root.iter(f"{SVG}text"):
        words = str(text.text)
        given = text.get("font-size") or root.attrib["font-size"]
        size = small.get(text.get("class", ""), float(given))
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        wide = _width(words, size)
        left = {"end": x - wide, "middle": x - wide / 2}.get(text.get("text-anchor", ""), x)
        assert left >= 0 and left + wide <= width and size <= y <= height - size / 3, words
        seen += 1
    assert seen >= 15
