# SPDX-License-Identifier: Apache-2.0
"""A connection that was silent for a week got BUSY for good commands, for days: its ticks had come half round.

Now what a connection may do is counted in seconds that do not come round. The board's ticks are stepped on here, by a
`time` of the test's own under the firmware.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain import decode
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import build_firmware, find_micropython
from tests.bench.support import VIN, fault, forge, new_phone
from tests.ble.echo import AttPhone

DAY = 86_400_000  # ms
STEP = 2 * DAY  # housekeeping has to have looked at the clock in the meantime
WAKE = vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_WAKE_VEHICLE)
MAIN = """
import asyncio, sys, time as real

PERIOD = 1 << 30  # a board's, of 32 bits

class Time:
    def ticks_ms(self):
        with open(%r) as f:
            return (real.ticks_ms() + int(f.read() or 0)) & (PERIOD - 1)

    def ticks_add(self, ticks, delta):
        return (ticks + delta) & (PERIOD - 1)

    def ticks_diff(self, end, start):
        return (end - start + PERIOD // 2 & PERIOD - 1) - PERIOD // 2

for name in dir(real):
    if name[0] != "_" and not hasattr(Time, name):
        setattr(Time, name, staticmethod(getattr(real, name)))
sys.modules["time"] = Time()
"""


class Stepped:
    """A board whose ticks are what the test says."""

    def __init__(self, folder: Path, interpreter: str | None) -> None:
        self._file = folder / "ticks"
        self._at = 0
        self.step(0)
        firmware = shutil.copytree(build_firmware(find_micropython(interpreter)), folder / "firmware")
        main = firmware / "main.py"
        main.write_text(MAIN % str(self._file) + main.read_text())
        self.firmware = firmware

    def step(self, milliseconds: int) -> None:
        new = self._file.with_suffix(".new")
        self._at += milliseconds
        new.write_text(str(self._at))
        new.replace(self._file)


@pytest.fixture(scope="module")
def stepped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stepped:
    if request.config.getoption("--port"):
        pytest.skip("only a simulated board's ticks can be stepped on")
    return Stepped(tmp_path_factory.mktemp("stepped"), request.config.getoption("--micropython"))


@pytest.fixture
def board(stepped: Stepped, tmp_path: Path) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path / "flash.img", vin=VIN, radio="virtual", firmware_dir=stepped.firmware) as board:
        yield board


def days_pass(car: Bench, stepped: Stepped, days: int) -> None:
    for _ in range(days * DAY // STEP):
        before = car.info()["uptime"]
        stepped.step(STEP)
        while car.info()["uptime"] < before + STEP // 1000:
            pass


@pytest.mark.parametrize("days", [8, 14])
def test_a_good_command_after_days_of_silence_is_not_told_to_wait(
    board: SimulatedBoard, stepped: Stepped, days: int
) -> None:
    async def story(car: Bench, owner: Phone) -> tuple[list[str], str]:
        loop = asyncio.get_running_loop()
        assert board.air

        def spoilt(message: universal.RoutableMessage) -> None:
            message.signature_data.AES_GCM_Personalized_data.tag = bytes(16)

        async def answered(phone: AttPhone) -> str:
            while True:
                told = decode.decode(await phone.receive())
                if told.kind != decode.BROADCAST:  # it fell asleep meanwhile, and says so
                    return fault(told)

        def good() -> bytes:
            owner.handshake()
            return forge(owner, WAKE).SerializeToString()

        async with AttPhone(board.air) as phone:
            await phone.connect()
            told: list[str] = []
            while told[-1:] != ["BUSY"]:  # the allowance comes back by one a second meanwhile
                await phone.send(forge(owner, WAKE, change=spoilt).SerializeToString())
                told.append(await answered(phone))
            await loop.run_in_executor(None, days_pass, car, stepped, days)
            await phone.send(await loop.run_in_executor(None, good))
            return told, await answered(phone)

    with Bench.open(board.port, timeout=30) as car:
        owner = new_phone(car, "owner")
        owner.handshake()
        told, after = asyncio.run(story(car, owner))
    assert set(told[:-1]) == {"INVALID_SIGNATURE"}
    assert after == "no fault"
