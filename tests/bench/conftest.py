# SPDX-License-Identifier: Apache-2.0
"""A car for each file of tests: a simulated board, or with --port the real one on that port.

`board` is the board with its port free, `car` the harness's hold on it, provisioned anew, and `owner` a phone that was
paired with a card tap. A file's tests share them: each leaves the car locked and closed, with the keys it found.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import VIN, AnyBoard, RealBoard, new_phone, rest


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyBoard]:
    """The board. What can be done to a simulated one only asks for `simulated`."""
    port = request.config.getoption("--port")
    if port:
        yield RealBoard(port)
        return
    interpreter = request.config.getoption("--micropython")
    with SimulatedBoard(tmp_path_factory.mktemp("board") / "flash.img", micropython=interpreter) as simulated:
        yield simulated


@pytest.fixture(scope="module")
def simulated(board: AnyBoard) -> SimulatedBoard:
    """The board, when its plug can be pulled in the middle of anything."""
    if not isinstance(board, SimulatedBoard):
        pytest.skip("only a simulated board can do this")
    return board


@pytest.fixture(scope="module")
def car(board: AnyBoard) -> Iterator[Bench]:
    """The car: a new identity, and no keys yet."""
    with Bench.open(board.port, timeout=30) as bench:
        bench.provision(VIN, force=True)
        yield bench


@pytest.fixture(scope="module")
def owner(car: Bench) -> Phone:
    """The phone of the owner, enrolled with a tap."""
    return new_phone(car, "owner", "Ann's phone")


@pytest.fixture
def resting(car: Bench, owner: Phone) -> Iterator[None]:
    """The car is locked, closed and off, with no other key than the owner's, before and after the test."""
    rest(car, owner)
    yield
    rest(car, owner)
