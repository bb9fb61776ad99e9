# SPDX-License-Identifier: Apache-2.0
"""The board's raw REPL: code is run there, and the board is started again.

A car stands still at its prompt. So whatever ends the work, the board is started again, or it is said that it is not;
and should this program vanish altogether, the watchdog does it.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
import time
from typing import Any, Self

from mpremote.transport import TransportError

from host_tools.faults import LatchkeyError
from host_tools.flash import interrupts
from host_tools.flash.attention import PATIENCE, RESET, SILENCE, TURN, Attention
from host_tools.serial.port import PortGone

_FRIENDLY = b">>> "
_RESTARTS = 3
# Seconds after which a board at its prompt restarts by itself when nobody works on it. The watchdog cannot be switched
# off: when the work is over it gets a week, or what the agent gives it.
_ALONE = 120
_WATCHDOG = """
try:
 import machine
 machine.WDT(timeout=%d).feed()
except Exception:
 pass
"""
_FEED = _WATCHDOG % (_ALONE * 1000)
_CALM = "import machine; machine.WDT(timeout=604800000)"


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


class Repl(Attention):
    """The raw REPL of the board on a port: `with Repl(port) as board: board.run("print(1)")`."""

    def __init__(self, port: str, readme: str = "boards/README.md") -> None:
        super().__init__(port, readme)
        self.undo = ""
        """A line that is run there before it is started again: what an interrupted step would leave behind."""
        self._fed = float("-inf")

    def __enter__(self) -> Self:
        """Stop what runs there. Not done when it is made: only from here on somebody is sure to start it again."""
        try:
            self.attend()
        except BaseException as error:
            self._leave(error)
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._leave(error)

    def close(self) -> None:
        """Let go of the port. The lines stay as they are, so that the board is not reset."""
        with contextlib.suppress(OSError):
            self.serial.close()

    def _leave(self, error: BaseException | None) -> None:
        """Start the board again if it stands, whatever has happened."""
        try:
            if self.stopped:
                self.restart()
        except LatchkeyError as left:
            if error is None:
                raise
            self._say_stopped(error, left)
        except BaseException as interruption:  # Ctrl-C just now; no more of them is heard
            try:
                self.restart()
            except LatchkeyError as left:
                self._say_stopped(interruption, left)
            raise
        finally:
            self.close()

    def _say_stopped(self, error: BaseException, left: LatchkeyError) -> None:
        if self.reached:
            why = "" if isinstance(error, PortGone) else f" ({left.text})"
            interrupts.tell(
                error,
                f"the board could not be started again{why}: press its RESET button or take its power away for a "
                f"moment; else it restarts by itself {_ALONE} s after the last step",
            )

    def exec_raw(self, command: str | bytes, timeout: float = SILENCE, data_consumer: Any = None) -> Any:
        """Every step tells the watchdog that somebody is there."""
        if time.monotonic() - self._fed > _ALONE / 4:
            self._fed = time.monotonic()
            super().exec_raw(_FEED, timeout)  # type: ignore[no-untyped-call] # mpremote has no annotations
        return super().exec_raw(command, timeout, data_consumer)  # type: ignore[no-untyped-call]

    def run(self, code: str) -> str:
        """Run code on the board: what it printed."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # the base class prints what surprises it
                said, raised = self.exec_raw(code, SILENCE)
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
        self.stopped = self.in_raw_repl = False

    def restart(self) -> None:
        """Soft reset: boot.py and main.py run. The port stays open, to be listened to.

        :raises BoardSilent: the board does not say that it starts
        """
        for _ in range(_RESTARTS if self.reached else 1):
            self.send(b"\r\x03")  # what still runs, or is being sent
            self.hear(TURN / 2)
            self.send(b"\x03")
            self.hear(TURN / 2)
            self.send(b"\r\x02")
            if not self.hear(PATIENCE, _FRIENDLY).endswith(_FRIENDLY):
                continue
            for line in filter(None, (self.undo, _CALM)):
                self.send(line.encode() + b"\r")
                self.hear(PATIENCE, _FRIENDLY)
            self.send(b"\x04")
            if self.hear(PATIENCE, RESET).endswith(RESET):
                self.stopped = self.in_raw_repl = False
                return
        raise BoardSilent("the board does not start again", "press its RESET button")
