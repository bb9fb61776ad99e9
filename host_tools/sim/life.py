# SPDX-License-Identifier: Apache-2.0
"""One life of the simulated board: a process, from power-on to whatever ends it."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from host_tools import places
from host_tools.serial import lines
from host_tools.sim.pump import Input, Line, Output

START = places.ROOT / "boards" / "UNIX" / "start.py"

# As machine.reset_cause() tells them.
PWRON, HARD, WATCHDOG, SOFT = 1, 2, 3, 5

_TICK = 0.1
_TURN = 0.005  # of a line with a baud rate: it carries 58 bytes meanwhile at 115200
_PAGE = 4096  # the smallest pipe


class Life:
    """`run` lasts until the process has ended; then the fields say how it was."""

    def __init__(
        self, command: list[str], environment: dict[str, str], heartbeat: Path, baud: int | None = None
    ) -> None:
        self.code = 0
        """Exit code; negative for a signal."""
        self.talked = False
        """Whether a host worked with it."""
        self.by_watchdog = False
        self.killed = False
        """Whether somebody pulled the plug."""
        self.input_lost = 0
        self._command = command
        self._environment = environment
        self._heartbeat = heartbeat
        self._baud = baud
        self._process: subprocess.Popen[bytes] | None = None

    def kill(self) -> None:
        """End it, as a power cut does."""
        self.killed = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    def run(self, output: Output, stop: int, text: Callable[[bytes], None], first_input: bytes = b"") -> None:
        """Live, between `output` and the pty behind it, until the process ends or `stop` becomes readable."""
        self._heartbeat.unlink(missing_ok=True)
        stdin_read, stdin_write = os.pipe()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, stdin_read)
            stack.callback(os.close, stdin_write)
            process = subprocess.Popen(
                [*self._command, str(START)],
                stdin=stdin_read,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=self._environment,
                start_new_session=True,  # Ctrl-C in our terminal is for us
                preexec_fn=_die_with_parent,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            self._process = process
            source = Input(process.pid, stdin_read, stdin_write)
            source.feed(first_input)
            self._pump(process, source, output, stop, text)
            self.input_lost = source.lost
        self.code = process.returncode

    def _pump(
        self,
        process: subprocess.Popen[bytes],
        source: Input,
        output: Output,
        stop: int,
        text: Callable[[bytes], None],
    ) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe; this tells mypy
        spoken = process.stdout.fileno()
        decoder = lines.LineDecoder()
        watchdog = _Watchdog(self._heartbeat)
        line = Line(self._baud)
        if self._baud:
            fcntl.fcntl(spoken, fcntl.F_SETPIPE_SZ, _PAGE)  # a board waits for its line
        with selectors.DefaultSelector() as selector:
            for descriptor in (stop, output.master, spoken):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                writable = selectors.EVENT_WRITE if output.held else 0
                selector.modify(output.master, selectors.EVENT_READ | writable)
                ready = {key.fd for key, mask in selector.select(_TICK) if mask & selectors.EVENT_READ}
                if stop in ready:
                    return
                if spoken in ready and not (self._baud and output.held):
                    data = os.read(spoken, _PAGE if self._baud else 65536)
                    if not data:
                        text(decoder.flush())
                        return
                    output.feed(data)
                    for item in decoder.feed(data):
                        if isinstance(item, bytes):
                            text(item)
                        else:
                            self.talked |= item.kind == "a"
                if output.master in ready and (room := min(line.room(), 4096)):
                    with contextlib.suppress(BlockingIOError):
                        data = os.read(output.master, room)
                        line.carry(len(data))
                        source.feed(data)
                output.push()
                if self._baud:
                    time.sleep(_TURN)
                if not self.by_watchdog and watchdog.expired():
                    self.by_watchdog = True
                    text(b"watchdog: the board has hung, and restarts\n")
                    process.kill()


def pause(seconds: float, master: int, stop: int) -> bool:
    """A board between two lives: it hears nothing. Returns early, and True, when `stop` becomes readable."""
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for descriptor in (stop, master):
            selector.register(descriptor, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0:
            ready = {key.fd for key, _ in selector.select(left)}
            if stop in ready:
                return True
            if master in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(master, 4096)
    return False


class _Watchdog:
    """Watches the file that the board's WDT writes: its timeout in milliseconds, and a count, of four bytes each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = b""
        self._silent = 0.0
        self._looked = time.monotonic()

    def expired(self) -> bool:
        now = time.monotonic()
        passed = min(now - self._looked, 2 * _TICK)  # a machine that held up this program held up the board as well
        self._looked = now
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return False
        if content != self._seen or not content:
            self._seen, self._silent = content, 0.0
            return False
        self._silent += passed
        return self._silent > int.from_bytes(content[:4], "little") / 1000


_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """In the child: end when the thread that made it ends. Elsewhere the end of its input ends it.

    Ctrl-C is for MicroPython alone, and not for a Python that may be wrapped around it: that leaves it as it finds it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL)
