# SPDX-License-Identifier: Apache-2.0
"""A port that cannot be used says why, and what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from host_tools.serial.port import NoPermission, PortBusy, PortError, PortMissing, open_port


@pytest.fixture
def pty() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_port_is_for_one_program_at_a_time(pty: str) -> None:
    first = open_port(pty)
    with pytest.raises(PortBusy, match="in use") as caught:
        open_port(pty)
    assert caught.value.hint
    first.close()
    open_port(pty).close()


def test_a_link_and_its_port_are_the_same_port(pty: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(pty)
    first = open_port(str(link))
    with pytest.raises(PortBusy):
        open_port(pty)
    first.close()


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PortMissing, match="does not exist") as caught:
        open_port(str(tmp_path / "nothing"))
    assert "plug the board in" in caught.value.hint
    assert caught.value.exit_code == 3


def test_a_link_that_a_simulated_board_left(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/pts/nobody")
    with pytest.raises(PortMissing, match="has ended"):
        open_port(str(link))


def test_a_file_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(PortError, match="cannot open"):
        open_port(str(file))
    with pytest.raises(PortError, match="cannot open"):
        open_port("bogus://somewhere")
    assert file.read_text() == "text"


def test_a_port_of_somebody_else(pty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: serial.Serial) -> None:
        raise serial.SerialException(13, "could not open port: Permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(NoPermission) as caught:
        open_port(pty)
    assert "group" in caught.value.hint


def test_opening_a_port_never_makes_dtr_and_rts_differ(pty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # An ESP32 board's reset hangs on the difference of the two. The system raises both when the port opens.
    asked: list[tuple[str, bool]] = []
    monkeypatch.setattr(serial.Serial, "_update_dtr_state", lambda self: asked.append(("dtr", self._dtr_state)))
    monkeypatch.setattr(serial.Serial, "_update_rts_state", lambda self: asked.append(("rts", self._rts_state)))
    open_port(pty).close()
    assert set(asked) == {("dtr", True), ("rts", True)}
