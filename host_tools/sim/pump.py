# SPDX-License-Identifier: Apache-2.0
"""The wire between the simulated board and its serial port, with the limits that a real one has.

A board's REPL buffers 260 bytes of input and loses what comes on top while the board is busy; Ctrl-C interrupts the
program that runs; what the board says while nobody listens is gone. The board itself never waits for the host.
"""

from __future__ import annotations

import array
import fcntl
import os
import signal
import termios
import time
from pathlib import Path

INPUT_BUFFER = 260
_SAVED = 0.01  # seconds for which a line that idled may be faster than it is: the pump does not turn for every byte
_ALL = 65536
_PATIENCE = 0.5  # seconds after which a host that does not read is taken to have left
_CTRL_C = b"\x03"
_RAW = b"raw REPL; CTRL-B to exit"
_FRIENDLY = b'Type "help()" for more information.'


def waiting(descriptor: int) -> int:
    """Bytes that can be read from a pipe now."""
    count = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, count)
    return count[0]


def catches_interrupt(pid: int) -> bool:
    """Whether the process has a handler for SIGINT: MicroPython has none while it waits at its prompt."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "2")
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


class Line:
    """One direction of a serial line. Without a baud rate it carries at once whatever there is."""

    def __init__(self, baud: int | None) -> None:
        self._byte = 10 / baud if baud else 0.0  # seconds: a start bit, eight, and a stop bit
        self._carried_until = 0.0

    def room(self) -> int:
        """Bytes that it has had the time to carry."""
        idle = min(time.monotonic() - self._carried_until, _SAVED)
        return int(idle / self._byte) if self._byte else _ALL

    def carry(self, count: int) -> None:
        """It has carried so many."""
        self._carried_until = max(self._carried_until, time.monotonic() - _SAVED) + count * self._byte


class Input:
    """Host to board."""

    def __init__(self, pid: int, read_end: int, write_end: int) -> None:
        self._pid = pid
        self._read_end = read_end
        self._write_end = write_end
        self.lost = 0
        """Bytes that found the buffer full."""

    def feed(self, data: bytes) -> None:
        """Take what the host wrote."""
        if _CTRL_C not in data or not catches_interrupt(self._pid):
            self._buffer(data)
            return
        before, _, after = data.rpartition(_CTRL_C)
        self._buffer(before.replace(_CTRL_C, b""))
        os.kill(self._pid, signal.SIGINT)
        if after:
            self._await_interrupt()
            self._buffer(after)

    def _await_interrupt(self) -> None:
        """What follows a Ctrl-C is for the prompt, which is there in a moment."""
        deadline = time.monotonic() + 0.1
        while catches_interrupt(self._pid) and time.monotonic() < deadline:
            time.sleep(0.005)

    def _buffer(self, data: bytes) -> None:
        room = max(0, INPUT_BUFFER - waiting(self._read_end))
        if data[:room]:
            try:
                os.write(self._write_end, data[:room])
            except BrokenPipeError:
                return  # the board has just gone down
        self.lost += len(data[room:])


class Output:
    """Board to host. Remembers how the REPL was left, because a soft reset from the raw REPL goes back to it."""

    def __init__(self, master: int, baud: int | None = None) -> None:
        """`master` is the board's end of the pty; reading it is not done here."""
        self.master = master
        self._line = Line(baud)
        self._held = bytearray()
        self._progress = 0.0
        self._tail = b""
        self.raw_repl = False

    @property
    def held(self) -> bool:
        """Whether bytes wait for the host to read."""
        return bool(self._held)

    def feed(self, data: bytes) -> None:
        """Take what the board wrote."""
        seen = self._tail + data
        raw, friendly = seen.rfind(_RAW), seen.rfind(_FRIENDLY)
        if raw != friendly:
            self.raw_repl = raw > friendly
        self._tail = seen[-len(_FRIENDLY) :]
        if not self._held:
            self._progress = time.monotonic()
        self._held += data
        self.push()

    def push(self) -> None:
        """Give the host what it takes, and drop the rest when it has stopped reading."""
        while room := min(len(self._held), self._line.room()):
            try:
                count = os.write(self.master, self._held[:room])
            except BlockingIOError:
                break
            self._line.carry(count)
            del self._held[:count]
            self._progress = time.monotonic()
        if self._held and time.monotonic() - self._progress > _PATIENCE:
            self._held.clear()
