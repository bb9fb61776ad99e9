# SPDX-License-Identifier: Apache-2.0
"""How long a start takes over the virtual radio: `python -m host_tools.sim.latency [COMMANDS]`.

From the phone's last write, to the start relay's edge as the harness is told of it over the serial port, and to the
whole reply at the phone. The interpreter is the host's and the air is simulated, so this is a car's logic and not a
board's speed.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.contact import Connection
from host_tools.phone.pairing import pair
from host_tools.radio.phone_side import BleConnection
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard

_VIN = "LATCHKEYLAT000001"
_EDGE_TIMEOUT = 5.0


class _Timed:
    """A connection that notes when it last sent and received. A command is one write at the MTU that is used here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sent = self.received = 0.0

    def send(self, message: bytes) -> None:
        self.sent = time.monotonic()
        self._connection.send(message)

    def receive(self, timeout: float) -> bytes | None:
        message = self._connection.receive(timeout)
        self.received = time.monotonic()
        return message


@dataclass
class Latency:
    """Milliseconds, a command each."""

    edges: list[float] = field(default_factory=list)
    replies: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        lines = (
            f"{name}: p50 {_percentile(values, 50):.1f} ms, p99 {_percentile(values, 99):.1f} ms"
            for name, values in (("start relay's edge", self.edges), ("reply", self.replies))
        )
        return f"{len(self.replies)} start commands over the virtual radio; {'; '.join(lines)}"


def measure(car: Bench, phone: Phone, count: int) -> Latency:
    """Start and lock, again and again, with a phone that is paired and connected over BLE."""
    timed = _Timed(phone.connection)
    phone.connection = timed
    latency = Latency()
    phone.lock()
    for _ in range(count):
        since = len(car.events)
        edge: list[float] = []

        def watch(since: int = since, edge: list[float] = edge) -> None:
            car.wait_event("state", timeout=_EDGE_TIMEOUT, since=since, start=True)
            edge.append(time.monotonic())

        watcher = threading.Thread(target=watch)
        watcher.start()
        phone.start()
        watcher.join()
        latency.edges.append(1000 * (edge[0] - timed.sent))
        latency.replies.append(1000 * (timed.received - timed.sent))
        phone.lock()
    return latency


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main(count: int) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        SimulatedBoard(Path(folder, "flash.img"), vin=_VIN, radio="virtual") as board,
        Bench.open(board.port) as car,
        contextlib.closing(BleConnection(_VIN, board.air)) as connection,
    ):
        phone = Phone(connection, _VIN, keyfile.generate())
        pair(phone, on_wait=lambda: car.tap_for())
        print(measure(car, phone, count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
