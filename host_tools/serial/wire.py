# SPDX-License-Identifier: Apache-2.0
"""Gets in step with the board at the other end of a port, and delivers every line to it once (docs/bench.md).

One thread reads the port. A line that is sent waits for its acknowledgement, so that a board that is busy loses
nothing. When the board restarts, whoever waits is told, and the wire gets in step again by itself.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.serial import lines, shape
from host_tools.serial.port import PortGone, open_port

_RETRANSMIT = (0.3, 0.3, 0.6)
_RETRANSMIT_LATER = 1.0
_SYNC_EVERY = 0.3
_KEEPALIVE = 4.0
_FAREWELL = 0.5


class Restarted(NoAnswer):
    """The car restarted in the middle of it."""

    name = "RESTARTED"

    def __init__(self) -> None:
        super().__init__("the car restarted before it answered", "ask again")


class AtPrompt(NoAnswer):
    """The board runs no agent: somebody stopped it, or it could not go on."""

    name = "AT_PROMPT"


@dataclass
class Handlers:
    """Who takes what the board sends. Called from the reading thread."""

    message: Callable[[str, int, bytes], None]
    hello: Callable[[dict[str, Any]], None]
    text: Callable[[str], None]
    out_of_step: Callable[[], None]


class Wire:
    """Holds a port. Each stretch during which board and host are in step is a generation."""

    def __init__(self, path: str, handlers: Handlers) -> None:
        self.path = path
        self.hello: dict[str, Any] = {}
        self.lost = 0
        """Lines from the board that never came."""
        self._handlers = handlers
        self._port = open_port(path)
        self._state = threading.Condition()  # guards the next five
        self._synced = False
        self._generation = 0
        self._acknowledged: int | None = None
        self._failed: LatchkeyError | None = None
        self._prompt = False  # the board has shown its REPL
        self._turn = threading.Lock()  # one message at a time goes out
        self._writing = threading.Lock()  # one line at a time
        self._written = 0.0
        self._numbers = lines.Numbers(random.randrange(256))
        self._sync = random.randrange(1, 256)
        self._stop = False
        self._thread = threading.Thread(target=self._run, name=f"latchkey {path}", daemon=True)
        self._thread.start()

    def in_step(self, deadline: float) -> int:
        """Wait for the board; the generation."""
        with self._state:
            self._state.wait_for(lambda: self._synced or self._failed, deadline - time.monotonic())
            if self._failed:
                raise self._failed
            if self._synced:
                return self._generation
        if self._prompt:
            raise AtPrompt(
                f"the board on {self.path} is at its MicroPython prompt, and no agent runs",
                f"`latchkey reboot --port {self.path}` starts it (a soft reset), or says why it does not stay up",
            )
        raise NoAnswer(f"no car answered on {self.path} in time")

    def check(self, generation: int) -> None:
        """Raise if that generation is over."""
        if self._generation != generation:
            raise self._failed or Restarted()

    def deliver(self, kind: str, conn: int, message: bytes, deadline: float) -> int:
        """Bring a message to the board, line by line; the generation in which it arrived."""
        if len(message) > lines.MAX_MESSAGE:
            raise ValueError(f"a message has at most {lines.MAX_MESSAGE} bytes, not {len(message)}")
        with self._turn:
            generation = self.in_step(deadline)
            for part, body in lines.split(message):
                self._deliver_line(lines.Frame(kind, conn, self._numbers.next(), part, body), generation, deadline)
        return generation

    def close(self) -> None:
        """Say good-bye, and give the port back."""
        if self._synced and not self._stop:
            with contextlib.suppress(LatchkeyError):
                self.deliver("C", 0, b"", time.monotonic() + _FAREWELL)
        self._stop = True
        if threading.current_thread() is not self._thread:
            with contextlib.suppress(AttributeError):  # a port that is a URL has no such thing: its read times out
                self._port.cancel_read()
            self._thread.join()
        self._port.close()

    # Out

    def _deliver_line(self, frame: lines.Frame, generation: int, deadline: float) -> None:
        line = frame.encode()
        for wait in itertools.chain(_RETRANSMIT, itertools.repeat(_RETRANSMIT_LATER)):
            with self._state:
                self.check(generation)
                self._acknowledged = None
            self._write(line)
            with self._state:
                delivered = self._state.wait_for(
                    lambda: self._acknowledged == frame.seq or self._generation != generation,
                    min(wait, max(0.0, deadline - time.monotonic())),
                )
                self.check(generation)
            if delivered:
                return
            if time.monotonic() >= deadline:
                self._fall_out()  # the board may have half a message: begin afresh
                raise NoAnswer(f"the car on {self.path} does not answer")

    def _write(self, line: bytes) -> None:
        with self._writing:
            try:
                self._port.write(line)
            except OSError as error:
                raise self._gone(error) from error
            self._written = time.monotonic()

    def _ask_to_sync(self) -> None:
        self._write(lines.Frame("S", self._sync, self._numbers.last, ".", b"").encode())

    # In

    def _run(self) -> None:
        decoder = lines.LineDecoder()
        joiner = lines.Joiner()
        next_sync = 0.0
        try:
            while not self._stop:
                now = time.monotonic()
                if not self._synced and now >= next_sync:
                    next_sync = now + _SYNC_EVERY
                    self._ask_to_sync()
                elif self._synced and now - self._written > _KEEPALIVE:
                    self._write(lines.Frame("A", 0, 0, ".", b"").encode())
                for item in decoder.feed(self._port.read(self._port.in_waiting or 1)):
                    if isinstance(item, lines.Frame):
                        self._take(item, joiner)
                    else:
                        self._text(item)
        except (OSError, TypeError) as error:  # TypeError: the port was closed under pyserial's feet
            if not self._stop:
                self._gone(error)
        except PortGone:
            pass

    def _take(self, frame: lines.Frame, joiner: lines.Joiner) -> None:
        if not frame.kind.islower():
            self._prompt = True  # our own line: only a prompt echoes it
            self._text(frame.encode())
        elif frame.kind == "a":
            with self._state:
                self._acknowledged = frame.seq
                self._state.notify_all()
        elif (message := joiner.add(frame)) is not None:
            self.lost = joiner.lost
            kind, conn, data = message
            if kind == "s":
                self._take_hello(conn, data)
            elif self._synced:  # else it was said to the host before us
                self._handlers.message(kind, conn, data)

    def _take_hello(self, sync: int, data: bytes) -> None:
        hello = shape.parse(data)
        if sync == 0:  # the board is out of step
            if self._synced:
                self._fall_out()
            self._ask_to_sync()
        elif sync == self._sync and not self._synced:
            if hello is None or not shape.fits(hello, shape.HELLO):
                with self._state:
                    self._failed = shape.BadAnswer(f"what answers on {self.path} does not say hello as a car does")
                    self._state.notify_all()
                return
            self.hello = hello
            self._handlers.hello(hello)
            with self._state:
                self._synced = True
                self._prompt = False
                self._state.notify_all()

    def _fall_out(self) -> None:
        """Out of step: whoever waits is told, and the reading thread begins again."""
        with self._state:
            self._synced = False
            self._generation += 1
            self._sync = self._sync % 255 + 1
            self._state.notify_all()
        self._handlers.out_of_step()

    def _gone(self, error: Exception) -> PortGone:
        gone = PortGone(f"{self.path} has gone: {error}", "plug the board in, or start the simulated one, again")
        self._failed = self._failed or gone
        self._fall_out()
        return gone

    def _text(self, data: bytes) -> None:
        text = data.decode(errors="backslashreplace")
        self._prompt = self._prompt or text.startswith((">>> ", "... "))
        self._handlers.text(text)
