# SPDX-License-Identifier: Apache-2.0
"""Settings that are wrong are refused by name: when a board is provisioned, and when it boots with them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from host_tools.faults import NoAnswer
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench, BenchError
from host_tools.sim.board import SimulatedBoard
from tests.bench.flash_image import files, write_file
from tests.bench.support import VIN, AnyBoard, nothing_changes

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a setting that is not there": ({"beep": True}, "beep"),
    "a typing error": ({"raido": False}, "raido"),
    "text for yes or no": ({"radio": "off"}, "radio"),
    "a number for yes or no": ({"bench": 1}, "bench"),
    "nothing for yes or no": ({"bench": None}, "bench"),
    "pins that are no table": ({"pins": [1, 2]}, "pins"),
    "a pin that is not there": ({"pins": {"horn": 4}}, "pins.horn"),
    "a pin of no number": ({"pins": {"start": "26"}}, "pins.start"),
    "a pin of a wrong number": ({"pins": {"start": 6400}}, "pins.start"),
    "one pin for two things": ({"pins": {"start": 4, "lock": 4}}, "pins."),
    "the pin of another thing": ({"pins": {"start": 27}}, "pins.start"),
    "a pin that is not there for wires": ({"pins": {"lock": 7}}, "pins.lock"),
    "a pin that has no pull-up": ({"pins": {"card": 34}}, "pins.card"),
}
WRONG_VINS = ["", VIN[:-1], VIN + "D", VIN.lower(), "5YJ3O123456789ABC", "5YJ30123456789A\n1"]


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("resting")
def test_a_wrong_setting_is_refused_by_name_and_the_car_stays_as_it_was(car: Bench, owner: Phone, name: str) -> None:
    settings, named = WRONG[name]
    with nothing_changes(car, owner), pytest.raises(BenchError) as caught:
        car.provision(VIN, settings, force=True)
    assert named in caught.value.text and "\n" not in caught.value.text


@pytest.mark.parametrize("vin", WRONG_VINS)
@pytest.mark.usefixtures("resting")
def test_a_wrong_vin_is_refused_and_the_car_stays_as_it_was(car: Bench, owner: Phone, vin: str) -> None:
    with nothing_changes(car, owner), pytest.raises(BenchError, match="vin"):
        car.provision(vin, force=True)


@pytest.mark.usefixtures("resting")
def test_a_car_is_not_made_another_without_force(car: Bench, owner: Phone) -> None:
    with nothing_changes(car, owner), pytest.raises(BenchError, match=f"this board is {VIN} already"):
        car.provision("5YJS0000000000000")


def test_pins_may_be_moved_and_left_out(board: AnyBoard, simulated: SimulatedBoard, tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path / "flash.img") as other, Bench.open(other.port, 30) as car:
        car.provision(VIN, {"radio": False, "pins": {"led": None, "start": 4}})
        pins = car.pins()
        assert pins["led"] is None and pins["start"] == 0


CONTENTS: dict[str, tuple[bytes, str]] = {
    **{name: (json.dumps({"vin": VIN, **settings}).encode(), named) for name, (settings, named) in WRONG.items()},
    "no VIN": (b"{}", "vin"),
    "a VIN that is none": (b'{"vin": "MY CAR"}', "vin"),
    "no JSON": (b"vin = 5YJ30123456789ABC", "config.json"),
    "half of it": (b'{"vin": "5YJ30123456789A', "config.json"),
    "a list": (b"[]", "config.json"),
    "nothing": (b"", "config.json"),
    "no text": (b"\xff\xfe\x00", "config.json"),
}


@pytest.fixture(scope="module")
def off(board: AnyBoard, simulated: SimulatedBoard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flash of a car that is switched off."""
    image = tmp_path_factory.mktemp("off") / "flash.img"
    with SimulatedBoard(image, vin=VIN):
        pass
    return image


def lines_of(board: SimulatedBoard, wanted: str) -> list[str]:
    """What it says of itself, once it has said this."""
    deadline = time.monotonic() + 10
    while wanted not in board.text and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "Traceback" not in board.text
    return [line for line in board.text.splitlines() if "latchkey" in line]


@pytest.mark.parametrize("name", CONTENTS)
def test_a_car_with_wrong_settings_says_which_in_one_line_and_stays_the_car_it_was(off: Path, name: str) -> None:
    content, named = CONTENTS[name]
    write_file(off, "/data/config.json", content)
    with SimulatedBoard(off) as board, Bench.open(board.port, 20) as car:
        lines = lines_of(board, "boot")
        assert len(lines) == 2 and lines[0].startswith(f"latchkey: settings refused: {named}"), board.text
        assert car.info()["vin"] == VIN
    assert files(off)["/data/config.json"] == content  # for its author


@pytest.mark.parametrize("name", CONTENTS)
def test_a_board_that_never_had_others_says_which_are_wrong_and_is_no_car(
    board: AnyBoard, simulated: SimulatedBoard, tmp_path: Path, name: str
) -> None:
    content, named = CONTENTS[name]
    image = tmp_path / "flash.img"
    with SimulatedBoard(image):
        pass
    write_file(image, "/data/config.json", content)
    with SimulatedBoard(image) as new:
        lines = lines_of(new, "refused")
        assert len(lines) == 1 and lines[0].startswith(f"latchkey: settings refused: {named}"), new.text


def test_a_board_whose_settings_were_mended_is_the_car_that_they_say(
    board: AnyBoard, simulated: SimulatedBoard, tmp_path: Path
) -> None:
    image = tmp_path / "flash.img"
    with SimulatedBoard(image):
        pass
    write_file(image, "/data/config.json", b"{")
    with SimulatedBoard(image) as new, pytest.raises(NoAnswer, match=r"prompt|no car answered"):
        Bench.open(new.port, 1.5)
    write_file(image, "/data/config.json", json.dumps({"vin": VIN}).encode())
    with SimulatedBoard(image) as new, Bench.open(new.port, 20) as car:
        assert car.info()["vin"] == VIN
