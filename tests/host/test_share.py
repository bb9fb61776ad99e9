# SPDX-License-Identifier: Apache-2.0
"""Several programs reach one car: through the one that holds its port, or one after the other."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.serial import share
from host_tools.serial.bench import Bench
from host_tools.serial.port import PortBusy, runtime_path
from host_tools.serial.share import _Client
from host_tools.serial.wire import Restarted
from host_tools.sim.board import SimulatedBoard
from tests.host.echo import make_firmware

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    folder = tmp_path_factory.mktemp("board")
    with SimulatedBoard(folder / "image", firmware_dir=make_firmware(folder / "firmware")) as running:
        yield running


@pytest.fixture
def holder(board: SimulatedBoard) -> Iterator[Bench]:
    with Bench.open(board.port, share=True) as car:
        yield car


@pytest.fixture
def guest(board: SimulatedBoard, holder: Bench) -> Iterator[Bench]:
    with Bench.open(board.port) as car:
        yield car


def test_a_guest_asks_the_bench_through_the_holder(holder: Bench, guest: Bench) -> None:
    assert guest.info() == holder.info()
    assert guest.hello == holder.hello


def test_phones_of_both_are_apart(holder: Bench, guest: Bench) -> None:
    with contextlib.closing(holder.connect()) as ours, contextlib.closing(guest.connect()) as theirs:
        assert ours.number != theirs.number
        theirs.send(b"theirs")
        ours.send(b"ours")
        assert theirs.receive() == b"echo theirs"
        assert ours.receive() == b"echo ours"
        assert ours.receive(0.1) is None


def test_the_longest_messages_pass_whole(guest: Bench) -> None:
    message = bytes(i & 0xFF for i in range(1000))
    with contextlib.closing(guest.connect()) as phone:
        for _ in range(5):
            phone.send(message)
            assert phone.receive() == b"echo " + message


def test_events_and_text_reach_both(holder: Bench, guest: Bench) -> None:
    guest.request("event", by="guest")
    guest.request("say", lines=1)
    for car in (holder, guest):
        assert car.wait_event("asked", by="guest")
        deadline = time.monotonic() + 5
        while "x" * 99 not in car.log_text and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "x" * 99 in car.log_text


def test_two_guests_at_once_get_their_own_answers(board: SimulatedBoard, holder: Bench) -> None:
    wrong: list[str] = []

    def ask(name: str) -> None:
        with Bench.open(board.port) as car, contextlib.closing(car.connect()) as phone:
            for i in range(20):
                phone.send(f"{name} {i}".encode())
                if phone.receive() != f"echo {name} {i}".encode() or not car.info():
                    wrong.append(f"{name} {i}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong and not any(thread.is_alive() for thread in threads)


def test_a_guest_sees_a_restart(holder: Bench, guest: Bench) -> None:
    phone = guest.connect()
    boot = guest.boot
    guest.reboot()
    assert guest.boot == holder.boot != boot
    with pytest.raises(NoAnswer):
        phone.receive()
    with pytest.raises(Restarted):
        guest.request("hang", ms=30_000, timeout=20)


def test_a_refusal_reaches_the_guest(guest: Bench) -> None:
    with pytest.raises(LatchkeyError, match="failed inside"):
        guest.request("write")


def test_phones_of_a_guest_that_leaves_are_hung_up(board: SimulatedBoard, holder: Bench) -> None:
    since = len(holder.events)
    with Bench.open(board.port) as car:
        phone = car.connect()
        phone.send(b"x")
        phone.receive()
    assert holder.wait_event("closed", since=since)["conn"] == f"serial/{phone.number}"


def test_a_guest_is_told_when_the_holder_leaves(board: SimulatedBoard) -> None:
    holder = Bench.open(board.port, share=True)
    with Bench.open(board.port) as guest:
        phone = guest.connect()
        holder.close()
        with pytest.raises(NoAnswer):
            phone.receive(10)
        with pytest.raises(NoAnswer):
            guest.info()


def test_a_guest_that_is_being_served_is_served_to_the_end_when_the_holder_leaves(
    board: SimulatedBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a card tap, which ends the pairing that holds the port. It takes longer than a guest may be quiet."""
    monkeypatch.setattr(share, "_QUIET", 0.1)
    monkeypatch.setattr(share, "_LINGER", 60.0)  # however slow the machine is: how long at most is not the question
    asked = threading.Event()
    do = _Client._do

    def note(self: _Client, what: dict[str, object]) -> object:
        asked.set()
        return do(self, what)

    monkeypatch.setattr(_Client, "_do", note)
    holder = Bench.open(board.port, share=True)
    with Bench.open(board.port) as guest:

        def leave() -> None:
            asked.wait(60)
            holder.close()

        leaving = threading.Thread(target=leave)
        leaving.start()
        assert guest.request("hang", ms=300, timeout=60) is None
        leaving.join()


def test_a_guest_that_comes_while_the_holder_ends_gets_the_port(board: SimulatedBoard) -> None:
    """It was let in and hung up on before it was told anything: no reason to wait for a greeting."""
    path = runtime_path(board.port, "sock")
    first = Bench.open(board.port)

    def leave() -> None:
        listening.accept()[0].close()
        path.unlink()
        first.close()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        leaving = threading.Thread(target=leave)
        leaving.start()
        with Bench.open(board.port, timeout=10) as car:
            assert car.info()
        leaving.join()


def test_a_port_that_is_not_shared_is_busy(board: SimulatedBoard) -> None:
    with Bench.open(board.port), pytest.raises(PortBusy, match="in use"):
        Bench.open(board.port, timeout=0.3)


def test_short_commands_wait_for_each_other(board: SimulatedBoard) -> None:
    first = Bench.open(board.port)
    timer = threading.Timer(0.5, first.close)
    timer.start()
    with Bench.open(board.port, timeout=10) as second:
        assert second.info()
    timer.join()


def test_nonsense_on_the_socket_harms_nobody(board: SimulatedBoard, holder: Bench) -> None:
    for nonsense in (b"\x00\xff\n", b"{\n", b"[]\n", b"7\n", b'{"ask":1}\n', b'{"ask":1,"do":"explode"}\n', b"{"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(runtime_path(board.port, "sock")))
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(10)
            while connection.recv(4096):
                pass
    with Bench.open(board.port) as guest:
        assert guest.info()


def test_the_sockets_folder_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runtime_path("/dev/any", "sock")
    assert path.parent.stat().st_mode & 0o077 == 0
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    own = runtime_path("/dev/any", "sock").parent
    own.chmod(0o755)
    with pytest.raises(LatchkeyError, match="alone"):
        runtime_path("/dev/any", "sock")
