# SPDX-License-Identifier: Apache-2.0
"""Strangers' messages in a heap that had no room for them restarted the car, 16 times in 8 seconds.

What there is no memory for costs its own message: the car stays up, and its owner drives afterwards. A stock ESP32 has
134 KB. In heaps as small as these, requests to pair cost the owner BUSY as well, until their window is over and
enrolment is dropped again.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from host_tools.faults import LatchkeyError
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import VIN, Property, new_phone
from tests.shares import ALL

PHONES = 7
SECONDS = 6.0 if ALL else 2.5


def flood(car: Bench, until: float, counts: list[int], pairing: bool) -> None:
    """A stranger that does not wait for answers."""
    with car.connect() as connection:
        while time.monotonic() < until:
            key = keyfile.generate().public
            address, uuid = os.urandom(16), os.urandom(16)
            asked = [messages.session_info_request(key, address, uuid).SerializeToString(), os.urandom(900)]
            if pairing:
                asked.append(messages.routable(messages.add_key(key, "owner"), address, uuid).SerializeToString())
            for message in asked:
                connection.send(message)
                counts[0] += 1
                while connection.receive(0) is not None:
                    counts[1] += 1


@pytest.mark.parametrize(
    ("heap", "pairing"), [("108K", False), ("112K", False), ("116K", False), ("116K", True), ("120K", True)]
)
def test_a_flood_restarts_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, heap: str, pairing: bool, record_property: Property
) -> None:
    if request.config.getoption("--port"):
        pytest.skip("a board's heap has the size it has")
    image = tmp_path / "flash.img"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner").key
    with SimulatedBoard(image, heap=heap) as board, Bench.open(board.port, 30) as car:
        boot, counts, lost = car.boot, [0, 0], []
        until = time.monotonic() + SECONDS

        def stranger() -> None:
            try:
                flood(car, until, counts, pairing)
            except LatchkeyError as error:
                lost.append(error.text)

        strangers = [threading.Thread(target=stranger) for _ in range(PHONES)]
        for thread in strangers:
            thread.start()
        for thread in strangers:
            thread.join()
        assert (car.boot, lost) == (boot, []), board.text
        if pairing:
            car.clock(61)  # the windows are over: enrolment is dropped while the phone asks again
        with contextlib.closing(car.connect()) as connection:
            phone = Phone(connection, VIN, owner)
            phone.unlock()
            phone.lock()
        assert (car.boot, board.boots) == (boot, 1), board.text
    short = board.text.count("memory allocation failed")
    record_property("note", f"{heap}: {counts[0]} messages, {counts[1]} answers, {short} failed allocations told")
