# SPDX-License-Identifier: Apache-2.0
"""The serial line by hand: a client of the bench line protocol that sends what no client should (docs/bench.md)."""

from __future__ import annotations

import json
import time
from types import TracebackType
from typing import Any, Self

from host_tools.serial import lines
from host_tools.serial.port import open_port

_PATIENCE = 5.0
_RETRY = 0.3
_AT_ONCE = 128  # bytes, which a board's input buffer holds


class RawLine:
    """The port, held by hand. What arrives is joined into messages: (kind, connection, bytes)."""

    def __init__(self, port: str) -> None:
        self._port = open_port(port)
        self._decoder = lines.LineDecoder()
        self._joiner = lines.Joiner()
        self._numbers = lines.Numbers(100)
        self._frames: list[lines.Frame] = []
        self.messages: list[tuple[str, int, bytes]] = []
        self.text = b""

    def greet(self, sync: int = 77) -> dict[str, Any]:
        """Begin: the car's hello."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            self.write(lines.Frame("S", sync, self._numbers.last, ".", b"").encode())
            until = time.monotonic() + _RETRY
            while time.monotonic() < until:
                self._read()
                for kind, conn, data in self.messages:
                    if (kind, conn) == ("s", sync):
                        self.messages.clear()
                        hello: dict[str, Any] = json.loads(data)
                        return hello
        raise AssertionError(f"no hello; the line said {self.text!r}")

    def write(self, data: bytes) -> None:
        """Bytes as they are, no more at once than a board can hold."""
        for at in range(0, len(data), _AT_ONCE):
            self._port.write(data[at : at + _AT_ONCE])
            self._port.flush()
            time.sleep(0.005)

    def send(self, kind: str, conn: int, message: bytes) -> None:
        """A message of any length."""
        for part, body in lines.split(message):
            self.line(kind, conn, part, body)

    def line(self, kind: str, conn: int, part: str, body: bytes) -> None:
        """One line, sent until it is acknowledged."""
        frame = lines.Frame(kind, conn, self._numbers.next(), part, body)
        deadline = time.monotonic() + _PATIENCE
        self._frames.clear()
        while not self._acknowledged(frame.seq):
            assert time.monotonic() < deadline, f"no acknowledgement; the line said {self.text!r}"
            self._port.write(frame.encode())
            until = time.monotonic() + _RETRY
            while time.monotonic() < until and not self._acknowledged(frame.seq):
                self._read()

    def line_lost(self) -> dict[str, Any]:
        """A line whose predecessor never came; what the car then says."""
        self._numbers.next()
        self.write(lines.Frame("B", 0, self._numbers.next(), ".", b"{}").encode())
        return json.loads(self.awaited("s"))  # type: ignore[no-any-return]

    def bench(self, request: bytes) -> dict[str, Any]:
        """One request, whatever it holds, and the next answer."""
        self.send("B", 0, request)
        return json.loads(self.awaited("b"))  # type: ignore[no-any-return]

    def awaited(self, wanted: str, on: int = 0) -> bytes:
        """The next message of that kind, on connection `on` if that is given. Others stay."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            for at, (kind, conn, data) in enumerate(self.messages):
                if kind == wanted and on in {0, conn}:
                    del self.messages[at]
                    return data
            self._read()
        raise AssertionError(f"no {wanted!r} came; the line said {self.text!r}")

    def heard(self, text: bytes) -> None:
        """Wait for this text."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.text:
            assert time.monotonic() < deadline, f"{text!r} did not come; the line said {self.text!r}"
            self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._port.close()

    def _acknowledged(self, number: int) -> bool:
        return any(frame.kind == "a" and frame.seq == number for frame in self._frames)

    def _read(self) -> None:
        for item in self._decoder.feed(self._port.read(self._port.in_waiting or 1)):
            if isinstance(item, bytes):
                self.text += item
                continue
            self._frames.append(item)
            if item.kind != "a" and (message := self._joiner.add(item)):
                self.messages.append(message)
            elif item.kind == "a":
                self._joiner.add(item)  # it has a number too
