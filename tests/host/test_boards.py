# SPDX-License-Identifier: Apache-2.0
"""The boards' files: pins that a chip has and a relay can hang on, and papers that say the same as the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from host_tools.build import boards, compiling, staging
from host_tools.faults import Misuse
from host_tools.flash import mip

NAMES = ["ESP32_GENERIC", "ESP32_GENERIC_C3", "ESP32_GENERIC_C6", "ESP32_GENERIC_S3"]
WIRES = ["start", "lock", "led", "card", "brake", "door"]

# From the chips' datasheets: what a module brings out and nothing else claims.
USABLE = {
    "ESP32": {4, 13, 18, 19, 21, 22, 23, 25, 26, 27, 32, 33},  # not 34 to 39: no pull-ups
    "ESP32S3": {1, 2, *range(4, 19), 21, 38, 39, 40, 41, 42, 47, 48},
    "ESP32C3": {0, 1, 3, 4, 5, 6, 7, 10},
    "ESP32C6": {0, 1, 2, 3, 6, 7, *range(18, 24)},
}
STRAPPING = {"ESP32": {0, 2, 5, 12, 15}, "ESP32S3": {0, 3, 45, 46}, "ESP32C3": {2, 8, 9}, "ESP32C6": {4, 5, 8, 9, 15}}
HIGH_AT_RESET = {"ESP32": {14}, "ESP32S3": {18}, "ESP32C3": {6}, "ESP32C6": {6}}


def test_these_are_the_boards() -> None:
    assert boards.names() == NAMES  # the simulated one is not flashed


def test_an_unknown_board_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(Misuse, match="no board ESP8266") as refused:
        boards.find("ESP8266")
    assert all(name in refused.value.hint for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_board_has_every_wire_on_a_pin_of_its_own_that_its_chip_can_give(name: str) -> None:
    board = boards.find(name)
    assert board.name == name
    assert list(board.pins) == WIRES
    numbers = [number for number in board.pins.values() if number is not None]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= USABLE[board.chip]
    assert not set(numbers) & STRAPPING[board.chip]


@pytest.mark.parametrize("name", NAMES)
def test_settings_may_move_a_wire_only_where_the_chip_can_have_one(name: str) -> None:
    board = boards.find(name)
    outputs, both = set(board.outputs), set(board.outputs + board.inputs)
    assert set(board.pins.values()) <= both
    assert {board.pins[wire] for wire in ("start", "lock", "led")} <= outputs
    assert both <= USABLE[board.chip] | HIGH_AT_RESET[board.chip]
    assert not both & STRAPPING[board.chip]
    assert not outputs & HIGH_AT_RESET[board.chip]
    text = (boards.FOLDER / name / "README.md").read_text()
    assert f"Free for outputs and inputs: {_listed(board.outputs)}; for inputs only: {_listed(board.inputs)}." in (
        " ".join(text.split())
    )


def _listed(numbers: bytes) -> str:
    return ", ".join(map(str, numbers))


@pytest.mark.parametrize("name", NAMES)
def test_no_relay_hangs_on_a_pin_that_is_high_while_the_chip_starts(name: str) -> None:
    board = boards.find(name)
    assert not {board.pins["start"], board.pins["lock"]} & HIGH_AT_RESET[board.chip]


@pytest.mark.parametrize("name", NAMES)
def test_native_code_is_compiled_for_a_processor_that_the_budget_is_held_on(name: str) -> None:
    board = boards.find(name)
    assert board.march in compiling.BOARD_MARCHES
    assert board.serial in {"uart", "usb"}
    assert board.mhz in {160, 240}


@pytest.mark.parametrize("name", NAMES)
def test_the_wiring_table_says_what_the_code_says(name: str) -> None:
    text = (boards.FOLDER / name / "README.md").read_text()
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\d+) \|", text)
    assert {wire: int(number) for wire, number in rows} == boards.find(name).pins
    offset = "0x1000" if name == "ESP32_GENERIC" else "0"
    assert f"write-flash {offset} {name}-" in text
    assert f"--chip {boards.find(name).chip.lower()} " in text


class Options:
    """A manifest's options: their defaults, and what another manifest says when it includes this one."""

    def __init__(self, **said: bool) -> None:
        self._said = said

    def defaults(self, **defaults: bool) -> None:
        self.__dict__.update({**defaults, **self._said})


@pytest.mark.parametrize("production", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_freezes_the_whole_agent_and_no_hand_or_prompt_for_the_road(name: str, production: bool) -> None:
    """MicroPython's manifest language, with functions that only look."""
    folder = boards.FOLDER / name
    stage = staging.staged_for_the_road() if production else staging.staged()
    frozen: list[Path] = []
    required: list[str] = []

    def module(file: str, base_path: str = ".", opt: int = 0) -> None:
        frozen.append((folder / base_path / file).resolve())

    def package(name: str, base_path: str = ".", opt: int = 0) -> None:
        frozen.extend(sorted((folder / base_path / name).resolve().rglob("*.py")))

    language: dict[str, Any] = {"include": lambda path: None, "require": required.append}
    language |= {"module": module, "package": package, "options": Options(production=production)}
    exec((folder / "manifest.py").read_text(), language)
    assert sorted(frozen) == sorted([*stage.rglob("*.py"), folder / "board.py"])
    assert required == ["aioble-peripheral", "aioble-server"]
    hands = {name for name in staging.BENCH_ONLY if stage / name in frozen}
    assert hands == (set() if production else set(staging.BENCH_ONLY))


def test_the_mip_package_is_the_agent_with_short_names_and_names_no_file_twice(tmp_path: Path) -> None:
    package = mip.write(tmp_path / "mip")
    listed = json.loads(package.read_text())
    targets = [target for target, _ in listed["urls"]]
    assert len(set(targets)) == len(targets) > 40
    assert "latchkey/wire/schema.py" not in targets
    short = staging.shortened()
    for target, source in listed["urls"]:
        assert (package.parent / source).read_text() == (short / target).read_text()
    assert listed["version"].count(".") == 2
