# SPDX-License-Identifier: Apache-2.0
"""The simulated board behaves as a board does: on its power, its flash, its port, and when something goes wrong."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host_tools.faults import LatchkeyError, Misuse, NoAnswer
from host_tools.serial import lines
from host_tools.serial.bench import Bench
from host_tools.serial.port import PortError, PortMissing, open_port
from host_tools.serial.wire import Restarted
from host_tools.sim import board as simulated
from host_tools.sim import image
from host_tools.sim.board import BoardDied, SimulatedBoard
from host_tools.sim.interpreter import WIDER, ask, find_micropython, heap_option
from tests import interrupts
from tests.host.echo import make_firmware


@pytest.fixture
def firmware(tmp_path: Path) -> Path:
    return make_firmware(tmp_path / "firmware")


@pytest.fixture
def board(tmp_path: Path, firmware: Path) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path / "image", firmware_dir=firmware) as running:
        yield running


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def mpremote(port: str, *arguments: str) -> str:
    command = [sys.executable, "-m", "mpremote", "connect", port, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_a_reboot_is_a_new_process_on_the_same_flash(board: SimulatedBoard) -> None:
    with Bench.open(board.port) as car:
        first = car.info()
        car.request("write", text="kept")
        car.reboot()
        second = car.info()
        assert first["boot"] != second["boot"]
        assert (first["cause"], second["cause"]) == (1, 2)  # power-on, hard reset
        assert car.request("read") == "kept"
    assert board.boots == 2


def test_the_flash_outlives_the_simulation(tmp_path: Path, firmware: Path) -> None:
    with SimulatedBoard(tmp_path / "image", firmware_dir=firmware) as board, Bench.open(board.port) as car:
        car.request("write", text="kept")
    with SimulatedBoard(tmp_path / "image", firmware_dir=firmware) as board, Bench.open(board.port) as car:
        assert car.request("read") == "kept"
        assert car.info()["cause"] == 1


def test_the_plug_can_be_pulled(board: SimulatedBoard) -> None:
    with Bench.open(board.port) as car:
        boot = car.boot
        board.power_cycle()
        car.wait_boot(boot)
        assert car.info()["boot"] == car.boot != boot


def test_a_power_cut_in_the_flash_leaves_the_old_or_the_new(board: SimulatedBoard) -> None:
    with Bench.open(board.port) as car:
        car.request("write", text="old")
        cuts = 0
        for after in range(1, 100):
            boot = car.boot
            try:
                car.request("write", text="new", cut=after)
            except Restarted:
                cuts += 1
                car.wait_boot(boot)
                assert car.request("read") in ("old", "new")
            else:
                break
        assert cuts > 0, "the power was never cut"
        assert after == cuts + 1, "a cut did not end the board"


def test_an_image_that_is_no_file_system_is_refused_and_left_alone(tmp_path: Path, firmware: Path) -> None:
    file = tmp_path / "image"
    content = b"somebody's photographs " * 4096
    file.write_bytes(content)
    with SimulatedBoard(file, firmware_dir=firmware) as board:
        assert board.wait(20)
        assert "does not hold a file system" in (board.failure or "")
        with pytest.raises(PortError):  # its serial port went with it
            Bench.open(board.port, timeout=1)
    assert board.boots == 1
    assert file.read_bytes() == content


def test_an_image_that_was_left_half_made_is_made_again(tmp_path: Path, firmware: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"")
    (tmp_path / "image.new").write_bytes(b"half")
    with SimulatedBoard(file, firmware_dir=firmware) as board, Bench.open(board.port) as car:
        car.request("write", text="works")
    assert file.stat().st_size == 512 * 4096
    assert not (tmp_path / "image.new").exists()


def test_an_image_is_for_one_board_at_a_time(board: SimulatedBoard) -> None:
    with pytest.raises(Misuse, match="in use"):
        SimulatedBoard(board.image).start()


@pytest.mark.parametrize("name", ["itself", "a link", "a hard link"])
def test_an_image_is_for_one_board_whatever_the_environment_and_its_name(
    board: SimulatedBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # another session, another user
    other = {"itself": board.image, "a link": tmp_path / "linked", "a hard link": tmp_path / "twin"}[name]
    if name == "a link":
        other.symlink_to(board.image)
    elif name == "a hard link":
        other.hardlink_to(board.image)
    with pytest.raises(Misuse, match="in use"):
        SimulatedBoard(other).start()


def test_of_two_boards_that_make_one_image_only_one_gets_it(tmp_path: Path) -> None:
    """The file is replaced when it has been made: whoever locked the old one has locked nothing."""
    claimed: list[contextlib.ExitStack] = []
    refused: list[Misuse] = []
    begin = threading.Barrier(4)

    def claim() -> None:
        begin.wait()
        try:
            claimed.append(image.claim(tmp_path / "image", find_micropython()))
        except Misuse as error:
            refused.append(error)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(claimed), len(refused)) == (1, 3)
    with pytest.raises(Misuse, match="in use"):
        image.claim(tmp_path / "image", find_micropython())
    claimed[0].close()
    image.claim(tmp_path / "image", find_micropython()).close()


def test_a_link_to_an_image_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "image")
    image.claim(tmp_path / "link", find_micropython()).close()
    assert (tmp_path / "link").is_symlink() and (tmp_path / "image").stat().st_size == 512 * 4096


def a_device(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Path.mkdir, "is a folder, not a flash image"),
        (a_device, "is a device, not a flash image"),
        (lambda path: path.symlink_to("/dev/null"), "is a device, not a flash image"),
        (lambda path: path.write_bytes(b"a letter"), "is no flash image: 8 bytes"),
        (lambda path: path.write_bytes(bytes(4096)), "is no flash image: 4096 bytes"),
        (lambda path: path.symlink_to(path), "cannot be opened"),
    ],
)
def test_what_can_be_no_image_is_refused_at_once_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], told: str
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("a board was started on it")

    monkeypatch.setattr(simulated, "Life", started)
    path = tmp_path / "image"
    make(path)
    before = path.lstat()  # when it was last read is of no interest
    with pytest.raises(LatchkeyError, match=told) as refused:
        SimulatedBoard(path).start()
    assert refused.value.hint
    after = path.lstat()
    assert (after.st_mode, after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_mode,
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_an_image_that_may_not_be_written_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(path: Path, flags: int, *mode: int) -> int:
        assert flags & os.O_RDWR
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("host_tools.sim.image.os.open", refuse)  # root may write everything
    with pytest.raises(Misuse, match="may not be read and written"):
        image.claim(tmp_path / "image", find_micropython())


def test_an_image_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "image.new").mkdir()
    with pytest.raises(LatchkeyError, match=r"cannot be made: .*EISDIR"):
        image.claim(tmp_path / "image", find_micropython())


def test_an_image_that_vanishes_ends_the_board_and_is_not_made_anew(board: SimulatedBoard) -> None:
    with Bench.open(board.port) as car:
        assert car.info()
        board.image.unlink()
        board.power_cycle()
        assert board.wait(20)
    assert "cannot be opened" in (board.failure or "")
    assert not board.image.exists()


def test_a_crash_loop_ends_with_what_the_board_said_last(tmp_path: Path) -> None:
    main = "import machine\nprint('the oil is low')\nmachine.reset()\n"
    with SimulatedBoard(tmp_path / "image", firmware_dir=make_firmware(tmp_path / "f", main)) as board:
        assert board.wait(30)
    assert board.boots == 5
    assert "the oil is low" in (board.failure or "")


def test_a_board_that_cannot_be_provisioned_says_why(tmp_path: Path) -> None:
    main = "raise ValueError('no good')\n"
    board = SimulatedBoard(
        tmp_path / "image", vin="5YJS0000000000000", firmware_dir=make_firmware(tmp_path / "f", main)
    )
    board.boot_timeout = 2.0
    with pytest.raises(BoardDied, match="no good"):
        board.start()


def test_a_hung_board_is_restarted_by_its_watchdog(board: SimulatedBoard) -> None:
    with Bench.open(board.port) as car:
        with pytest.raises(Restarted):
            car.request("hang", ms=60_000, timeout=30)
        assert car.info()["cause"] == 3
    assert "watchdog" in board.text


def test_the_heap_is_as_large_as_asked_in_a_boards_kilobytes(tmp_path: Path, firmware: Path) -> None:
    sizes = []
    for heap in ("128K", "256K"):
        with SimulatedBoard(tmp_path / heap, heap, firmware_dir=firmware) as board, Bench.open(board.port) as car:
            sizes.append(sum(car.heap().values()))
    assert sizes[0] == pytest.approx((128 + 14) * 1024 * WIDER, rel=0.05)
    assert sizes[1] == pytest.approx((256 + 14) * 1024 * WIDER, rel=0.05)


@pytest.mark.parametrize("program", ["/bin/ls", sys.executable])
def test_a_program_that_is_no_micropython_is_refused_by_name(program: str) -> None:
    with pytest.raises(Misuse, match=rf"{program} is no MicroPython"):
        ask(program)


def test_a_heap_size_is_a_number() -> None:
    beside = 19 * 1024  # what the simulation takes, and a board does not
    assert heap_option("160K", 32) == heap_option("163840", 32) == f"heapsize={163840 + beside}"
    assert heap_option("1M", 64) == f"heapsize={round(((1 << 20) + beside) * WIDER)}"
    for wrong in ("", "0K", "-1K", "lots", "1G", "160 K"):
        with pytest.raises(Misuse):
            heap_option(wrong, 64)


# The port


def test_the_port_is_a_link_while_the_board_runs(tmp_path: Path, firmware: Path) -> None:
    link = tmp_path / "port"
    link.symlink_to("/dev/pts/nobody")  # left by a run that was killed
    with SimulatedBoard(tmp_path / "image", port=link, firmware_dir=firmware) as board:
        assert link.is_symlink() and link.exists()
        with Bench.open(str(link)) as car:
            assert car.info()
        assert board.port == str(link)
    assert not link.is_symlink()


def test_a_real_file_is_never_replaced_by_the_link(tmp_path: Path, firmware: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(file)
    for port in (file, link):
        with pytest.raises(Misuse):
            SimulatedBoard(tmp_path / "image", port=port, firmware_dir=firmware).start()
    assert file.read_text() == "mine"
    assert link.readlink() == file


def test_a_second_board_does_not_take_the_name_of_one_that_runs(tmp_path: Path, firmware: Path) -> None:
    link = tmp_path / "port"
    with SimulatedBoard(tmp_path / "image", port=link, firmware_dir=firmware):
        with pytest.raises(Misuse, match="is the port of a simulated board that runs"):
            SimulatedBoard(tmp_path / "other", port=link, firmware_dir=firmware).start()
        assert not (tmp_path / "other").exists()
        with Bench.open(str(link)) as car:
            assert car.request("write", text="first") is None
    assert not link.is_symlink()


def test_a_radio_s_name_never_replaces_a_file(tmp_path: Path, firmware: Path) -> None:
    (tmp_path / "port.radio").write_text("mine")
    with pytest.raises(Misuse, match="exists and is not a link"):
        SimulatedBoard(tmp_path / "image", port=tmp_path / "port", radio="virtual", firmware_dir=firmware).start()
    assert (tmp_path / "port.radio").read_text() == "mine"


def test_a_link_into_a_terminal_is_not_replaced(tmp_path: Path, firmware: Path) -> None:
    master, slave = os.openpty()
    link = tmp_path / "port"
    link.symlink_to(os.ttyname(slave))
    with pytest.raises(Misuse, match="somebody may be using"):
        SimulatedBoard(tmp_path / "image", port=link, firmware_dir=firmware).start()
    os.close(master)
    os.close(slave)


def test_a_board_to_whom_nobody_listens_does_not_wait(board: SimulatedBoard) -> None:
    # Straight into the port, so that nobody reads the 500 KB that come back.
    port = open_port(board.port)
    request = lines.Frame("B", 0, 8, ".", b'{"id":1,"op":"say","lines":5000}')
    port.write(lines.Frame("S", 3, 7, ".", b"").encode() + request.encode())
    assert until(lambda: board.text.count("x" * 99) >= 1900)  # as many as it remembers
    port.close()
    with Bench.open(board.port) as car:
        assert car.info()
    assert board.boots == 1


def test_what_finds_the_input_buffer_full_is_lost_and_the_protocol_recovers(board: SimulatedBoard) -> None:
    port = open_port(board.port)
    hang = lines.Frame("B", 0, 8, ".", b'{"id":1,"op":"hang","ms":500}')
    assert until(lambda: "echo" in board.text)
    port.write(lines.Frame("S", 3, 7, ".", b"").encode() + hang.encode())
    time.sleep(0.1)
    port.write(b"z" * 1000)
    port.close()
    with Bench.open(board.port) as car, contextlib.closing(car.connect()) as phone:
        phone.send(b"y")
        assert phone.receive() == b"echo y"
    board.stop()
    assert 1000 - 260 <= board.input_lost < 1200


def test_mpremote_reaches_the_prompt_and_a_reset_brings_the_agent_back(board: SimulatedBoard, tmp_path: Path) -> None:
    with Bench.open(board.port) as car:
        car.request("write", text="seen")
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "module.py").write_text("value = 'from the host'")
    assert mpremote(board.port, "exec", "print(open('/data/note').read())").strip() == "seen"
    assert "from the host" in mpremote(
        board.port, "mount", str(tmp_path / "mounted"), "exec", "import module; print(module.value)"
    )
    with pytest.raises(NoAnswer, match="prompt") as caught:
        Bench.open(board.port, timeout=1.5)
    assert "reset" in caught.value.hint
    mpremote(board.port, "reset")
    with Bench.open(board.port) as car:
        assert car.info()


# The process


SCRIPT = """
import sys
from pathlib import Path
from host_tools.sim import board, life
spawned = life.subprocess.Popen
def popen(*arguments, **options):
    process = spawned(*arguments, **options)
    if str(life.START) in arguments[0]:
        Path(sys.argv[4]).write_text(f"{process.pid}\\n")
    return process
