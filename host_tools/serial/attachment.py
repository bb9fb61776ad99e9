# SPDX-License-Identifier: Apache-2.0
"""A host's hold on a car: bench requests, phone connections and what the car says unasked, over one wire."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.serial import shape
from host_tools.serial.wire import Handlers, Wire

_ASK_AGAIN = 1.0

Receiver = Callable[[bytes | None], None]
"""Called with each message of a phone connection, and with None when the connection has ended."""


@dataclass
class Listener:
    """Who hears what the car says unasked. Called from the reading thread: be quick."""

    event: Callable[[dict[str, Any]], None] = lambda event: None
    text: Callable[[str], None] = lambda text: None
    hello: Callable[[dict[str, Any]], None] = lambda hello: None


class Channel(Protocol):
    """What a bench needs of an attachment: its own, or one that another program shares."""

    @property
    def hello(self) -> dict[str, Any]:
        """What the car last said of itself."""

    def request(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the bench channel; the whole answer."""

    def open(self, receiver: Receiver) -> int:
        """A new phone connection's number."""

    def send(self, conn: int, message: bytes, timeout: float) -> None:
        """Deliver one whole message on a phone connection."""

    def close_connection(self, conn: int) -> None:
        """End a phone connection."""

    def close(self) -> None:
        """Let go of the car."""


class Attachment:
    """Holds the port itself."""

    def __init__(self, path: str, listener: Listener | None = None, timeout: float = 10.0) -> None:
        self.path = path
        self.listeners: list[Listener] = [listener] if listener else []
        self._receivers: dict[int, Receiver] = {}
        self._receivers_lock = threading.Lock()
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._nonsense = 0.0  # when something came that should be an answer, and is none
        self._asking = threading.Lock()  # one request at a time is open
        self._ids = itertools.count(random.randrange(1, 1 << 29))
        self._numbers = itertools.cycle(range(1, 256))
        self._wire = Wire(path, Handlers(self._message, self._hello, self._text, self._out_of_step))
        try:
            self._wire.in_step(time.monotonic() + timeout)
        except BaseException:
            self._wire.close()
            raise

    @property
    def hello(self) -> dict[str, Any]:
        return self._wire.hello

    def request(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the bench channel. The board keeps its last answer, so that asking again does nothing twice."""
        deadline = time.monotonic() + timeout
        with self._asking:
            number, asked = next(self._ids), 0.0
            message = json.dumps({"id": number, **request}, separators=(",", ":")).encode()
            while True:
                generation = self._wire.deliver("B", 0, message, deadline)
                asked = asked or time.monotonic()  # what came before that was no answer to this
                answer = self._await_answer(number, generation, asked, min(deadline, time.monotonic() + _ASK_AGAIN))
                if answer is not None:
                    return answer
                if self._nonsense >= asked:
                    raise shape.BadAnswer("the answer of what is there cannot be read: it is no JSON object")
                if time.monotonic() >= deadline:
                    raise NoAnswer(f"the car did not answer `{request.get('op')}` in time")

    def open(self, receiver: Receiver) -> int:
        with self._receivers_lock:
            for conn in itertools.islice(self._numbers, 255):
                if conn not in self._receivers:
                    self._receivers[conn] = receiver
                    return conn
        raise LatchkeyError("too many phone connections", "close one of them")

    def send(self, conn: int, message: bytes, timeout: float) -> None:
        if conn not in self._receivers:
            raise NoAnswer("this phone connection has ended", "make a new one: the car may have restarted")
        self._wire.deliver("V", conn, message, time.monotonic() + timeout)

    def close_connection(self, conn: int) -> None:
        if self._forget(conn) is not None:
            with contextlib.suppress(LatchkeyError):
                self._wire.deliver("C", conn, b"", time.monotonic() + 1)

    def close(self) -> None:
        self._wire.close()

    def _await_answer(self, number: int, generation: int, asked: float, until: float) -> dict[str, Any] | None:
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return None
            if answer is not None and answer.get("id") == number:
                return answer
            self._wire.check(generation)
            if self._nonsense >= asked:
                return None

    def _forget(self, conn: int) -> Receiver | None:
        with self._receivers_lock:
            return self._receivers.pop(conn, None)

    def _message(self, kind: str, conn: int, data: bytes) -> None:
        if kind == "v":
            if receiver := self._receivers.get(conn):
                receiver(data)
        elif kind == "c":
            if ended := self._forget(conn):
                ended(None)
        elif kind in "be":
            value = shape.parse(data)
            if kind == "b":
                self._nonsense = time.monotonic() if value is None else self._nonsense
                self._answers.put(value)
            if kind == "b" or value is None:
                return
            for listener in list(self.listeners):
                listener.event(value)

    def _out_of_step(self) -> None:
        self._answers.put(None)
        with self._receivers_lock:
            ended = list(self._receivers.values())
            self._receivers.clear()
        for receiver in ended:
            receiver(None)

    def _hello(self, hello: dict[str, Any]) -> None:
        for listener in list(self.listeners):
            listener.hello(hello)

    def _text(self, text: str) -> None:
        for listener in list(self.listeners):
            listener.text(text)
