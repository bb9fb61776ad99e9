# SPDX-License-Identifier: Apache-2.0
"""Measuring a board: the same numbers of any, and a car that is afterwards what it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.bench import Bench
from host_tools.phone import Phone, keyfile
from host_tools.phone.pairing import pair
from host_tools.sim import SimulatedBoard

VIN = "5YJ3E1EA7KF000316"
COMMAND = {"round_trip_ms", "to_relay_us", "to_reply_us"}


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedBoard]:
    monkeypatch.delenv("LATCHKEY_KEY", raising=False)
    with SimulatedBoard(tmp_path / "flash.img") as there:
        yield there


def measured(board: SimulatedBoard, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli.app, ["measure", "--port", board.port, "--json", *arguments])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def positive(numbers: object) -> bool:
    """Whether there is at least one number, and each is one that was really measured."""
    if isinstance(numbers, dict):
        return bool(numbers) and all(map(positive, numbers.values()))
    return isinstance(numbers, int | float) and numbers > 0


def test_a_car_without_keys_is_measured_in_full_and_has_none_afterwards(board: SimulatedBoard) -> None:
    with Bench.open(board.port) as car:
        car.provision(VIN, {"radio": False})
    found = measured(board)
    assert (found["board"], found["vin"]) == ("UNIX", VIN)
    assert positive(found["boot_ms"])
    assert positive(found["heap"]) and found["heap"]["largest"] <= found["heap"]["free"]
    assert positive(found["crypto_us"]) and len(found["crypto_us"]) == 9
    assert positive(found["longest_wait_us"])
    for name, longest in found["longest_wait_us"].items():
        assert longest < found["crypto_us"][name]  # it gives way in between
    phone = found["phone"]
    assert positive(phone)
    for name in ("unlock", "start", "lock"):
        assert set(phone[name]) == COMMAND
        assert phone[name]["to_relay_us"] / 1000 < phone[name]["round_trip_ms"]
    assert phone["while_enrolling"]["answers"] > 0
    with Bench.open(board.port) as car:
        assert car.info()["vin"] == VIN and car.keys() == []


def test_a_car_with_keys_needs_one_and_keeps_just_those(board: SimulatedBoard, tmp_path: Path) -> None:
    key = keyfile.create(tmp_path / "owner.pem")
    with Bench.open(board.port) as car:
        car.provision(VIN, {"radio": False})
        with car.connect() as connection:
            pair(Phone(connection, VIN, key), on_wait=lambda: print(car.tap()))
    without = measured(board)
    assert "give one of its owners'" in without["phone"]
    found = measured(board, "--key", str(key.path))
    phone = found["phone"]
    assert positive(phone) and "card_tap_to_session_ms" not in phone
    with Bench.open(board.port) as car:
        known = car.keys()
    assert [enrolled["key"] for enrolled in known] == [key.id]


def test_a_board_that_is_no_car_yet_is_measured_as_far_as_that_goes(board: SimulatedBoard) -> None:
    found = measured(board)
    assert found["vin"] is None and "no car yet" in found["phone"]
    assert positive(found["crypto_us"]) and positive(found["heap"])


def test_people_get_a_table(board: SimulatedBoard) -> None:
    result = CliRunner().invoke(cli.app, ["measure", "--port", board.port])
    assert result.exit_code == 0, result.output
    assert "p256 ecdh" in result.stdout and "others wait" in result.stdout and "heap free" in result.stdout