life.subprocess.Popen = popen
board.build_firmware = lambda interpreter: Path(sys.argv[3])
board.ask = lambda interpreter: (None, 64)
board.run_foreground(sys.argv[1], sys.argv[2])
"""


@contextlib.contextmanager
def foreground(tmp_path: Path, firmware: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """`latchkey sim` in a process of its own, the pid of its board's process, and its link."""
    link, told = tmp_path / "port", tmp_path / "pid"  # a file, because what it prints has the board's text in it
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "image"), str(link), str(firmware), str(told)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=interrupts.obeyed) as process:
        try:
            assert until(lambda: link.exists() and told.exists() and told.read_text().endswith("\n"))
            yield process, int(told.read_text()), link
        finally:
            process.kill()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return b"Z" not in Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_cleanly(tmp_path: Path, firmware: Path, sent: signal.Signals) -> None:
    with foreground(tmp_path, firmware) as (process, pid, link):
        process.send_signal(sent)
        assert process.wait(10) == 0
        assert not link.is_symlink()
        assert not alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the board notices at its next read")
def test_no_board_outlives_its_simulation(tmp_path: Path, firmware: Path) -> None:
    with foreground(tmp_path, firmware) as (process, pid, _):
        assert alive(pid)
        process.kill()
        process.wait(10)
        assert until(lambda: not alive(pid))


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="a system without /proc names the pty itself")
def test_the_name_of_a_board_that_was_killed_leads_to_no_terminal_and_is_free(tmp_path: Path, firmware: Path) -> None:
    with foreground(tmp_path, firmware) as (process, _, link):
        device = os.path.realpath(link)
        process.kill()
        process.wait(10)
        strangers: list[int] = []
        while device not in (names := [os.ttyname(slave) for slave in strangers[1::2]]):
            strangers += os.openpty()  # sooner or later somebody's terminal is that one
            assert len(names) < 64
        with pytest.raises(PortMissing, match="simulated board that has ended"):
            open_port(str(link))
        with SimulatedBoard(tmp_path / "image", port=link, firmware_dir=firmware), Bench.open(str(link)) as car:
            assert car.info()
        for descriptor in strangers:
            os.close(descriptor)
    assert not link.is_symlink()
