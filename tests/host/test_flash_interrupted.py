# SPDX-License-Identifier: Apache-2.0
"""Whatever ends work on a board, at whatever step: its agent runs again afterwards, and nothing of the work is left."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial

from host_tools.faults import LatchkeyError
from host_tools.flash import attention, chip, erase, repl
from host_tools.flash.install import Job, install
from host_tools.flash.repl import Repl
from host_tools.serial.port import PortGone, open_port
from host_tools.sim.board import SimulatedBoard
from tests.host.bare_board import bare_board, files_on, kind
from tests.shares import share

SOURCES = {
    "boot.py": "pass\n",
    "main.py": "from latchkey import agent\n\nagent.main()\n",
    "latchkey/agent.py": "import time\n\ndef main():\n    print('serving')\n    while True: time.sleep(1)\n",
    "latchkey/radio.py": "DATA = %r\n" % ("0123456789abcdef" * 300),
}
ONE_IN = 11  # of all writes to the board, so many are tried, and the last
_PATIENCE = 20.0


def job_in(folder: Path) -> Job:
    sources = folder / "sources"
    for name, text in SOURCES.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text)
    return Job(kind(folder), radio=False, sources=sources, build=folder / "build")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return job_in(tmp_path)


def source(job: Job, name: str) -> Path:
    assert job.sources is not None
    return job.sources / name


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "flash.img"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flash of a board with all of it."""
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch, bare_board(patch, folder / "flash.img") as there:
        put(there, job_in(folder))
        assert serves(there)
    return folder / "flash.img"


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, installed: Path, image: Path) -> Iterator[SimulatedBoard]:
    """A board whose agent serves."""
    shutil.copy(installed, image)
    with bare_board(monkeypatch, image) as there:
        assert serves(there)
        yield there


def put(board: SimulatedBoard, job: Job) -> None:
    """Install, without waiting for first words that this agent does not have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(install.__globals__, "first_words", lambda port, name: ({}, 0))
        install(board.port, job)


def serves(board: SimulatedBoard) -> bool:
    """Whether the last thing that happened on the board is that its agent began to serve."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        text = board.text
        last = text.rfind("serving")
        if last >= 0 and last > max(text.rfind(">>>"), text.rfind("raw REPL"), text.rfind("KeyboardInterrupt")):
            return True
        time.sleep(0.02)
    return False


class Interrupting:
    """A port that interrupts the program at its `at`th write: just before it, or just after it."""

    def __init__(self, port: serial.Serial, at: int, error: Exception | type[BaseException], after: bool) -> None:
        self._port, self._at, self._error, self._after = port, at, error, after
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def write(self, data: bytes) -> int | None:
        self.count += 1
        if self.count != self._at:
            return self._port.write(data)
        if self._after:
            self._port.write(data)
        raise self._error


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Interrupting]]:
    """Make the next ports such."""

    def at(number: int, error: Exception | type[BaseException] = KeyboardInterrupt) -> list[Interrupting]:
        ports: list[Interrupting] = []

        def opened(path: str, patience: float = 0) -> Any:
            ports.append(Interrupting(open_port(path, 5), number, error, after=number % 2 == 1))
            return ports[-1]

        monkeypatch.setattr(attention, "open_port", opened)
        return ports

    return at


def points(total: int) -> list[int]:
    return sorted({*share(range(1, total + 1), ONE_IN), total})


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_install_that_is_interrupted_anywhere_leaves_an_agent_or_says_that_there_is_none(
    board: SimulatedBoard,
    job: Job,
    image: Path,
    interrupt: Callable[..., list[Interrupting]],
    error: type[BaseException],
    record_property: Callable[[str, object], None],
) -> None:
    ports = interrupt(10**6)
    source(job, "latchkey/radio.py").write_text("DATA = 0\n")
    put(board, job)
    total = ports[0].count
    tried, cut = points(total), 0
    for number in tried:
        interrupt(0)
        source(job, "latchkey/radio.py").write_text(f"DATA = '{str(number) * 4000}'\n")
        interrupt(number, error)
        try:
            put(board, job)
        except (KeyboardInterrupt, SystemExit) as ended:
            told = getattr(ended, "__notes__", [])
        else:
            told = []
        found = files_on(image)
        assert not [path for path in found if path.endswith(".new")], number
        if "/main.py" in found:
            assert serves(board), number
        else:
            cut += 1
            assert len(told) == 1 and "runs no agent until this is run again" in told[0], number
        interrupt(0)
        put(board, job)
        assert serves(board), number
    record_property("note", f"{len(tried)} interruptions of an install of {total} writes, {cut} with the agent gone")
    assert 0 < cut < len(tried)


@pytest.mark.parametrize("yes", [True, False])
def test_an_erase_that_is_interrupted_anywhere_leaves_the_car_or_says_that_it_is_none(
    board: SimulatedBoard, job: Job, image: Path, interrupt: Callable[..., list[Interrupting]], yes: bool
) -> None:
    def work(there: Repl) -> None:
        erase.contents(there)
        if yes:
            erase.erase(there)

    ports = interrupt(10**6)
    with Repl(board.port) as there:
        work(there)
    for number in points(ports[0].count):
        interrupt(0)
        put(board, job)
        before = files_on(image)
        ports = interrupt(number)
        try:
            with Repl(board.port) as there:
                work(there)
        except KeyboardInterrupt as ended:
            told = getattr(ended, "__notes__", [])
        else:
            assert ports[0].count < number  # a board that is asked once less is done in fewer writes
            continue
        try:
            left = files_on(image)
        except subprocess.CalledProcessError:  # erased, and not made anew yet
            left = {}
        if left == before:
            assert serves(board), number
        else:
            assert told == ["the erase was cut short and the board may be no car now: run this again to erase it all"]


@pytest.mark.parametrize(
    "failing",
    [
        chip.WrongChip("another"),
        LatchkeyError("any"),
        ValueError("a bug"),
        KeyboardInterrupt(),
        SystemExit(),
    ],
)
def test_every_way_out_starts_the_agent_again(board: SimulatedBoard, failing: BaseException) -> None:
    boots = board.boots
    with pytest.raises(type(failing)), Repl(board.port) as there:
        there.run("print(1)")
        raise failing
    assert serves(board) and board.boots > boots
    with Repl(board.port) as there:  # and so does getting to the end
        there.run("print(1)")
    assert serves(board)


def test_a_program_on_the_board_that_is_cut_off_in_the_middle_is_ended(board: SimulatedBoard) -> None:
    with pytest.raises(KeyboardInterrupt), Repl(board.port) as there:
        there.exec_raw_no_follow("import time\nwhile True: time.sleep(1)")  # type: ignore[no-untyped-call]
        raise KeyboardInterrupt
    assert serves(board)


def test_a_board_whose_cable_is_pulled_is_started_again_by_its_watchdog(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As is one whose host crashes. It has power of its own."""
    monkeypatch.setattr(repl, "_FEED", repl._WATCHDOG % 1500)
    with pytest.raises(PortGone) as told, Repl(board.port) as there:
        there.run("print(1)")
        there.serial.close()
        there.run("print(2)")
    assert "restarts by itself 120 s after" in told.value.hint and "RESET" in told.value.hint
    assert serves(board)
    assert "watchdog" in board.text


def test_what_is_on_another_chip_goes_on(board: SimulatedBoard, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chip, "_MPY", 7)
    before = files_on(board.image)
    with pytest.raises(chip.WrongChip):
        put(board, job)
    assert serves(board) and files_on(board.image) == before
