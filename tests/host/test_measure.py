# SPDX-License-Identifier: Apache-2.0
"""Measuring a board: the same numbers of any, and a car that is afterwards what it was."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.flash import measure
from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from host_tools.serial.port import PortGone
from host_tools.serial.wire import Restarted, Wire
from host_tools.sim.board import SimulatedBoard
from tests import interrupts
from tests.shares import share

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


def test_what_was_measured_is_printed_though_the_board_does_not_come_back_in_time(tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path / "flash.img", restart_s=1) as slow:
        with Bench.open(slow.port) as car:
            car.provision(VIN, {"radio": False})
        arguments = ["measure", "--port", slow.port, "--timeout", "0.5"]
        table = CliRunner().invoke(cli.app, arguments)
        assert table.exit_code == 3 and "p256 ecdh" in table.stdout
        assert table.stderr.startswith("NO_ANSWER") and "erase" not in table.output
        with Bench.open(slow.port) as car:
            assert car.info()["vin"] == VIN
        told = json.loads(CliRunner().invoke(cli.app, [*arguments, "--json"]).stdout)
        assert told["ok"] is False and positive(told["crypto_us"]) and len(told["crypto_us"]) == 9
        assert measured(slow)["boot_ms"] > 1000


class Interrupting:
    """Ctrl-C at the `at`th message that the measuring program itself delivers: just before it, or just after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = self.count = 0
        deliver = Wire.deliver

        def counted(wire: Wire, kind: str, conn: int, message: bytes, deadline: float) -> int:
            if threading.current_thread() is not threading.main_thread():
                return deliver(wire, kind, conn, message, deadline)
            self.count += 1
            if self.count == self.at and self.at % 2:
                raise KeyboardInterrupt
            generation = deliver(wire, kind, conn, message, deadline)
            if self.count == self.at:
                raise KeyboardInterrupt
            return generation

        monkeypatch.setattr(Wire, "deliver", counted)


def test_interrupted_anywhere_it_leaves_no_key_and_a_locked_car(
    board: SimulatedBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_ROUNDS", 1)
    monkeypatch.setattr(measure, "_IDLE", 0.05)
    key = keyfile.create(tmp_path / "owner.pem")
    with Bench.open(board.port) as car:
        car.provision(VIN, {"radio": False})
        with car.connect() as connection:
            pair(Phone(connection, VIN, key), on_wait=lambda: print(car.tap()))
        deliveries, tidy = Interrupting(monkeypatch), measure._forget

        def undisturbed(*arguments: Any) -> None:  # as a person's Ctrl-C finds it (interrupts.once)
            deliveries.at = 0
            tidy(*arguments)

        monkeypatch.setattr(measure, "_forget", undisturbed)
        measure._phone(car, {"vin": VIN}, key, lambda what: None)
        total = deliveries.count
        assert total > 12
        for number in range(1, total + 1):
            deliveries.count, deliveries.at = 0, number
            with contextlib.suppress(KeyboardInterrupt):  # the last may not come: how often it is asked differs
                measure._phone(car, {"vin": VIN}, key, lambda what: None)
            deliveries.at = 0
            known = car.keys()
            assert [entry["key"] for entry in known] == [key.id], number
            state = car.state()
            assert (state["locked"], state["start_enabled"]) == (True, False), number


@pytest.mark.parametrize("number", [4, 9, 16])
def test_interrupted_on_a_car_without_keys_it_leaves_none(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(measure, "_ROUNDS", 1)
    with Bench.open(board.port) as car:
        car.provision(VIN, {"radio": False})
        deliveries = Interrupting(monkeypatch)
        deliveries.at = number
        with pytest.raises(KeyboardInterrupt):
            measure._phone(car, {"vin": VIN, "radio": False}, None, lambda what: None)
        assert car.keys() == [] and car.info()["vin"] == VIN


def test_a_key_that_could_not_be_taken_back_is_named(
    board: SimulatedBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, owner = keyfile.generate(), keyfile.generate()

    def gone(*_: object) -> None:
        raise PortGone("it has gone")

    with Bench.open(board.port) as car:
        monkeypatch.setattr(Phone, "change_keys", gone)
        with pytest.raises(PortGone) as told:
            measure._forget(car, VIN, owner, guest)
    assert f"latchkey keys remove --which {guest.id}" in told.value.hint


@pytest.mark.parametrize(
    ("number", "seconds"),
    share(list(product((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), (0.8, 2.0, 3.5))), 4),
)
def test_the_command_itself_interrupted_leaves_a_car_that_serves(
    board: SimulatedBoard, number: signal.Signals, seconds: float
) -> None:
    """At whatever it is doing then: a machine's speed decides that."""
    with Bench.open(board.port) as car:
        car.provision(VIN, {"radio": False})
    code = "from host_tools.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "measure", "--port", board.port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interrupts.obeyed,
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    for _ in range(3):  # impatience
        process.send_signal(number)
    process.communicate(timeout=90)
    with Bench.open(board.port, 30) as car:
        with contextlib.suppress(Restarted):  # what it asked for last may come when it has gone
            car.keys()
        assert car.keys() == [] and car.info()["vin"] == VIN
