# SPDX-License-Identifier: Apache-2.0
"""A server of rosters that does as a test says, and a car that asks it: its authority and intake are the test's own."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from host_tools.build import shorten, staging
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import build_firmware, find_micropython
from tests.bench.support import VIN

ADDRESS = bytes(range(16))
PARCELS = [b"\x01" * 960, b"\x02" * 100, b"\xff the last"]
FILE = b"".join(len(parcel).to_bytes(2, "big") + parcel for parcel in PARCELS)
WIFI = {"ssid": "Garage", "password": "correct horse"}
_EVER = 30.0
_GONE = "sync: nothing of it is loaded"
_DAYS = 5 * 86_400

# Runs in place of main.py: the agent, with an authority whose last parcel begins with 0xff.
_MAIN = """
import sys
import board
import esp32
from latchkey import agent, assemble, prompt
from latchkey.sync import Sync

class Authority:
    address, url, interval = {address!r}, {url!r}, 0

async def take(parcel):
    print("parcel", len(parcel), parcel[0])
    return parcel[0] != 255

async def over(task):
    await task
    if not any(name.startswith("latchkey.sync.") for name in sys.modules):
        print({gone!r})

made = assemble.car

def car(parts, start, emit):
    handle = made(parts, start, emit)
    if parts.settings.wifi:
        parts.sync = Sync(parts, Authority, take)
        start = parts.tasks.start

        def started(name, task, ends=False):
            start(name, over(task) if name == "sync" else task, ends)

        parts.tasks.start = started
    return handle

assemble.car = car
{more}
agent.main(board, prompt)
"""

Answer = Callable[[socket.socket, bytes], None]


def file(etag: str = '"1"') -> Answer:
    """A web server that has the file."""

    def answer(connection: socket.socket, request: bytes) -> None:
        if f"If-None-Match: {etag}".encode() in request:
            connection.sendall(f"HTTP/1.1 304 Not Modified\r\nETag: {etag}\r\n\r\n".encode())
        else:
            head = f"HTTP/1.1 200 OK\r\nETag: {etag}\r\nContent-Length: {len(FILE)}\r\n\r\n"
            connection.sendall(head.encode() + FILE)

    return answer


class RosterServer:
    """`answer` is what it does with a request; `tls` makes it one of https."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.busy = False
        """Whether a car is being answered."""
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}/fleet"
        threading.Thread(target=self._run, name="roster server", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            try:
                with connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True) as car:
                    request = b""
                    while not request.endswith(b"\r\n\r\n") and (data := car.recv(1000)):
                        request += data
                    self.requests.append(request)
                    self.busy = True
                    self.answer(car, request)
            except OSError:
                pass  # the car has hung up
            self.busy = False


def asking(image: Path, url: str, more: str = "", radio: str | None = None) -> SimulatedBoard:
    """A board whose car asks that server; `more` runs before its agent does. With a radio it has memory for the names
    of all that is simulated as well, which a board does not have."""
    firmware = image.parent / "firmware"
    shutil.copytree(build_firmware(find_micropython()), firmware, dirs_exist_ok=True)
    main = _MAIN.format(address=ADDRESS, url=url.encode(), gone=_GONE, more=more)
    short = json.loads((staging.shortened() / staging.NAMES).read_text())
    (firmware / "main.py").write_text(shorten.translated(main, short))
    return SimulatedBoard(image, "256K" if radio else "160K", firmware_dir=firmware, radio=radio)


def provisioned(car: Bench, radio: bool = False) -> None:
    """A car with Wi-Fi, whose first poll is planned."""
    car.provision(VIN, {"wifi": WIFI, "radio": radio}, force=True)


def wait(board: SimulatedBoard, what: Callable[[], bool], why: str) -> None:
    """Until it is so."""
    deadline = time.monotonic() + _EVER
    while not what():
        assert time.monotonic() < deadline, f"{why}:\n{board.text}"
        time.sleep(0.02)


def ended(board: SimulatedBoard) -> int:
    """How many polls (and plans of one) are over, with all that they have loaded."""
    return board.text.count(_GONE)


def poll(board: SimulatedBoard, car: Bench) -> str:
    """Make the next poll due, and wait until it is over. What the car says of it, without when the next one is."""
    wait(board, lambda: ended(board) > 0, "no poll was planned")
    before = ended(board)
    car.clock(_DAYS)
    wait(board, lambda: ended(board) > before, "no poll has ended")
    told: str = car.info()["sync"]
    assert "; next poll in " in told and len(told) <= 64
    return told.split(";")[0]
