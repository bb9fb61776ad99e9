# SPDX-License-Identifier: Apache-2.0
"""Getting a board's attention: its raw REPL, or what is on the port in its place."""

from __future__ import annotations

import contextlib
import json
import re
import time

from mpremote.transport_serial import SerialTransport

from host_tools.faults import LatchkeyError
from host_tools.serial import lines
from host_tools.serial.port import PortGone, open_port

RAW = b"raw REPL; CTRL-B to exit\r\n"  # and then a prompt, which exec() looks for
RESET = b"soft reboot\r\n"
SILENCE = 10.0  # seconds in which a board that works must say something
PATIENCE = 1.2  # seconds for an answer to Ctrl-C: an agent may be in the middle of something
TURN = 0.1  # seconds for what runs to take a Ctrl-C
_BUSY = 2.0  # seconds for another command to be done with the port
_BOOT = 2.5  # seconds for a board to start
_ATTEMPTS = 6  # a board that starts over and over hears some of them
_KNOCKS = 2  # without a prompt, before an agent that answers all the same is believed to give none
# What the chip's ROM prints when it starts as its own flasher, or finds nothing to start.
_DOWNLOAD = re.compile(rb"waiting for download|wait u(?:art|sb) download|boot:0x\w+ \((?:USB_)?DOWNLOAD")
_EMPTY = re.compile(rb"invalid header|flash read err|ets_main\.c|No bootable app")
# The flasher's own greeting and the beginning of its answer (esptool's SYNC, in SLIP).
_SYNC = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + b"\x55" * 32 + b"\xc0"
_SYNC_ANSWER = b"\xc0\x01\x08"
_SYNC_PATIENCE = 0.5  # seconds


class NoMicroPython(LatchkeyError):
    """Something is on the port, and it is not MicroPython's prompt."""

    name = "NO_MICROPYTHON"
    exit_code = 3


class InBootloader(LatchkeyError):
    """The chip waits to be flashed by esptool and runs nothing."""

    name = "BOOTLOADER"
    exit_code = 3


class Sealed(LatchkeyError):
    """A production build: nothing that is sent to it brings a prompt."""

    name = "PRODUCTION_BUILD"


class Attention(SerialTransport):
    """A port whose board is to be stopped and talked to."""

    def __init__(self, port: str, readme: str = "boards/README.md") -> None:
        # Not the base class's own: the port opens with our explanations, and without resetting the board.
        self.device_name = port
        self.in_raw_repl = False
        self.use_raw_paste = True
        self.mounted = False
        self.is_pty = False  # a pty tells how much waits, like any other port here
        self.stopped = False
        """Whether the board may stand at its prompt because of us."""
        self.reached = False
        """Whether it has shown its prompt."""
        self._readme = readme
        self.serial = open_port(port, _BUSY)
        self.serial.timeout = SILENCE

    def gone(self, error: Exception) -> PortGone:
        """The port has vanished."""
        return PortGone(f"{self.device_name} has gone: {error}", "plug the board in and run the same command again")

    def attend(self) -> None:
        """Stop what runs there."""
        seen = b""
        self.stopped = True
        for count in range(1, _ATTEMPTS + 1):
            seen += self._knock()
            if self.in_raw_repl:
                return
            self._look_for_bootloader(seen)
            if count >= _KNOCKS:
                self._look_for_production()
        self.send(_SYNC)
        if _SYNC_ANSWER in self.hear(_SYNC_PATIENCE):
            raise self._bootloader()
        self._reset_by_lines()
        seen += self.hear(_BOOT)
        self._look_for_bootloader(seen)
        if not _EMPTY.search(seen):
            seen += self._knock()
            if self.in_raw_repl:
                return
            self._look_for_bootloader(seen)
        what = "answers, but not with MicroPython's prompt" if seen else "does not answer"
        raise NoMicroPython(
            f"the board on {self.device_name} {what}",
            f"put MicroPython on it with esptool, as {self._readme} says; if it has it, press RESET and try again",
        )

    def _knock(self) -> bytes:
        """Ctrl-C twice (a program may catch one), then ask for the raw REPL. What the board said to that."""
        self.send(b"\r\x03")
        seen = self.hear(TURN)
        self.send(b"\x03")
        seen += self.hear(TURN)
        self.send(b"\r\x01")
        seen += self.hear(PATIENCE, RAW)
        if seen.endswith(RAW):
            self.reached = True
            # What ran before still holds most of the heap. A soft reset from here gives it back, and runs no main.py.
            self.hear(0.1, b">")
            self.send(b"\x04")
            seen += self.hear(PATIENCE, RESET)
            seen += self.hear(PATIENCE + _BOOT, RAW)
            self.in_raw_repl = seen.endswith(RAW)
        return seen

    def _look_for_production(self) -> None:
        """An agent that answers a phone's program, and Ctrl-C with nothing."""
        self.send(lines.Frame("S", 1, 0, ".", b"").encode())
        decoder, joiner = lines.LineDecoder(), lines.Joiner()
        for item in decoder.feed(self.hear(PATIENCE / 2)):
            whole = joiner.add(item) if isinstance(item, lines.Frame) and item.kind == "s" else None
            vin = _in_production(whole[2]) if whole else None
            if vin:
                self.stopped = False
                raise Sealed(
                    f"the board on {self.device_name} is car {vin} in a production build, which has no prompt to give",
                    "it is flashed anew through its bootloader, which erases the car's keys: "
                    f"`esptool --port {self.device_name} erase-flash`, then as {self._readme} says",
                )

    def _look_for_bootloader(self, seen: bytes) -> None:
        if _DOWNLOAD.search(seen):
            raise self._bootloader()

    def _bootloader(self) -> InBootloader:
        self.stopped = False  # not by us
        return InBootloader(
            f"the board on {self.device_name} is in its bootloader and runs no program",
            "press RESET without holding BOOT, or unplug it and plug it in again; see that nothing pulls BOOT low",
        )

    def _reset_by_lines(self) -> None:
        """Pull the reset line of boards that have a bridge chip. Nothing answered: there is nothing to lose."""
        with contextlib.suppress(OSError):
            self.serial.dtr = False
            self.serial.rts = True
            time.sleep(0.1)
            self.serial.rts = False
            time.sleep(0.2)
            self.serial.dtr = True
            self.serial.rts = True

    def send(self, data: bytes) -> None:
        """Write bytes to the board."""
        try:
            self.serial.write(data)
        except (OSError, TypeError) as error:
            raise self.gone(error) from None

    def hear(self, seconds: float, ending: bytes | None = None) -> bytes:
        """What comes within that time, or up to `ending`."""
        seen = b""
        until = time.monotonic() + seconds
        try:
            while time.monotonic() < until and not (ending and seen.endswith(ending)):
                waiting = self.serial.in_waiting
                if waiting:
                    seen += self.serial.read(1 if ending else waiting)
                else:
                    time.sleep(0.01)
        except (OSError, TypeError) as error:
            raise self.gone(error) from None
        return seen


def _in_production(said: bytes) -> str | None:
    """The car that says so in its hello."""
    try:
        hello = json.loads(said)
    except ValueError:
        return None
    return str(hello.get("vin")) if isinstance(hello, dict) and hello.get("bench") is False else None
