# SPDX-License-Identifier: Apache-2.0
"""Getting a board's attention: what is on the port when it is not MicroPython, and what a person is told."""

from __future__ import annotations

import contextlib
import json
import os
import select
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from mpremote.transport_serial import SerialTransport

from host_tools.flash import attention, listen, repl
from host_tools.flash.attention import InBootloader, NoMicroPython, Sealed
from host_tools.flash.repl import BoardSilent, Repl, ScriptFailed
from host_tools.serial.lines import Frame
from host_tools.serial.port import open_port

Answer = Callable[[bytes], bytes]
RAW = b"raw REPL; CTRL-B to exit\r\n>"


@contextmanager
def device(answer: Answer) -> Iterator[str]:
    """A port whose other end says answer(what it got) to whatever comes."""
    master, slave = os.openpty()
    tty.setraw(slave)
    stop_read, stop_write = os.pipe()

    def serve() -> None:
        while stop_read not in (ready := select.select([master, stop_read], [], [])[0]):
            if ready and (said := answer(os.read(master, 4096))):
                os.write(master, said)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slave)
    finally:
        os.write(stop_write, b"x")
        thread.join()
        for descriptor in (master, slave, stop_read, stop_write):
            with contextlib.suppress(OSError):
                os.close(descriptor)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (attention, repl):
        monkeypatch.setattr(module, "PATIENCE", 0.15)
        monkeypatch.setattr(module, "SILENCE", 0.5)
        monkeypatch.setattr(module, "TURN", 0.02)
    monkeypatch.setattr(attention, "_SYNC_PATIENCE", 0.15)
    monkeypatch.setattr(attention, "_BOOT", 0.2)
    monkeypatch.setattr(attention, "_ATTEMPTS", 2)
    monkeypatch.setattr(SerialTransport.read_until, "__defaults__", (0.5, None, None))  # mpremote's own silence


class Board:
    """A raw REPL that says what it is told to."""

    def __init__(self, outcome: bytes = b"", error: bytes = b"") -> None:
        self.deaf = 0
        self.resets = 0
        self.ran: list[bytes] = []
        self.typed: list[bytes] = []
        self._reply = b"OK" + outcome + b"\x04" + error + b"\x04>"
        self._raw = False

    def __call__(self, got: bytes) -> bytes:
        if self.deaf:
            self.deaf -= 1
            return b"busy\r\n"
        said = b""
        if b"\x02" in got:
            said += b"MicroPython v1.28.0\r\n>>> "
            self._raw = False
        elif got == b"\x04" and self.typed and not self._raw:
            self.resets += 1
            said += b"\r\nMPY: soft reboot\r\n"
        elif got.endswith(b"\r"):
            self.typed.append(got)
            said += got + b"\n>>> "
        elif b"\x01" in got and not got.startswith(b"\x05"):
            said += RAW
            self._raw = True
        elif got.startswith(b"\x05A\x01"):
            said += RAW  # no raw paste here: the plain way
        elif got == b"\x04" and not self.ran:
            self.resets += 1
            said += b"OK\r\nMPY: soft reboot\r\nboot.py says hello\r\n" + RAW
        elif self._raw and got.strip(b"\r\x03"):
            self.ran.append(got)
            if got.endswith(b"\x04"):
                said += self._reply
        return said


def test_code_runs_after_a_soft_reset_that_frees_what_ran_before() -> None:
    board = Board(b"hello\r\n")
    with device(board) as port, Repl(port) as there:
        assert there.run("print('hello')").strip() == "hello"
        assert board.resets == 1
    assert b"print('hello')" in b"".join(board.ran)


def test_a_board_that_is_busy_at_first_is_asked_again() -> None:
    board = Board()
    board.deaf = 3
    with device(board) as port, Repl(port) as there:
        assert there.run("pass") == ""


def test_what_the_board_raises_is_told_with_its_number() -> None:
    board = Board(error=b'Traceback (most recent call last):\r\n  File "<stdin>"\r\nOSError: [Errno 28] ENOSPC\r\n')
    with device(board) as port, Repl(port) as there, pytest.raises(ScriptFailed, match="ENOSPC") as failed:
        there.run("f.write(b'x')")
    assert failed.value.errno == 28


def test_an_answer_that_is_no_json_is_told() -> None:
    with device(Board(b"garbage\r\n")) as port, Repl(port) as there, pytest.raises(BoardSilent, match="garbage"):
        there.ask("print(1)")


def test_a_board_that_stops_answering_is_told() -> None:
    board = Board()
    with device(board) as port, Repl(port) as there:
        board.deaf = 100
        with pytest.raises(BoardSilent, match="stopped answering"):
            there.run("pass")
        board.deaf = 0


def test_a_board_that_cannot_be_started_again_is_told_with_what_helps() -> None:
    board = Board()
    with device(board) as port, pytest.raises(BoardSilent, match="stopped answering") as told, Repl(port) as there:
        board.deaf = 100
        there.run("pass")
    assert "could not be started again" in told.value.hint and "RESET" in told.value.hint
    board.deaf = 0
    with device(board) as port, pytest.raises(KeyboardInterrupt) as interrupted, Repl(port):
        board.deaf = 100
        raise KeyboardInterrupt
    assert "could not be started again" in interrupted.value.__notes__[0]


