# SPDX-License-Identifier: Apache-2.0
"""A car for each file of tests: a simulated board, or with --port the real one on that port.

`board` is the board with its port free, `car` the harness's hold on it, provisioned anew, and `owner` a phone that was
paired with a card tap. A file's tests share them: each leaves the car locked and closed, with the keys it found. After
a test that failed the car is made anew for the next one, which waits for the board as long as its restarts take.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator

import pytest

from host_tools.faults import LatchkeyError
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import AnyBoard, RealBoard, Station, rest

_LEFT = pytest.StashKey[str | None]()


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
def station(board: AnyBoard) -> Iterator[Station]:
    """Where the file's car and its owner are had from."""
    with contextlib.closing(Station(board.port)) as made:
        yield made


@pytest.fixture
def car(station: Station) -> Bench:
    """The car: a new identity, and no keys yet."""
    return station.car


@pytest.fixture
def owner(station: Station) -> Phone:
    """The phone of the owner, enrolled with a tap."""
    return station.owner


@pytest.fixture
def resting(car: Bench, owner: Phone) -> Iterator[None]:
    """The car is locked, closed and off, with no other key than the owner's, before and after the test."""
    rest(car, owner)
    yield
    rest(car, owner)


@pytest.fixture(autouse=True)
def board_is_back(request: pytest.FixtureRequest) -> None:
    """A test that failed with the port in its own hands may have left the board restarting: it is waited for."""
    port = request.config.stash.get(_LEFT, None)
    if port:
        request.config.stash[_LEFT] = None
        with contextlib.suppress(LatchkeyError):
            Bench.open(port, Bench.restart_timeout).close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        stations = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Station)]
        for station in stations:
            station.doubtful = True
        if not stations and report.when == "call":
            item.config.stash[_LEFT] = item.config.getoption("--port")
    return report
