# SPDX-License-Identifier: Apache-2.0
"""A car on a virtual radio, for client libraries from PyPI."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import VIN, new_phone


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    image = tmp_path_factory.mktemp("clients") / "flash.img"
    interpreter = request.config.getoption("--micropython")
    with SimulatedBoard(image, vin=VIN, radio="virtual", micropython=interpreter) as board:
        yield board


@pytest.fixture(scope="module")
def air(board: SimulatedBoard) -> str:
    assert board.air
    return board.air


@pytest.fixture(scope="module")
def car(board: SimulatedBoard) -> Iterator[Bench]:
    with Bench.open(board.port, timeout=30) as bench:
        yield bench


@pytest.fixture(scope="module")
def owner(car: Bench) -> Phone:
    """On the serial port."""
    return new_phone(car, "owner")
