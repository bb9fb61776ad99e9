# SPDX-License-Identifier: Apache-2.0
"""One 0x03 byte on the serial port of a production build stopped the car and brought a prompt that printed its key.

No byte reaches a prompt now, at any time: not while it boots, not in a break, not when the agent cannot live.
"""

from __future__ import annotations

import ast
import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from host_tools.build import staging
from host_tools.flash.attention import Sealed
from host_tools.flash.repl import Repl
from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.serial.port import open_port
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import build_firmware, find_micropython
from tests.bench.raw_line import RawLine
from tests.bench.support import VIN, new_phone
from tests.shares import ALL

# Ctrl-C, the raw REPL, raw paste, soft resets, paste mode, and what a prompt would run.
KNOCKS = [
    b"\x03",
    b"\x03\x03",
    b"\r\x03\x03",
    b"\r\x03\r\x01",
    b"\x01",
    b"\x02",
    b"\x04",
    b"\r\x02\x04",
    b"\x05A\x01",
    b"\x05print(1)\x04",
    b"import machine; print(machine.Pin(26))\r\n",
    b"@\x03V01\x03\n",
    b"\x00" * 40,
    b"\xff\x1b[A\t\x7f\x08",
]
PROMPTS = (b">>>", b"raw REPL", b"MicroPython v", b"Traceback", b"KeyboardInterrupt")


@dataclass
class Road:
    """A production build, and its owner's key."""

    board: SimulatedBoard
    owner: keyfile.Key

    def serves(self) -> None:
        """The owner's phone drives."""
        with Bench.open(self.board.port, 30) as car, car.connect() as connection:
            phone = Phone(connection, VIN, self.owner)
            phone.unlock()
            phone.start()
            phone.lock()

    def shows_no_prompt(self) -> None:
        said = self.board.text.encode()
        assert not [prompt for prompt in PROMPTS if prompt in said], said


@pytest.fixture(scope="module")
def flash(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keyfile.Key]:
    """The flash of a car that was paired while it had its bench."""
    if request.config.getoption("--port"):
        pytest.skip("a real board would need to be flashed anew to get its bench back")
    image = tmp_path_factory.mktemp("road") / "flash.img"
    with SimulatedBoard(image) as board, Bench.open(board.port, 30) as car:
        car.provision(VIN)
        owner = new_phone(car, "owner").key
    return image, owner


@pytest.fixture
def road(flash: tuple[Path, keyfile.Key]) -> Iterator[Road]:
    image, owner = flash
    with SimulatedBoard(image, firmware_dir=build_firmware(find_micropython(), production=True)) as board:
        yield Road(board, owner)


@pytest.mark.parametrize("name", staging.ENTRY_POINTS)
def test_an_interrupt_that_came_before_is_raised_where_it_is_swallowed(name: str) -> None:
    """A board raises it at the next jump: the first one has to be inside of the `try`, after the prompt is closed."""
    _, load, close, note, guard, *_ = ast.parse((staging.SOURCES / name).read_text("utf-8")).body
    assert ast.unparse(load) == "import micropython"
    assert ast.unparse(close) == "micropython.kbd_intr(-1)"
    assert ast.unparse(note) == "pressed = False"
    assert ast.unparse(guard) == (
        "try:\n    for _ in (0, 1):\n        pass\nexcept KeyboardInterrupt:\n    pressed = True"
    )


def test_no_byte_and_no_break_reaches_a_prompt(road: Road) -> None:
    with RawLine(road.board.port) as line:
        line.greet()
        for knock in [*KNOCKS, *(bytes((byte,)) for byte in range(256)), *KNOCKS]:
            line.write(knock)
        line._port.send_break(0.01)
        line.write(b"\r\x03\x03\x01")
        assert line.greet()["vin"] == VIN
    assert road.board.boots == 1, road.board.text
    road.serves()
    road.shows_no_prompt()


def test_no_byte_while_it_boots_reaches_a_prompt(road: Road) -> None:
    over = threading.Event()

    def knock() -> None:
        port = open_port(road.board.port)
        while not over.is_set():
            for data in KNOCKS:
                with contextlib.suppress(OSError):
                    port.write(data)
                time.sleep(0.002)
        port.close()

    for _ in range(4 if ALL else 2):
        knocking = threading.Thread(target=knock)
        over.clear()
        knocking.start()
        road.board.power_cycle()
        time.sleep(1.5)  # of knocking, through the boot and on
        over.set()
        knocking.join()
        road.serves()
    road.shows_no_prompt()


def test_what_talks_to_prompts_finds_none_and_says_what_it_is(road: Road) -> None:
    with pytest.raises(Sealed) as refused, Repl(road.board.port):
        pass
    assert "erase-flash" in refused.value.hint
    command = [sys.executable, "-m", "mpremote", "connect", road.board.port, "exec", "print(6 * 7)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as mpremote:  # it would wait for a prompt without end
        with contextlib.suppress(subprocess.TimeoutExpired):
            mpremote.wait(2)
        mpremote.kill()
        assert mpremote.stdout and b"42" not in mpremote.stdout.read()
    road.serves()
    road.shows_no_prompt()


def test_a_car_that_cannot_live_gives_no_prompt_either(flash: tuple[Path, keyfile.Key], tmp_path: Path) -> None:
    image, broken = tmp_path / "flash.img", tmp_path / "firmware"
    image.write_bytes(flash[0].read_bytes())
    shutil.copytree(build_firmware(find_micropython(), production=True), broken)
    (broken / "latchkey" / "agent.mpy").write_bytes(b"M" + 100 * b"\x00")
    with SimulatedBoard(image, firmware_dir=broken) as board:
        port = open_port(board.port)
        deadline = time.monotonic() + 30
        while board.boots < 2 and time.monotonic() < deadline:
            port.write(b"\x03\r\x01")
            time.sleep(0.05)
        port.close()
        assert board.boots >= 2 and board.failure is None
        Road(board, flash[1]).shows_no_prompt()
