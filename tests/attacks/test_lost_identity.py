# SPDX-License-Identifier: Apache-2.0
"""One flipped bit in the VIN made another car, and a lost identity was drawn anew in silence: no phone worked any more.

Both are sealed, and there twice. What a person edits is told from what has rotted; a car that has lost its identity
says so, and its people are paired anew with the card, into their slots.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from host_tools.faults import Refused
from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.flash_image import change, files
from tests.bench.support import VIN, new_phone, stranger, tap

FLIP = """
with open({path!r}, 'rb') as f:
    data = bytearray(f.read())
data[{at} % len(data)] ^= {mask}
with open({path!r}, 'wb') as f:
    f.write(data)
"""


@pytest.fixture(scope="module")
def paired(simulated: SimulatedBoard, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keyfile.Key, bytes]:
    """A car that is off, its owner's key, and its settings."""
    image = tmp_path_factory.mktemp("off") / "flash.img"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner", "Ann")
        owner.unlock()
    return image, owner.key, files(image)["/data/config.json"]


@pytest.fixture
def off(paired: tuple[Path, keyfile.Key, bytes], tmp_path: Path) -> Path:
    shutil.copy(paired[0], tmp_path / "flash.img")
    return tmp_path / "flash.img"


@pytest.mark.parametrize("path", ["/data/config.json", "/data/settings", "/data/twin/settings", "/data/identity"])
@pytest.mark.parametrize("mask", [1, 0x20])
def test_a_flipped_bit_anywhere_leaves_the_car_that_it_was(
    paired: tuple[Path, keyfile.Key, bytes], off: Path, path: str, mask: int
) -> None:
    at = paired[2].index(VIN.encode()) + 16 if path == "/data/config.json" else 30
    change(off, FLIP.format(path=path, at=at, mask=mask))
    with SimulatedBoard(off) as board, Bench.open(board.port, 20) as car:
        assert car.info()["vin"] == VIN and "identity_lost" not in car.hello
        stranger(car, paired[1]).unlock()
        assert board.boots == 1


def test_another_vin_in_the_settings_of_a_car_with_keys_is_refused_and_told(
    paired: tuple[Path, keyfile.Key, bytes], off: Path
) -> None:
    other = json.dumps({"vin": "5YJS0000000000000"})
    change(off, f"with open('/data/config.json', 'w') as f:\n    f.write({other!r})")
    with SimulatedBoard(off) as board, Bench.open(board.port, 20) as car:
        stranger(car, paired[1]).unlock()
        assert car.info()["vin"] == VIN
        assert "settings refused: vin: this car has keys" in board.text


def test_settings_that_a_person_edits_are_taken(paired: tuple[Path, keyfile.Key, bytes], off: Path) -> None:
    edited = json.dumps({"vin": VIN, "pins": {"led": 4}})
    change(off, f"with open('/data/config.json', 'w') as f:\n    f.write({edited!r})")
    with SimulatedBoard(off) as board, Bench.open(board.port, 20) as car:
        stranger(car, paired[1]).unlock()
        assert "refused" not in board.text
    change(off, "os.remove('/data/config.json')")
    with SimulatedBoard(off) as board, Bench.open(board.port, 20) as car:
        stranger(car, paired[1]).unlock()
    assert json.loads(files(off)["/data/config.json"]) == json.loads(edited)


def test_a_car_whose_identity_is_gone_says_so_and_is_paired_anew_with_the_card(
    paired: tuple[Path, keyfile.Key, bytes], off: Path
) -> None:
    for path in ("/data/identity", "/data/twin/identity"):
        change(off, FLIP.format(path=path, at=40, mask=8))
    with SimulatedBoard(off) as board, Bench.open(board.port, 30) as car:
        assert car.hello["identity_lost"] and "identity is lost" in board.text
        assert any(entry["kind"] == "identity" for entry in car.log())
        owner = stranger(car, paired[1])
        with pytest.raises(Refused, match=r"not enrolled|does not know"):
            owner.unlock()
        slot = car.keys()[0]["slot"]
        again = repaired(car, paired[1])
        again.unlock()
        enrolled = car.keys()
        assert [(key["key"], key["slot"], key["role"]) for key in enrolled] == [(paired[1].id, slot, 2)]
        boot = car.boot
        board.power_cycle()
        car.wait_boot(boot)
        assert "identity_lost" not in car.hello
        stranger(car, paired[1]).lock()


def repaired(car: Bench, key: keyfile.Key) -> Phone:
    phone = stranger(car, key)
    pair(phone, "owner", "Ann", on_wait=lambda: tap(car, phone))
    return phone
