# SPDX-License-Identifier: Apache-2.0
"""The live view on a whole car: it follows what happens, leaves the port to others, and ends with Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone import keyfile
from tests import interrupts
from tests.bench.support import VIN, AnyBoard, provision

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")
_PATIENCE = 20.0


class Terminal:
    """`latchkey monitor` on a terminal of 80 by 24."""

    def __init__(self, port: str) -> None:
        self.master, slave = os.openpty()
        ioctl(slave, TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.set_blocking(self.master, False)
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from host_tools import cli; cli.main()", "monitor", "--port", port],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=interrupts.obeyed,
        )
        os.close(slave)
        self._seen = b""

    def shows(self, *words: str) -> bool:
        """Wait until every word has been on the screen since the last call."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            try:
                self._seen += os.read(self.master, 65536)
            except BlockingIOError:
                time.sleep(0.05)
            text = _ESCAPES.sub(b"", self._seen).decode(errors="replace")
            if all(word in text for word in words):
                self._seen = b""
                return True
        return False

    def end(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(_PATIENCE)


@pytest.fixture
def terminal(board: AnyBoard) -> Iterator[Terminal]:
    provision(board.port).close()
    shown = Terminal(board.port)
    yield shown
    shown.process.kill()
    shown.process.communicate()
    os.close(shown.master)


def test_it_follows_a_car_that_others_use_meanwhile_and_ends_with_ctrl_c(
    terminal: Terminal, board: AnyBoard, tmp_path: Path
) -> None:
    def latchkey(*arguments: str) -> None:
        assert CliRunner().invoke(cli.app, [*arguments, "--port", board.port]).exit_code == 0, arguments

    assert terminal.shows(f"car {VIN}", "locked", "nobody waits")
    key = str(tmp_path / "ann.pem")
    latchkey("pair", "--key", key, "--label", "Ann", "--tap")
    latchkey("start", "--key", key)
    assert terminal.shows("start", "on, 1", "● 1", f"{keyfile.load(Path(key)).id} Ann")
    latchkey("reboot")
    assert terminal.shows("boot", "off", "locked")
    assert terminal.end() == 0
    latchkey("status")
