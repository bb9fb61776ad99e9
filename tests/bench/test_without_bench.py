# SPDX-License-Identifier: Apache-2.0
"""A car on the road has no harness in it: neither with the bench switched off, nor in a build that lacks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from host_tools.explain import decode
from host_tools.faults import Refused
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench, BenchError
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import build_firmware, find_micropython
from tests.bench.flash_image import write_file
from tests.bench.raw_line import RawLine
from tests.bench.support import ADDRESS, UUID, VIN, new_phone


@dataclass
class RoadCar:
    """A car without a bench, and its owner's key."""

    board: SimulatedBoard
    owner: keyfile.Key
    production: bool


@pytest.fixture(scope="module", params=["switched off", "not built in"])
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoadCar]:
    """Paired while it still had one."""
    if request.config.getoption("--port"):
        pytest.skip("a real board would need to be flashed anew to get its bench back")
    image = tmp_path_factory.mktemp("road") / "flash.img"
    with SimulatedBoard(image) as board, Bench.open(board.port, 30) as car:
        car.provision(VIN)
        owner = new_phone(car, "owner").key
    production = None
    if request.param == "switched off":
        write_file(image, "/data/config.json", json.dumps({"vin": VIN, "bench": False}).encode())
    else:
        production = build_firmware(find_micropython(), production=True)
        assert not list(production.rglob("bench*"))
    with SimulatedBoard(image, firmware_dir=production) as board:
        yield RoadCar(board, owner, production is not None)


@pytest.fixture
def line(road: RoadCar) -> Iterator[RawLine]:
    with RawLine(road.board.port) as raw:
        hello = raw.greet()
        assert (hello["vin"], hello["bench"]) == (VIN, False)
        yield raw


OPERATIONS = ["info", "state", "tap", "keys", "log", "heap", "clock", "reboot", "provision", "power_cut", "hang"]


def test_no_bench_request_is_answered(line: RawLine) -> None:
    for number, op in enumerate(OPERATIONS, 1):
        asked = {"id": number, "op": op, "vin": VIN, "force": True, "after": 1, "ms": 1, "advance": 1}
        line.send("B", 0, json.dumps(asked).encode())
    line.send("V", 1, question())  # answered after whatever they would have been
    assert decode.decode(line.awaited("v")).kind == decode.FAULT
    assert [message for message in line.messages if message[0] == "b"] == []


def test_nothing_is_told_of_what_it_does_and_why(line: RawLine) -> None:
    for number in range(1, 5):
        line.send("V", number, question())
        line.awaited("v")
    assert [message for message in line.messages if message[0] == "e"] == []
    assert b"INSUFFICIENT" not in line.text and b"refused" not in line.text


def test_a_tap_through_the_bench_enrols_nobody(road: RoadCar, line: RawLine) -> None:
    stranger = keyfile.generate()
    request = messages.routable(messages.add_key(stranger.public, "owner"), ADDRESS, UUID).SerializeToString()
    line.send("V", 1, request)
    line.awaited("v", on=1)
    line.send("B", 0, b'{"id": 1, "op": "tap"}')
    line.send("V", 2, messages.session_info_request(stranger.public, ADDRESS, UUID).SerializeToString())
    info = decode.decode(line.awaited("v", on=2)).session_info
    assert info is not None and info.status == 1


def test_the_harness_says_that_there_is_none_and_phones_work(road: RoadCar) -> None:
    with Bench.open(road.board.port) as car:
        for ask in (car.state, car.tap, car.info):
            with pytest.raises(BenchError, match="without the bench"):
                ask()
        with car.connect() as connection:
            phone = Phone(connection, VIN, road.owner)
            phone.unlock()
            phone.start()
            phone.lock()
            with pytest.raises(Refused, match="does not know this key"):
                Phone(connection, VIN, keyfile.generate()).unlock()


def test_its_module_is_not_loaded(road: RoadCar) -> None:
    """Asked at the REPL, which a development build gives to whoever has the cable; the agent is gone by then, and the
    car locked. A production build gives none (tests/attacks/test_production_prompt.py) and has no such module."""
    if road.production:
        return
    with RawLine(road.board.port) as line:
        line.greet()
        line.write(b"\x03")
        line.write(b"import sys, machine; print([m for m in sys.modules if 'bench' in m], machine.Pin(27).value())\r\n")
        line.heard(b"\n[] 0")
        line.write(b"\x04")


def question() -> bytes:
    """A command without a signature."""
    return messages.routable(messages.action("start"), ADDRESS, UUID).SerializeToString()
