# SPDX-License-Identifier: Apache-2.0
"""--vin over the serial port: the car that is meant, or nothing is asked of any."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host_tools.phone import keyfile
from host_tools.phone.keyfile import Key
from tests.host.car_model import VIN
from tests.host.command import run
from tests.host.fake_bench import FakeBench

OTHER = "5YJS0000000000000"


COMMANDS = [
    "unlock",
    "start",
    "open trunk",
    "pair",
    "pair --tap",
    "keys add --new new.pem",
    "keys update --which 1 --role driver",
    "keys remove --which 1",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_another_car_than_meant_is_asked_for_nothing_and_both_are_named(
    bench: FakeBench, owner: Key, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key = "new.pem" if command.startswith("pair") else "owner.pem"
    result = run(*command.split(), "--key", key, "--vin", OTHER, "--json")
    assert result.exit_code == 2
    text = json.loads(result.stdout)["error"]["text"]
    assert VIN in text and OTHER in text and "PORT" in text
    assert bench.connections == [] and bench.car.done == [] and not (tmp_path / "new.pem").exists()


@pytest.mark.parametrize("command", ["unlock", "pair"])
def test_the_car_that_is_meant_is_asked(bench: FakeBench, owner: Key, command: str) -> None:
    assert owner.path
    assert run(command, "--key", owner.path, "--vin", VIN).exit_code == 0


@pytest.mark.parametrize("command", ["unlock", "pair"])
def test_what_is_no_vin_is_wrong_usage_over_serial_too(bench: FakeBench, owner: Key, command: str) -> None:
    assert owner.path
    result = run(command, "--key", owner.path, "--vin", "mine")
    assert result.exit_code == 2 and "is not a VIN" in result.stderr


@pytest.mark.parametrize("command", ["unlock", "pair"])
def test_a_board_without_an_identity_is_not_taken_for_the_car_that_is_meant(
    bench: FakeBench, owner: Key, command: str
) -> None:
    assert owner.path
    bench.hello["vin"] = None
    result = run(command, "--key", owner.path, "--vin", VIN)
    assert result.exit_code == 1 and "latchkey provision" in result.stderr
    assert bench.connections == []


def test_pairing_shares_the_port_with_whoever_taps_the_card(bench: FakeBench, tmp_path: Path) -> None:
    assert run("pair", "--key", tmp_path / "phone.pem", "--tap").exit_code == 0
    assert bench.opened[0] == ("PORT", 10.0, True)
    bench.opened.clear()
    bench.car.enrol(keyfile.load(tmp_path / "phone.pem").public)
    assert run("pair", "--key", tmp_path / "phone.pem").exit_code == 0
    assert bench.opened[0] == ("PORT", 10.0, True)
