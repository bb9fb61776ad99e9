# SPDX-License-Identifier: Apache-2.0
"""The phone commands over the air: `--ble` in place of `--port`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools.cli import app
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import VIN


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    folder = tmp_path_factory.mktemp("cli-ble")
    interpreter = request.config.getoption("--micropython")
    image, port = folder / "car.img", folder / "car"
    with SimulatedBoard(image, vin=VIN, port=port, radio="virtual", micropython=interpreter) as board:
        yield board


@pytest.fixture(scope="module")
def owner(board: SimulatedBoard, tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = tmp_path_factory.mktemp("keys") / "owner.pem"
    paired = run(board, "pair", "--key", key, "--vin", VIN, "--tap", "--port", board.port)
    assert (paired["ok"], paired["enrolled"]) == (True, True)
    return key


def run(board: SimulatedBoard, *arguments: object, exits: int = 0) -> dict[str, Any]:
    """A command over the air; what it says in JSON."""
    words = [str(word) for word in arguments] + ["--ble", "--radio", f"{board.port}.radio", "--json"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == exits, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def test_a_paired_key_finds_its_car_by_itself(board: SimulatedBoard, owner: Path) -> None:
    assert run(board, "unlock", "--key", owner)["vin"] == VIN
    assert run(board, "start", "--key", owner)["did"] == "start"
    with Bench.open(board.port) as car:
        assert not car.state()["locked"]
        assert car.pins()["start"] == 1
    assert run(board, "lock", "--key", owner)["did"] == "lock"


def test_an_owner_manages_keys_over_the_air(board: SimulatedBoard, owner: Path, tmp_path: Path) -> None:
    added = run(board, "keys", "add", "--key", owner, "--new", tmp_path / "bo.pem")
    assert run(board, "open", "trunk", "--key", tmp_path / "bo.pem", "--vin", VIN)["closure"] == "trunk"
    run(board, "keys", "remove", "--key", owner, "--which", added["key"])
    refused = run(board, "unlock", "--key", tmp_path / "bo.pem", exits=1)
    assert refused["error"]["name"] == "UNKNOWN_KEY_ID"


def test_a_car_that_is_not_there_is_no_answer(board: SimulatedBoard, owner: Path) -> None:
    away = run(board, "unlock", "--key", owner, "--vin", "5YJS0000000000000", "--timeout", "1.5", exits=3)
    assert away["error"]["name"] == "NO_ANSWER"


def test_a_key_that_knows_no_car_has_to_say_which(board: SimulatedBoard, owner: Path, tmp_path: Path) -> None:
    run(board, "keys", "add", "--key", owner, "--new", tmp_path / "new.pem")
    asked = run(board, "unlock", "--key", tmp_path / "new.pem", exits=2)
    assert "--vin" in asked["error"]["hint"]
