# SPDX-License-Identifier: Apache-2.0
"""A car on the road has no bench: its owner reads state, keys and access log over the air, with its own phone's key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from host_tools.cli import app
from host_tools.phone import keyfile
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import build_firmware, find_micropython
from tests.bench.support import VIN


@dataclass
class Road:
    """A production build with a radio, and the keys of those who use it."""

    board: SimulatedBoard
    owner: Path
    driver: Path

    def run(self, *arguments: object) -> Result:
        """A command over the air."""
        return CliRunner().invoke(app, [*map(str, arguments), "--ble", "--radio", f"{self.board.port}.radio"])

    def told(self, *arguments: object, exits: int = 0) -> dict[str, Any]:
        """What a command says in JSON."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == exits, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told


@pytest.fixture(scope="module")
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Paired while it still had a bench; then it is flashed for the road."""
    folder = tmp_path_factory.mktemp("road")
    interpreter = find_micropython(request.config.getoption("--micropython"))
    image, port, owner, driver = (folder / name for name in ("flash.img", "car", "owner.pem", "driver.pem"))
    with SimulatedBoard(image, vin=VIN, port=port, micropython=interpreter):
        for command in (
            ["pair", "--key", owner, "--label", "Ann", "--tap"],
            ["keys", "add", "--key", owner, "--new", driver, "--label", "Bo"],
        ):
            done = CliRunner().invoke(app, [*map(str, command), "--port", str(port)])
            assert done.exit_code == 0, done.output
    production = build_firmware(interpreter, production=True)
    with SimulatedBoard(image, port=port, radio="virtual", firmware_dir=production, micropython=interpreter) as board:
        road = Road(board, owner, driver)
        road.told("unlock", "--key", owner)
        road.told("unlock", "--key", driver, "--vin", VIN)
        yield road


def test_an_owner_reads_the_log_of_a_production_car_over_the_air(road: Road) -> None:
    entries = road.told("log", "--key", road.owner)["entries"]
    assert [entry["seq"] for entry in entries] == sorted({entry["seq"] for entry in entries})
    over_the_air = [(entry["key"], entry.get("did")) for entry in entries if entry["conn"] == "ble"]
    owner, driver = (keyfile.load(key).id for key in (road.owner, road.driver))
    assert (owner, "unlock") in over_the_air and (driver, "unlock") in over_the_air
    assert {"boot", "enrolled"} <= {entry["kind"] for entry in entries}
    shown = road.run("log", "--key", road.owner)
    assert shown.exit_code == 0 and f"{owner} Ann" in shown.stdout and f"{driver} Bo" in shown.stdout


def test_a_driver_reads_what_it_did_itself(road: Road) -> None:
    entries = road.told("log", "--key", road.driver)["entries"]
    assert {entry["key"] for entry in entries} == {keyfile.load(road.driver).id}
    assert [key["label"] for key in road.told("keys", "--key", road.driver)["keys"]] == ["Bo"]


def test_status_and_keys_are_told_too_with_the_build(road: Road) -> None:
    status = road.told("status", "--key", road.owner)
    assert (status["build"], status["vin"], status["radio"], status["locked"]) == ("production", VIN, "on", False)
    assert "a production build" in road.run("status", "--key", road.owner).stdout
    keys = road.told("keys", "--key", road.owner)["keys"]
    assert [(key["label"], key["role"], key["origin"]) for key in keys] == [
        ("Ann", "owner", "card tap"),
        ("Bo", "driver", "owner"),
    ]
    assert keys[0]["public"] == keyfile.load(road.owner).public.hex()


def test_the_same_over_the_serial_port(road: Road) -> None:
    result = CliRunner().invoke(app, ["log", "--key", str(road.owner), "--port", road.board.port, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["entries"] == road.told("log", "--key", road.owner)["entries"]


def test_reading_leaves_no_trace(road: Road) -> None:
    before = road.told("log", "--key", road.owner)["entries"]
    for command in ("log", "keys", "status"):
        for key in (road.owner, road.driver):
            road.told(command, "--key", key)
    assert road.told("log", "--key", road.owner)["entries"] == before


def test_a_strangers_key_is_refused_and_the_air_wants_a_key(road: Road, tmp_path: Path) -> None:
    keyfile.create(tmp_path / "stranger.pem")
    refused = road.told("log", "--key", tmp_path / "stranger.pem", "--vin", VIN, exits=1)
    assert refused["error"]["name"] == "UNKNOWN_KEY_ID"
    asked = road.told("log", exits=2)
    assert "--key" in asked["error"]["hint"]


def test_who_asks_for_the_bench_of_such_a_car_is_told_of_the_key(road: Road) -> None:
    for command in ("status", "keys", "log"):
        result = CliRunner().invoke(app, [command, "--port", road.board.port, "--json"])
        error = json.loads(result.stdout)["error"]
        assert result.exit_code == 1 and error["name"] == "BENCH" and "--key" in error["hint"]


def test_bench_and_view_of_a_development_car_tell_the_same(tmp_path: Path) -> None:
    port, owner = tmp_path / "car", tmp_path / "owner.pem"
    with SimulatedBoard(tmp_path / "flash.img", vin=VIN, port=port):

        def told(*arguments: object) -> dict[str, Any]:
            result = CliRunner().invoke(app, [*map(str, arguments), "--port", str(port), "--json"])
            assert result.exit_code == 0, result.output
            found: dict[str, Any] = json.loads(result.stdout)
            return found

        told("pair", "--key", owner, "--tap", "--label", "Ann")
        for n in range(5):
            told("keys", "add", "--key", owner, "--new", tmp_path / f"{n}.pem", "--label", f"nr {n}")
        told("open", "trunk", "--key", owner)
        told("start", "--key", owner)
        for command in ("keys", "log", "status"):
            bench, view = told(command), told(command, "--key", owner)
            bench.pop("sync", None)  # a phone is told that with the roster
            for passing in {"uptime", "start_left"} & bench.keys():
                assert abs(bench.pop(passing) - view.pop(passing)) < 60
            assert view == bench
        assert bench["build"] == "development" and bench["closures"]["rear_trunk"] == "open"
