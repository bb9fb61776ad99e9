# SPDX-License-Identifier: Apache-2.0
"""A host's hold on a board: it gets in step with the board, delivers every line once, and hands out what arrives.

One thread reads the port. Every line sent waits for its acknowledgement, so that a busy board loses nothing; when the
board restarts, whoever waits is told, the phone connections end, and the attachment gets in step again by itself.
"""

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

from host_tools import lines
from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.port import PortGone, open_port

_RETRANSMIT = (0.3, 0.3, 0.6, 1.0)
_SYNC_EVERY = 0.3
_ASK_AGAIN = 1.0
_KEEPALIVE = 4.0

Receiver = Callable[[bytes | None], None]
"""Called with each message of a phone connection, and with None when the connection has ended."""


class Restarted(NoAnswer):
    """The car restarted in the middle of it."""

    name = "RESTARTED"

    def __init__(self) -> None:
        super().__init__("the car restarted before it answered", "ask again")


@dataclass
class Listener:
    """Who hears what the board says unasked. Called from the reading thread: be quick."""

    event: Callable[[dict[str, Any]], None] = lambda event: None
    text: Callable[[str], None] = lambda text: None
    hello: Callable[[dict[str, Any]], None] = lambda hello: None


class Channel(Protocol):
    """What a bench needs of an attachment, its own or somebody else's that is shared."""

    hello: dict[str, Any]

    def request(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the bench channel."""

    def open(self, receiver: Receiver) -> int:
        """A new phone connection's number."""

    def send(self, conn: int, message: bytes, timeout: float) -> None:
        """Deliver one whole message on a phone connection."""

    def close_connection(self, conn: int) -> None:
        """End a phone connection."""

    def close(self) -> None:
        """Let go of the board."""


class Attachment:
    """Holds the port itself."""

    def __init__(self, path: str, listener: Listener | None = None, timeout: float = 10.0) -> None:
        self.path = path
        self.hello: dict[str, Any] = {}
        self.listeners: list[Listener] = [listener] if listener else []
        self.lost = 0
        """Lines from the board that never came."""
        self._port = open_port(path)
        self._state = threading.Condition()  # guards what follows
        self._synced = False
        self._generation = 0  # how often we fell out of step
        self._acknowledged: int | None = None
        self._receivers: dict[int, Receiver] = {}
        self._failed: LatchkeyError | None = None
        self._answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()  # one message at a time goes out
        self._asking = threading.Lock()  # one request at a time is open
        self._writing = threading.Lock()  # one line at a time
        self._numbers = lines.Numbers(random.randrange(256))
        self._sync = random.randrange(1, 256)
        self._ids = itertools.count(random.randrange(1, 1 << 29))
        self._connections = itertools.cycle(range(1, 256))
        self._stop = False
        self._written = 0.0
        self._prompt = False  # the board's REPL has shown itself
        self._thread = threading.Thread(target=self._run, name=f"latchkey {path}", daemon=True)
        self._thread.start()
        try:
            self._in_step(time.monotonic() + timeout)
        except BaseException:
            self.close()
            raise

    # What a bench calls

    def request(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Ask the bench channel. The board keeps its last answer, so asking again does nothing twice."""
        deadline = time.monotonic() + timeout
        with self._asking:
            number = next(self._ids)
            message = json.dumps({"id": number, **request}, separators=(",", ":")).encode()
            while True:
                generation = self._transmit("B", 0, message, deadline)
                answer = self._wait_answer(number, generation, min(deadline, time.monotonic() + _ASK_AGAIN))
                if answer is not None:
                    return answer
                if time.monotonic() >= deadline:
                    raise NoAnswer(f"the car did not answer `{request.get('op')}` in time")

    def open(self, receiver: Receiver) -> int:
        with self._state:
            for _ in range(255):
                conn = next(self._connections)
                if conn not in self._receivers:
                    self._receivers[conn] = receiver
                    return conn
        raise LatchkeyError("too many phone connections", "close one of them")

    def send(self, conn: int, message: bytes, timeout: float) -> None:
        if len(message) > lines.MAX_MESSAGE:
            raise ValueError(f"a message has at most {lines.MAX_MESSAGE} bytes, not {len(message)}")
        with self._state:
            if conn not in self._receivers:
                raise NoAnswer("this phone connection has ended", "make a new one")
        self._transmit("V", conn, message, time.monotonic() + timeout)

    def close_connection(self, conn: int) -> None:
        with self._state:
            known = self._receivers.pop(conn, None)
        if known is not None:
            with contextlib.suppress(LatchkeyError):
                self._transmit("C", conn, b"", time.monotonic() + 1)

    def close(self) -> None:
        """Say good-bye, and give the port back."""
        if not self._stop and self._synced:
            with contextlib.suppress(LatchkeyError):
                self._transmit("C", 0, b"", time.monotonic() + 0.5)
        self._stop = True
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._port.close()

    # Out

    def _transmit(self, kind: str, conn: int, message: bytes, deadline: float) -> int:
        """Deliver a message, line by line; the generation in which it was delivered."""
        if len(message) > lines.MAX_MESSAGE:
            raise ValueError(f"a message has at most {lines.MAX_MESSAGE} bytes, not {len(message)}")
        with self._turn:
            generation = self._in_step(deadline)
            for part, body in lines.split(message):
                frame = lines.Frame(kind, conn, self._numbers.next(), part, body)
                self._deliver(frame, generation, deadline)
        return generation

    def _in_step(self, deadline: float) -> int:
        with self._state:
            self._state.wait_for(lambda: self._synced or self._failed, deadline - time.monotonic())
            if self._failed:
                raise self._failed
            if not self._synced:
                raise self._silence()
            return self._generation

    def _deliver(self, frame: lines.Frame, generation: int, deadline: float) -> None:
        line = frame.encode()
        for wait in itertools.chain(_RETRANSMIT, itertools.repeat(_RETRANSMIT[-1])):
            with self._state:
                self._still(generation)
                self._acknowledged = None
            self._write(line)
            with self._state:
                delivered = self._state.wait_for(
                    lambda: self._acknowledged == frame.seq or self._generation != generation,
                    min(wait, max(0.0, deadline - time.monotonic())),
                )
                self._still(generation)
            if delivered:
                return
            if time.monotonic() >= deadline:
                self._fall_out()  # the board has seen half a message: start afresh
                raise NoAnswer(f"the car on {self.path} does not answer")

    def _silence(self) -> NoAnswer:
        if self._prompt:
            return NoAnswer(
                f"the board on {self.path} is at its MicroPython prompt, and no agent runs",
                f"restart it: `mpremote connect {self.path} reset`",
            )
        return NoAnswer(f"no car answered on {self.path} in time")

    def _still(self, generation: int) -> None:
        if self._generation != generation:
            raise self._failed or Restarted()

    def _write(self, line: bytes) -> None:
        with self._writing:
            try:
                self._port.write(line)
            except OSError as error:
                raise self._gone(error) from error
            self._written = time.monotonic()

    def _wait_answer(self, number: int, generation: int, until: float) -> dict[str, Any] | None:
        while True:
            try:
                answer = self._answers.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return None
            if answer is not None and answer.get("id") == number:
                return answer
            self._still(generation)

    # In

    def _run(self) -> None:
        decoder = lines.LineDecoder()
        joiner = lines.Joiner()
        next_sync = 0.0
        try:
            while not self._stop:
                data = self._port.read(self._port.in_waiting or 1)
                for item in decoder.feed(data):
                    if isinstance(item, bytes):
                        self._text(item)
                    elif not item.kind.islower():
                        self._text(item.encode())  # our own line, from a REPL that echoes
                    elif item.kind == "a":
                        with self._state:
                            self._acknowledged = item.seq
                            self._state.notify_all()
                    elif (message := joiner.add(item)) is not None:
                        self._message(*message)
                self.lost = joiner.lost
                now = time.monotonic()
                if not self._synced and now >= next_sync:
                    next_sync = now + _SYNC_EVERY
                    self._write(lines.Frame("S", self._sync, self._numbers.last, ".", b"").encode())
                elif self._synced and now - self._written > _KEEPALIVE:
                    self._write(lines.Frame("A", 0, 0, ".", b"").encode())
        except (OSError, TypeError) as error:  # TypeError: the port was closed under pyserial's feet
            if not self._stop:
                self._gone(error)
        except PortGone:
            pass

    def _message(self, kind: str, conn: int, data: bytes) -> None:
        if kind == "s":
            self._hello(conn, data)
        elif not self._synced:
            return  # said to the host before us
        elif kind == "v" and (receiver := self._receivers.get(conn)):
            receiver(data)
        elif kind == "c":
            with self._state:
                ended = self._receivers.pop(conn, None)
            if ended:
                ended(None)
        elif kind in "be":
            try:
                value = json.loads(data)
            except ValueError:
                value = None
            if isinstance(value, dict):
                if kind == "b":
                    self._answers.put(value)
                else:
                    for listener in list(self.listeners):
                        listener.event(value)

    def _hello(self, sync: int, data: bytes) -> None:
        try:
            hello = json.loads(data)
        except ValueError:
            return
        if not isinstance(hello, dict) or "boot" not in hello:
            return
        if sync == 0:
            if self._synced:
                self._fall_out()
            self._write(lines.Frame("S", self._sync, self._numbers.last, ".", b"").encode())
        elif sync == self._sync and not self._synced:
            with self._state:
                self.hello = hello
                self._synced = True
                self._prompt = False
                self._state.notify_all()
            for listener in list(self.listeners):
                listener.hello(hello)

    def _fall_out(self) -> None:
        """Out of step: whoever waits is told, and the reading thread starts again."""
        with self._state:
            self._synced = False
            self._generation += 1
            self._sync = self._sync % 255 + 1
            ended = list(self._receivers.values())
            self._receivers.clear()
            self._answers.put(None)
            self._state.notify_all()
        for receiver in ended:
            receiver(None)

    def _gone(self, error: Exception) -> PortGone:
        gone = PortGone(f"{self.path} has gone: {error}", "plug the board in, or start the simulated one, again")
        self._failed = self._failed or gone
        self._fall_out()
        return gone

    def _text(self, data: bytes) -> None:
        text = data.decode(errors="replace")
        self._prompt = self._prompt or text.startswith(">>> ")
        for listener in list(self.listeners):
            listener.text(text)
