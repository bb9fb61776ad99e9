# SPDX-License-Identifier: Apache-2.0
"""A phone's connection over BLE, where something is wrong with the radio or the car."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from host_tools.faults import NoAnswer
from host_tools.radio.car_side import CarRadio, RadioError
from host_tools.radio.phone_side import BleConnection, NoBluetooth
from tests.bench.support import VIN
from tests.ble.echo import EchoBoard


@pytest.mark.parametrize("mtu", [None, 517])
def test_it_carries_messages_of_any_length(board: EchoBoard, mtu: int | None) -> None:
    with contextlib.closing(BleConnection(VIN, board.air, mtu=mtu)) as phone:
        for size in (1, 2, 300, 1024):
            message = os.urandom(size)
            phone.send(message)
            assert phone.receive() == message
        assert phone.receive(0.1) is None


def test_several_phones_in_one_program_are_several_phones(board: EchoBoard) -> None:
    with contextlib.ExitStack() as stack:
        phones = [stack.enter_context(contextlib.closing(BleConnection(VIN, board.air))) for _ in range(3)]
        for number, phone in enumerate(phones):
            phone.send(b"%d" % number)
        assert [phone.receive() for phone in phones] == [b"0", b"1", b"2"]


def test_a_car_that_is_not_there_is_no_answer(board: EchoBoard) -> None:
    with pytest.raises(NoAnswer):
        BleConnection("LATCHKEYNOBODY001", board.air, timeout=0.5)


def test_a_connection_ends_when_the_car_goes(board: EchoBoard) -> None:
    with contextlib.closing(BleConnection(VIN, board.air)) as phone:
        board.process.kill()
        board.process.wait()
        with pytest.raises(NoAnswer):
            phone.receive(5)
        with pytest.raises(NoAnswer):
            phone.send(b"anybody?")
        board.start()


def test_a_radio_that_is_not_there_is_no_bluetooth(tmp_path: Path) -> None:
    with pytest.raises(NoBluetooth):
        BleConnection(VIN, str(tmp_path / "none.radio"))


def test_a_radio_that_vanishes_ends_the_connection(board: EchoBoard) -> None:
    with contextlib.closing(BleConnection(VIN, board.air)) as phone:
        phone.send(b"hello")
        assert phone.receive() == b"hello"
        board.close()
        with pytest.raises(NoAnswer):
            phone.receive(5)


def test_an_adapter_that_is_not_there_is_said() -> None:
    with pytest.raises(RadioError):
        CarRadio("no-such-adapter").start()
