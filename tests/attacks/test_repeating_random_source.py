# SPDX-License-Identifier: Apache-2.0
"""A random source that repeats, and a number of starts that a bit flip lowered: a recorded start worked again.

The number is kept twice on the flash and once outside of it, and nothing lowers it. (That nothing is signed when it can
be written nowhere, and that a repeating source then makes no epoch twice: tests/unit/test_start.py.)
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.flash_image import change
from tests.bench.support import VIN, ask, fault, new_phone

FLIPPED = "for p in ('/data/boot', '/data/twin/boot'):\n    open(p, 'wb').write(bytes(16))\n"
GONE = "for p in ('/data/boot', '/data/twin/boot'):\n    os.remove(p)\n"


def number(car: Bench) -> int:
    """Of this start, as the access log has it."""
    return max(int(entry["boot"]) for entry in car.log())


@pytest.mark.parametrize("damage", ["both copies flipped", "both copies gone", "NVS gone", "NVS older", "files older"])
def test_nothing_lowers_the_number_of_starts_and_a_recorded_start_stays_refused(
    simulated: SimulatedBoard, tmp_path: Path, damage: str
) -> None:
    image, outside = tmp_path / "flash.img", tmp_path / "flash.img.nvs"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        shutil.copy(outside, tmp_path / "old.nvs")
        old = change_free_copy(image, tmp_path)
        for _ in range(2):
            boot = car.boot
            board.power_cycle()
            car.wait_boot(boot)
        owner.connection = car.connect()
        owner.start()
        recorded = owner.last_sent
        before = number(car)
    if damage == "both copies flipped":
        change(image, FLIPPED)
    elif damage == "both copies gone":
        change(image, GONE)
    elif damage == "NVS gone":
        outside.unlink()
    elif damage == "NVS older":
        shutil.copy(tmp_path / "old.nvs", outside)
    else:
        change(image, f"for p in ('/data/boot', '/data/twin/boot'):\n    open(p, 'wb').write({old!r})\n")
    with SimulatedBoard(image) as board, Bench.open(board.port, 30) as car, car.connect() as connection:
        assert fault(ask(car, connection, recorded)) == "INCORRECT_EPOCH"
        assert car.pins()["start"] == 0
        assert number(car) == before + 1
    assert json.loads(outside.read_text())["latchkey.boot"] == before + 1


def change_free_copy(image: Path, folder: Path) -> bytes:
    """What a copy of the number is now: read from a copy of the image, which is in use."""
    shutil.copy(image, folder / "copy.img")
    return bytes.fromhex(change(folder / "copy.img", "print(open('/data/boot', 'rb').read().hex())").strip())


def test_a_car_provisioned_anew_goes_on_counting(simulated: SimulatedBoard, tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path / "flash.img", vin=VIN) as board, Bench.open(board.port, 30) as car:
        for _ in range(3):
            car.reboot()
        before = number(car)
        car.provision(VIN, force=True)
        new_phone(car, "owner")
        assert number(car) > before
