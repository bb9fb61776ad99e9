# SPDX-License-Identifier: Apache-2.0
"""A radio that did not come up in time (OSError ETIMEDOUT out of aioble) restarted the board, for ever.

Now the car serves on its serial port, says why its radio is off, and tries again; one that dies later, too.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.phone.client import Phone
from host_tools.radio.car_side import CarRadio
from host_tools.radio.phone_side import BleConnection
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import VIN, new_phone

PATIENCE = 40.0  # the second attempt comes after 5 s, the third after 10 more


def awaited(car: Bench, radio: str) -> str:
    """What the car says of its radio, once that holds `radio`."""
    deadline = time.monotonic() + PATIENCE
    while radio not in (said := str(car.info()["radio"])) and time.monotonic() < deadline:
        time.sleep(0.2)
    return said


def drive(phone: Phone) -> None:
    phone.unlock()
    phone.start()
    phone.lock()


def drive_by_radio(board: SimulatedBoard, owner: Phone) -> None:
    with contextlib.closing(BleConnection(VIN, board.air)) as connection:
        drive(Phone(connection, VIN, owner.key))


@pytest.fixture
def board(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SimulatedBoard]:
    if request.config.getoption("--port"):
        pytest.skip("only a simulated radio breaks when it is told to")
    monkeypatch.setattr(CarRadio, "trouble", errno.ETIMEDOUT)
    with SimulatedBoard(tmp_path / "flash.img", vin=VIN, radio="virtual") as simulated:
        yield simulated


def test_a_car_whose_radio_does_not_come_up_serves_and_tries_again(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = board.boots
    with Bench.open(board.port, 30) as car:
        assert awaited(car, "OSError").startswith("OSError")
        owner = new_phone(car, "owner")
        drive(owner)
        monkeypatch.setattr(CarRadio, "trouble", 0)
        assert awaited(car, "on") == "on"
        assert car.wait_event("radio")["on"]
        drive_by_radio(board, owner)

        assert board.bridge is not None
        since = len(car.events)
        board.bridge.cut()
        assert car.wait_event("radio", since=since, on=False)["why"]
        drive(owner)
        assert awaited(car, "on") == "on"
        drive_by_radio(board, owner)
        assert board.boots == boots
