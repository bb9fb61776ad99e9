# SPDX-License-Identifier: Apache-2.0
"""A whole car on its serial port: who it is, who hears it, and how fast it answers."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from host_tools.phone import messages
from host_tools.serial.bench import Bench
from tests.bench.support import ADDRESS, UUID, VIN, AnyBoard, Property, provision


@pytest.fixture(scope="module")
def provisioned(board: AnyBoard) -> str:
    """The port of a car, with nobody on it."""
    provision(board.port).close()
    return board.port


def test_the_hello_names_the_car(provisioned: str) -> None:
    with Bench.open(provisioned) as car:
        info = car.info()
        assert car.hello["vin"] == VIN
        assert car.hello["bench"] is True
        assert {name: info[name] for name in ("version", "board", "boot")} == {
            name: car.hello[name] for name in ("version", "board", "boot")
        }


def test_who_comes_later_hears_nothing_of_before(provisioned: str) -> None:
    with Bench.open(provisioned) as car:
        car.tap()
        assert car.wait_event("tap")
    with Bench.open(provisioned) as car, car.connect() as phone:
        car.info()
        assert [event for event in car.events if event["event"] == "tap"] == []
        assert phone.receive(0) is None


def test_the_same_car_answers_before_and_after_a_reboot(provisioned: str) -> None:
    with Bench.open(provisioned) as car:
        before = car.boot
        car.reboot()
        assert car.boot != before
        assert car.hello["vin"] == VIN


def test_ctrl_c_ends_the_agent_and_a_reset_brings_the_car_back(provisioned: str) -> None:
    def mpremote(*arguments: str) -> str:
        command = [sys.executable, "-m", "mpremote", "connect", provisioned, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    with Bench.open(provisioned) as car:
        boot = car.boot
    assert mpremote("resume", "exec", "import gc; print('at the prompt')").strip() == "at the prompt"
    mpremote("resume", "reset")
    with Bench.open(provisioned, Bench.restart_timeout) as car:
        assert car.boot != boot
        assert car.state()["locked"] is True


def test_how_fast_messages_come_back(provisioned: str, record_property: Property) -> None:
    # A question that needs no key: what the line and the router cost, not the cryptography.
    question = messages.routable(messages.action("wake"), ADDRESS, UUID).SerializeToString()
    with Bench.open(provisioned) as car, car.connect() as phone:
        count = 50
        began = time.monotonic()
        for _ in range(count):
            phone.send(question)
            assert phone.receive() is not None
        each = (time.monotonic() - began) / count
    record_property("note", f"a message of {len(question)} bytes is answered over serial in {each * 1000:.1f} ms")