def test_work_feeds_the_watchdog_that_would_start_a_forsaken_board(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board()
    monkeypatch.setattr(repl, "_ALONE", 0)
    with device(board) as port, Repl(port) as there:
        for _ in range(3):
            there.run("pass")
    assert b"".join(board.ran).count(b"timeout=120000).feed()") == 3
    assert any(b"timeout=604800000" in line for line in board.typed)  # and gives it time when it is over


def test_a_prompt_that_was_come_to_late_is_left_again() -> None:
    """The board took no notice until we had given up."""
    board = Board()
    board.deaf = 3 * 3 + 2  # three knocks, and the greetings of an agent and of a bootloader
    with device(board) as port, pytest.raises(NoMicroPython), Repl(port):
        pass
    assert board.typed


def test_a_production_build_is_called_one_and_how_to_flash_it_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_ATTEMPTS", 50)  # long before the last of them
    pulled: list[object] = []
    monkeypatch.setattr(Repl, "_reset_by_lines", pulled.append)

    def agent(got: bytes) -> bytes:
        return hello(version="7", boot="b", vin="5YJ3E1EA7KF000316", bench=False) if got.startswith(b"@S") else b""

    with device(agent) as port, pytest.raises(Sealed, match="5YJ3E1EA7KF000316 in a production build") as told:
        Repl(port, "boards/ESP32_GENERIC/README.md").__enter__()
    assert told.value.line().count("\n") == 0 and f"esptool --port {port} erase-flash" in told.value.hint
    assert "keys" in told.value.hint and "boards/ESP32_GENERIC/README.md" in told.value.hint
    assert pulled == []  # it is not reset either


@pytest.mark.parametrize("said", [b"[1]", b"{", b'{"bench": true}'])
def test_what_is_no_production_build_is_not_called_one(said: bytes) -> None:
    frame = Frame("s", 1, 0, ".", said).encode()
    with device(lambda got: frame) as port, pytest.raises(NoMicroPython):
        Repl(port).__enter__()


@pytest.mark.parametrize("answer", [lambda got: b"", lambda got: b"\xff\x00garbage@\r\n", lambda got: got])
def test_a_port_without_micropython_says_how_to_get_it(answer: Answer) -> None:
    with device(answer) as port, pytest.raises(NoMicroPython) as told:
        Repl(port, "boards/ESP32_GENERIC/README.md").__enter__()
    assert told.value.exit_code == 3
    assert "esptool" in told.value.hint and "boards/ESP32_GENERIC/README.md" in told.value.hint
    assert ("does not answer" in told.value.text) == (answer(b"\r\x03") == b"")


@pytest.mark.parametrize(
    "text",
    [
        b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n",
        b"ESP-ROM:esp32c3-api1-20210207\r\nrst:0x1 (POWERON),boot:0x4 (DOWNLOAD(USB/UART0/1))\r\n",
        b"boot:0x0 (USB_BOOT)\r\nwait usb download\r\n",
    ],
)
def test_a_board_that_prints_that_it_waits_for_a_download_is_in_its_bootloader(text: bytes) -> None:
    with device(lambda got: text) as port, pytest.raises(InBootloader, match="runs no program") as told:
        Repl(port).__enter__()
    assert "RESET" in told.value.hint


def test_a_silent_bootloader_is_found_by_its_greeting() -> None:
    def rom(got: bytes) -> bytes:
        return b"\xc0\x01\x08\x04\x00\x07\x07\x12\x20\x00\x00\x00\x00\xc0" if b"\x07\x07\x12\x20" in got else b""

    with device(rom) as port, pytest.raises(InBootloader):
        Repl(port).__enter__()


def test_an_empty_flash_is_not_a_bootloader_but_needs_micropython() -> None:
    said = b"ets Jul 29 2019 12:21:46\r\nrst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
    with device(lambda got: said + b"invalid header: 0xffffffff\r\n") as port, pytest.raises(NoMicroPython):
        Repl(port).__enter__()


# First words


def hello(**said: object) -> bytes:
    return Frame("s", 0, 0, ".", json.dumps(said).encode()).encode()


def hear(text: bytes) -> tuple[dict[str, object], int]:
    with device(lambda got: text) as port, open_port(port) as there:
        there.write(b"\x04")
        return listen.first_words(there, port, 0.5)


def test_the_first_words_are_found_among_what_a_board_prints() -> None:
    said, took = hear(b"OK\r\nMPY: soft reboot\r\nets @ Jul\r\n" + hello(version="1", boot="b")[:-3] + hello(boot="c"))
    assert said == {"boot": "c"}
    assert 0 <= took < 500


ROM = (
    b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
    b"configsip: 0, SPIWP:0xee\r\nmode:DIO, clock div:2\r\nI (29) boot: ESP-IDF v5.5 2nd stage bootloader\r\n"
)


def test_a_board_that_only_takes_long_is_no_agent_that_fails() -> None:
    with pytest.raises(listen.NotBack) as told:
        hear(ROM)
    assert "not come back within 0.5 s" in told.value.text
    assert not any(word in told.value.line() for word in ("SPIWP", "boot:", "clock div", "erase"))


def test_what_a_rom_prints_is_not_taken_for_the_agents_last_words() -> None:
    with pytest.raises(listen.AgentFailed, match=r"it said: MemoryError: 64$"):
        hear(b"Traceback (most recent call last):\r\nMemoryError: 64\r\n" + ROM + b">>> ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "it said: nothing"),
        (b"MPY: soft reboot\r\nlatchkey: settings refused: vin: x\r\n>>> ", "settings refused: vin: x"),
        (b"MPY: soft reboot\r\nTraceback (most recent call last):\r\nMemoryError: 64 bytes\r\n>>> ", "MemoryError: 64"),
    ],
)
def test_an_agent_without_first_words_is_told_with_its_last(text: bytes, told: str) -> None:
    with pytest.raises(listen.AgentFailed, match=told):
        hear(text)
