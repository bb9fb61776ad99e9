# SPDX-License-Identifier: Apache-2.0
"""The board's raw REPL, and why there is none."""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
import time
from typing import Any, Self

from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

from host_tools.faults import LatchkeyError
from host_tools.port import PortGone, open_port

_RAW = b"raw REPL; CTRL-B to exit\r\n"  # and then a prompt, which exec() looks for
_RESET = b"soft reboot\r\n"
_ATTEMPTS = 6  # a board that starts over and over hears some of them
_PATIENCE = 1.2  # seconds for an answer to Ctrl-C: an agent may be in the middle of something
_BOOT = 2.5  # seconds for a board to start
_SILENCE = 10.0  # seconds in which a board that works must say something
# What the chip's ROM prints when it starts as its own flasher, or finds nothing to start.
_DOWNLOAD = re.compile(rb"waiting for download|wait u(?:art|sb) download|boot:0x\w+ \((?:USB_)?DOWNLOAD")
_EMPTY = re.compile(rb"invalid header|flash read err|ets_main\.c|No bootable app")
# The flasher's own greeting and the beginning of its answer (esptool's SYNC, in SLIP).
_SYNC = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + b"\x55" * 32 + b"\xc0"
_SYNC_ANSWER = b"\xc0\x01\x08"


class NoMicroPython(LatchkeyError):
    """Something is on the port, and it is not MicroPython's prompt."""

    name = "NO_MICROPYTHON"
    exit_code = 3


class InBootloader(LatchkeyError):
    """The chip waits to be flashed by esptool and runs nothing."""

    name = "BOOTLOADER"
    exit_code = 3


class BoardSilent(LatchkeyError):
    """The board stopped answering in the middle."""

    name = "BOARD_SILENT"
    exit_code = 3


class ScriptFailed(LatchkeyError):
    """What was run on the board raised an exception there."""

    name = "BOARD_ERROR"

    def __init__(self, traceback: str) -> None:
        last = (traceback.strip().splitlines() or ["it gave no reason"])[-1]
        super().__init__(f"the board said: {last}")
        self.traceback = traceback
        code = re.search(r"OSError: (?:\[Errno )?(\d+)", last)
        self.errno = int(code[1]) if code else 0


class Repl(SerialTransport):
    """The raw REPL of the board on a port: `with Repl(port) as board: board.run("print(1)")`."""

    def __init__(self, port: str, readme: str = "the board's README.md") -> None:
        # Not the base class's own: the port opens with our explanations, and without resetting the board.
        self.device_name = port
        self.in_raw_repl = False
        self.use_raw_paste = True
        self.mounted = False
        self.is_pty = False  # a pty tells how much waits, like any other port here
        self._readme = readme
        self.serial = open_port(port)
        self.serial.timeout = _SILENCE
        try:
            self._attend()
        except BaseException:
            self.serial.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the port. The lines stay as they are, so that the board is not reset."""
        with contextlib.suppress(OSError):
            self.serial.close()

    def run(self, code: str) -> str:
        """Run code on the board: what it printed."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # the base class prints what surprises it
                said, raised = self.exec_raw(code, _SILENCE)  # type: ignore[no-untyped-call] # mpremote has none
            if raised:
                raise ScriptFailed(raised.decode(errors="replace"))
            return str(said.decode(errors="replace"))
        except TransportError as error:
            raise BoardSilent(f"the board stopped answering ({error})", "run the same command again") from None
        except struct.error:
            raise BoardSilent("the board stopped answering", "run the same command again") from None
        except (OSError, TypeError) as error:  # TypeError: the port was closed under pyserial's feet
            raise self.gone(error) from None

    def ask(self, code: str) -> Any:
        """Run code that prints one JSON value last."""
        printed = self.run(code).strip()
        try:
            return json.loads(printed.splitlines()[-1])
        except (ValueError, IndexError):
            raise BoardSilent(f"the board answered {printed[-80:]!r}", "run the same command again") from None

    def start(self, code: str) -> None:
        """Run code that does not come back, such as a reset."""
        with contextlib.suppress(TransportError), contextlib.redirect_stdout(io.StringIO()):
            try:
                self.exec_raw_no_follow(code)  # type: ignore[no-untyped-call]
            except (OSError, TypeError) as error:
                raise self.gone(error) from None
        self.in_raw_repl = False

    def restart(self) -> None:
        """Soft reset: boot.py and main.py run. The port stays open, to be listened to."""
        self._write(b"\r\x02")
        self._read_some(0.3)
        self._write(b"\x04")
        self.in_raw_repl = False

    def gone(self, error: Exception) -> PortGone:
        """The port has vanished."""
        return PortGone(f"{self.device_name} has gone: {error}", "plug the board in and run the same command again")

    # Getting its attention

    def _attend(self) -> None:
        seen = b""
        for _ in range(_ATTEMPTS):
            seen += self._knock()
            if self.in_raw_repl:
                return
            self._look_for_bootloader(seen)
        self._write(_SYNC)
        if _SYNC_ANSWER in self._read_some(0.5):
            raise self._bootloader()
        self._reset_by_lines()
        seen += self._read_some(_BOOT)
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
        self._write(b"\r\x03")
        seen = self._read_some(0.1)
        self._write(b"\x03")
        seen += self._read_some(0.1)
        self._write(b"\r\x01")
        seen += self._read_some(_PATIENCE, _RAW)
        if seen.endswith(_RAW):
            # What ran before still holds most of the heap. A soft reset from here gives it back, and runs no main.py.
            self._read_some(0.1, b">")
            self._write(b"\x04")
            seen += self._read_some(_PATIENCE, _RESET)
            seen += self._read_some(_PATIENCE + _BOOT, _RAW)
            self.in_raw_repl = seen.endswith(_RAW)
        return seen

    def _look_for_bootloader(self, seen: bytes) -> None:
        if _DOWNLOAD.search(seen):
            raise self._bootloader()

    def _bootloader(self) -> InBootloader:
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

    def _write(self, data: bytes) -> None:
        try:
            self.serial.write(data)
        except (OSError, TypeError) as error:
            raise self.gone(error) from None

    def _read_some(self, seconds: float, ending: bytes | None = None) -> bytes:
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
