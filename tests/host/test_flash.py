# SPDX-License-Identifier: Apache-2.0
"""Firmware onto a board: only what changed, whole or not at all, and a plain word for whatever stands in the way.

The board is MicroPython itself with a littlefs as its root, behind a pty; its firmware is a small one whose main.py
says hello.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from host_tools.build.boards import Board
from host_tools.faults import LatchkeyError, Misuse, Refused
from host_tools.flash import chip, erase, files, listen, repl
from host_tools.flash.install import Installed, Job, install
from host_tools.flash.repl import Repl
from host_tools.serial.lines import Frame
from host_tools.serial.port import PortBusy, PortGone
from host_tools.sim.board import SimulatedBoard
from tests.host.bare_board import bare_board, files_on, kind
from tests.shares import share

VIN = "5YJ3E1EA7KF000316"
HELLO = Frame("s", 0, 0, ".", json.dumps({"version": "7", "boot": "b", "vin": None}).encode()).encode().decode()
SOURCES = {
    "boot.py": "pass\n",
    "main.py": "import board\nfrom latchkey import agent\n\nagent.main()\n",
    "latchkey/agent.py": f"import time\n\ndef main():\n    print({HELLO!r}, end='')\n    while True: time.sleep(1)\n",
    "latchkey/bench/operations.py": "def tap():\n    pass\n",
    "latchkey/config.py": "class ConfigError(Exception):\n    pass\n\n\ndef parse(text, pins):\n"
    "    if 'colour' in text: raise ConfigError('colour: unknown setting')\n",
    "latchkey/link/radio.py": "DATA = %r\n" % ("0123456789abcdef" * 300),
}
ON_BOARD = {
    "/boot.py",
    "/main.py",
    "/board.mpy",
    *("/" + name.replace(".py", ".mpy") for name in SOURCES if name.startswith("latchkey/")),
}

BoardMaker = Callable[..., AbstractContextManager[SimulatedBoard]]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "flash.img"


@pytest.fixture
def powered(monkeypatch: pytest.MonkeyPatch, image: Path) -> BoardMaker:
    """The board on that image, while a context lasts."""
    return partial(bare_board, monkeypatch, image)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    sources = tmp_path / "sources"
    for name, text in SOURCES.items():
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / name).write_text(text)
    return Job(kind(tmp_path), radio=False, sources=sources, build=tmp_path / "build")


def source(job: Job, name: str) -> Path:
    assert job.sources is not None
    return job.sources / name


def change(job: Job, name: str = "latchkey/link/radio.py") -> None:
    source(job, name).write_text("DATA = 'other'\n" if name.endswith("radio.py") else SOURCES[name] + "\nX = 1\n")


def latest(job: Job, image: Path) -> bool:
    """Whether the board has exactly what the job wants there."""
    found = {path: data for path, data in files_on(image).items() if not path.startswith(("/data/", "/lib/"))}
    return found == job.compile()


# What is copied


def test_a_new_board_gets_everything_and_its_agent_s_first_words_are_heard(
    powered: BoardMaker, job: Job, image: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    with powered() as board:
        done = install(board.port, job, lambda *what: told.append(what))
    assert set(done.copied) == ON_BOARD and done.removed == [] and done.unchanged == 0
    assert done.copied[-1] == "/main.py"
    assert done.hello["version"] == "7"
    assert done.micropython == "1.28.0"
    assert latest(job, image)
    total = sum(map(len, job.compile().values()))
    moved = [(count, of) for _, count, of in told if of]
    assert moved[-1] == (total, total) and moved == sorted(moved)


def test_nothing_changed_copies_nothing_and_starts_the_agent_all_the_same(powered: BoardMaker, job: Job) -> None:
    with powered() as board:
        install(board.port, job)
        done = install(board.port, job)
    assert done.copied == done.removed == []
    assert done.unchanged == len(ON_BOARD)
    assert done.hello["boot"]


def test_only_what_changed_is_copied_and_what_has_no_source_any_more_goes(
    powered: BoardMaker, job: Job, image: Path
) -> None:
    with powered() as board:
        install(board.port, job)
        change(job)
        source(job, "latchkey/bench/operations.py").unlink()
        done = install(board.port, job)
    assert done.copied == ["/latchkey/link/radio.mpy", "/main.py"]
    assert done.removed == ["/latchkey/bench/operations.mpy"]
    assert latest(job, image)


def test_what_could_shadow_a_module_is_removed(powered: BoardMaker, job: Job, image: Path) -> None:
    with powered() as board:
        install(board.port, job)
        with Repl(board.port) as there:
            there.run("import os\nos.mkdir('/latchkey/agent')\nopen('/latchkey/agent/old.py', 'w').close()")
            there.run("open('/latchkey/config.py', 'w').close()\nopen('/board.py', 'w').close()")
        done = install(board.port, job)
    assert sorted(done.removed) == ["/board.py", "/latchkey/agent/old.py", "/latchkey/config.py"]
    assert done.copied == ["/main.py"]
    assert done.hello["version"] == "7"  # agent/ is no folder any more, which would hide agent.mpy
    assert latest(job, image)


def test_keys_settings_and_log_stay_as_they_are(powered: BoardMaker, job: Job, image: Path) -> None:
    with powered() as board:
        with Repl(board.port) as there:
            settings = json.dumps({"vin": VIN})
            there.run("import os\nos.mkdir('/data')\nos.mkdir('/data/keys')")
            there.run(f"f = open('/data/config.json', 'w')\nf.write({settings!r})\nf.close()")
            there.run("f = open('/data/keys/0', 'wb')\nf.write(b'secret' * 99)\nf.close()")
        before = {path: data for path, data in files_on(image).items() if path.startswith("/data")}
        install(board.port, job)
        change(job)
        install(board.port, replace(job, vin=VIN))  # the car that it is: nothing to be done
    assert len(before) == 2
    assert before.items() <= files_on(image).items()


def test_a_production_build_leaves_no_bench_behind(powered: BoardMaker, job: Job, image: Path) -> None:
    with powered() as board:
        install(board.port, job)
        with pytest.raises(Misuse, match="cannot be provisioned later"):
            install(board.port, replace(job, production=True))
        done = install(board.port, replace(job, production=True, vin=VIN))
    assert done.removed == ["/latchkey/bench/operations.mpy"] and not done.needs_provisioning
    found = files_on(image)
    assert not any("bench" in path for path in found)
    assert json.loads(found["/data/config.json"]) == {"vin": VIN}


def test_another_car_s_vin_is_refused_before_anything_changes(powered: BoardMaker, job: Job, image: Path) -> None:
    with powered() as board:
        install(board.port, replace(job, production=True, vin=VIN))
        before = files_on(image)
        change(job)
        with pytest.raises(Refused, match=f"is car {VIN}") as refused:
            install(board.port, replace(job, vin="5YJ3E1EA7KF000999"))
    assert refused.value.name == "ALREADY_PROVISIONED"
    assert files_on(image) == before


def test_settings_are_checked_by_the_board_before_it_gets_them(powered: BoardMaker, job: Job, image: Path) -> None:
    with powered() as board, pytest.raises(Misuse, match="colour: unknown setting"):
        install(board.port, replace(job, production=True, vin=VIN, settings={"colour": "red"}))
    assert "/data/config.json" not in files_on(image)


# What goes wrong on the way


def test_a_power_cut_anywhere_leaves_the_old_version_or_no_agent_and_the_next_run_repairs_it(
    powered: BoardMaker,
    job: Job,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    cuts = 0
    for operation in share(range(1, 100), 13):
        with powered() as board:
            install(board.port, job)
        before = files_on(image)
        source(job, "latchkey/link/radio.py").write_text(f"DATA = '{os.urandom(3000).hex()}'\n")
        source(job, "latchkey/config.py").write_text(SOURCES["latchkey/config.py"] + f"X = {operation}\n")
        with powered(BARE_CUT=str(operation)) as board, monkeypatch.context() as patch:
            patch.setattr(repl, "SILENCE", 0.3)  # nothing comes any more
            try:
                install(board.port, job)
            except LatchkeyError as error:
                assert error.exit_code == 3
            else:
                break  # the cut would come after the end
        cuts += 1
        found = files_on(image)
        assert "/main.py" not in found or found == before or latest(job, image)
    record_property("note", f"{cuts} power cuts while files are copied")
    assert cuts >= 4


def test_a_board_without_main_py_says_nothing_after_an_interrupted_copy(
    powered: BoardMaker, job: Job, image: Path
) -> None:
    def pull(what: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with powered() as board:
        install(board.port, job)
        change(job)
        with pytest.raises(KeyboardInterrupt):
            install(board.port, replace(job), pull)
        with Repl(board.port) as there:  # Ctrl-C gets the prompt, whatever was under way
            assert there.run("print(6 * 7)").strip() == "42"
    assert "/main.py" not in files_on(image)


def test_a_port_that_vanishes_in_the_middle_is_told_and_repaired(powered: BoardMaker, job: Job, image: Path) -> None:
    with powered() as board, pytest.raises(PortGone, match="has gone"):
        install(board.port, job, lambda what, done, total: board.stop() if done else None)
    assert "/main.py" not in files_on(image)
    with powered() as board:
        install(board.port, job)
    assert latest(job, image)


def corrupting(monkeypatch: pytest.MonkeyPatch, chunks: int) -> list[bytes]:
    """The wire damages so many pieces of files."""
    damaged: list[bytes] = []
    real = base64.b64encode

    def encode(data: bytes) -> bytes:
        if len(damaged) < chunks:
            damaged.append(data)
            data = bytes([data[0] ^ 1]) + data[1:]
        return real(data)

    monkeypatch.setattr(base64, "b64encode", encode)
    return damaged


def test_a_damaged_copy_is_caught_by_its_hash_and_made_again(
    powered: BoardMaker, job: Job, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = corrupting(monkeypatch, 2)
    with powered() as board:
        install(board.port, job)
    assert len(damaged) == 2
    assert latest(job, image)


def test_a_copy_that_never_arrives_whole_is_given_up_with_the_old_file_in_place(
    powered: BoardMaker, job: Job, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with powered() as board:
        install(board.port, job)
        before = files_on(image)
        change(job)
        corrupting(monkeypatch, 1000)
        with pytest.raises(files.CopyDamaged, match=r"radio\.mpy arrives damaged, 3 times"):
            install(board.port, job)
    found = files_on(image)
    assert found["/latchkey/link/radio.mpy"] == before["/latchkey/link/radio.mpy"]
    assert "/main.py" not in found


def test_flash_that_changes_after_it_was_written_is_caught_at_the_end(
    powered: BoardMaker, job: Job, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    real = files.Files.look

    def look(self: files.Files, folder: str, single: list[str]) -> dict[str, files.Found]:
        looks.append(real(self, folder, single))
        if len(looks) == 2:
            looks[1]["/board.mpy"] = files.Found(hashlib.sha256(b"rot").hexdigest(), 3)
        return looks[-1]

    monkeypatch.setattr(files.Files, "look", look)
    with powered() as board, pytest.raises(files.CopyDamaged, match=r"/board\.mpy is damaged in the board's flash"):
        install(board.port, job)
    assert "/main.py" not in files_on(image)


@pytest.fixture
def small(image: Path) -> None:
    """The board's flash is small, so that it is soon full."""
    image.write_bytes(b"\xff" * 4096 * 48)


def fill(board: SimulatedBoard, leave: int) -> None:
    with Repl(board.port) as there:
        there.run("import os\nf = open('/photos', 'wb')\nb = bytes(4096)")
        there.run(f"s = os.statvfs('/')\nfor _ in range(s[4] - {leave}): f.write(b)\nf.close()")


def test_a_full_file_system_is_seen_before_anything_changes(
    powered: BoardMaker, job: Job, image: Path, small: None
) -> None:
    with powered() as board:
        install(board.port, job)
        fill(board, 6)
        before = files_on(image)
        for name in SOURCES:
            change(job, name)
        source(job, "latchkey/link/radio.py").write_text(f"DATA = '{os.urandom(20_000).hex()}'\n")
        with pytest.raises(files.NoRoom, match=r"needs \d+ KB more on the board, and \d+ KB are free") as full:
            install(board.port, job)
    assert "mpremote rm" in full.value.hint
    assert files_on(image) == before


def test_a_file_system_that_fills_up_in_the_middle_is_told(
    powered: BoardMaker, job: Job, image: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(install.__globals__, "check_room", lambda new, gone, free: None)
    with powered() as board:
        fill(board, 6)
        with pytest.raises(files.NoRoom, match="there is no room for /"):
            install(board.port, job)
    found = files_on(image)
    assert "/main.py" not in found and not any(path.endswith(".new") for path in found)


# The wrong board


@pytest.mark.parametrize(
    ("environment", "refusal", "text"),
    [
        ({"BARE_MACHINE": "Generic ESP32S3 module with ESP32-S3"}, chip.WrongChip, "and BARE has an ESP32"),
        ({"BARE_MACHINE": "Raspberry Pi Pico W with RP2040"}, chip.WrongChip, "this is a Raspberry Pi Pico W"),
        ({"BARE_VERSION": "1.25.0"}, chip.OldMicroPython, r"has MicroPython 1\.25\.0; the firmware needs 1\.26"),
    ],
)
def test_a_wrong_board_is_refused_untouched(
    powered: BoardMaker, job: Job, image: Path, environment: dict[str, str], refusal: type[LatchkeyError], text: str
) -> None:
    with powered(**environment) as board:
        with Repl(board.port) as there:
            before = there.run("import os\nprint(os.listdir('/'))")
        with pytest.raises(refusal, match=text) as refused:
            install(board.port, job)
        with Repl(board.port) as there:
            assert there.run("import os\nprint(os.listdir('/'))") == before
    assert refused.value.hint


def a_chip(machine: str = "Generic ESP32 module with ESP32", mpy: int = 10 << 10 | 3 << 8 | 6) -> chip.Chip:
    return chip.Chip((1, 28, 0), machine, mpy)


@pytest.mark.parametrize(
    ("name", "march", "machine", "mpy"),
    [
        ("ESP32", "xtensawin", "Generic ESP32 module with ESP32", 10 << 10 | 3 << 8 | 6),
        ("ESP32S3", "xtensawin", "Generic ESP32S3 module with ESP32S3", 10 << 10 | 3 << 8 | 6),
        ("ESP32S3", "xtensawin", "Generic ESP32S3 module with Octal-SPIRAM with ESP32-S3", 10 << 10 | 3 << 8 | 6),
        ("ESP32C6", "rv32imc", "ESP32C6 module with ESP32-C6", 11 << 10 | 3 << 8 | 6),
    ],
)
def test_chips_are_known_by_either_spelling(name: str, march: str, machine: str, mpy: int) -> None:
    chip.check(a_chip(machine, mpy), Board("B", name, march, "uart", 240, Path()))


@pytest.mark.parametrize("mpy", [0, 11 << 10 | 3 << 8 | 6, 10 << 10 | 7])
def test_a_micropython_that_would_not_load_our_code_is_refused(mpy: int) -> None:
    with pytest.raises(chip.WrongChip, match="and B needs version 6 for xtensawin"):
        chip.check(a_chip(mpy=mpy), Board("B", "ESP32", "xtensawin", "uart", 240, Path()))


def test_a_port_in_use_is_told(powered: BoardMaker, job: Job) -> None:
    with powered() as board, Repl(board.port), pytest.raises(PortBusy):
        install(board.port, job)


def test_an_agent_that_does_not_start_is_told_with_what_it_said(
    powered: BoardMaker, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(job, "main.py").write_text("print('latchkey: settings refused: colour: unknown setting')\n")
    with powered() as board, pytest.raises(listen.AgentFailed, match="settings refused: colour: unknown setting"):
        install(board.port, job)


# The radio


@contextmanager
def index(folder: Path) -> Iterator[str]:
    """A package index with two packages that together are aioble."""
    parts = {
        "aioble-peripheral": {
            "aioble/__init__.py": b"try:\n    from .peripheral import *\nexcept ImportError:\n    pass\n"
            b"try:\n    from .server import *\nexcept ImportError:\n    pass\n",
            "aioble/peripheral.py": b"import bluetooth\ndef advertise(): pass\n",
        },
        "aioble-server": {"aioble/server.py": b"class Service: pass\nclass BufferedCharacteristic: pass\n"},
    }
    for package, contents in parts.items():
        hashes = []
        for path, data in contents.items():
            name = hashlib.sha256(data).hexdigest()[:8]
            hashes.append([path, name])
            place = folder / "file" / name[:2] / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        place = folder / "package" / "6" / package / "latest.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps({"v": 1, "hashes": hashes, "version": "1"}))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def with_radio(powered: BoardMaker, job: Job, index: str) -> Installed:
    with powered(BARE_BLUETOOTH="1") as board:
        return install(board.port, replace(job, radio=True, index=index))


def test_aioble_is_installed_when_it_is_missing_and_only_then(
    powered: BoardMaker, job: Job, image: Path, tmp_path: Path
) -> None:
    with index(tmp_path / "index") as url:
        assert with_radio(powered, job, url).aioble == "installed"
    assert {"/lib/aioble/__init__.py", "/lib/aioble/peripheral.py", "/lib/aioble/server.py"} <= files_on(image).keys()
    done = with_radio(powered, job, "http://127.0.0.1:9")  # nobody is asked
    assert (done.aioble, done.radio_trouble) == ("present", "")


def test_without_a_network_the_agent_starts_all_the_same_and_the_reason_is_told(powered: BoardMaker, job: Job) -> None:
    done = with_radio(powered, job, "http://127.0.0.1:9")
    assert done.aioble == "missing" and "refused" in done.radio_trouble
    assert done.hello["version"] == "7"


def test_half_an_aioble_is_repaired(powered: BoardMaker, job: Job, tmp_path: Path, image: Path) -> None:
    with index(tmp_path / "index") as url:
        with_radio(powered, job, url)
        with powered() as board, Repl(board.port) as there:
            there.run("f = open('/lib/aioble/server.py', 'w')\nf.write('class Serv')\nf.close()")
        assert with_radio(powered, job, url).aioble == "installed"


def test_settings_without_a_radio_install_nothing_for_it(powered: BoardMaker, job: Job) -> None:
    with powered(BARE_BLUETOOTH="1") as board:
        done = install(
            board.port, replace(job, radio=True, vin=VIN, settings={"radio": False}, index="http://127.0.0.1:9")
        )
    assert done.aioble == "skipped"


# Back to factory


def test_erasing_leaves_no_key_in_the_flash_and_a_board_that_can_be_flashed_again(
    powered: BoardMaker, job: Job, image: Path
) -> None:
    secret = b"the car's private key, thirty-two"
    with powered() as board:
        install(board.port, job)
        with Repl(board.port) as there:
            there.run(f"import os\nos.mkdir('/data')\nf = open('/data/identity', 'wb')\nf.write({secret!r})\nf.close()")
        assert secret in image.read_bytes()
        steps: list[tuple[int, int]] = []
        with Repl(board.port) as there:
            assert set(erase.contents(there)) == {"boot.py", "main.py", "board.mpy", "latchkey", "data"}
            assert erase.erase(there, lambda done, total: steps.append((done, total))) == 512
        assert steps[-1] == (512, 512)
        with Repl(board.port) as there:
            assert erase.contents(there) == ["boot.py"]  # MicroPython's own
        assert secret not in image.read_bytes()
        assert install(board.port, job).hello["version"] == "7"


def test_an_interrupted_erase_forgets_everything_and_can_be_done_again(
    powered: BoardMaker, job: Job, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with powered() as board:
        install(board.port, job)
        monkeypatch.setattr(repl, "SILENCE", 0.8)
        with Repl(board.port) as there, pytest.raises(KeyboardInterrupt):
            erase.erase(there, stop)
        with Repl(board.port) as there:  # a soft reset: MicroPython finds no file system, and makes one
            assert erase.contents(there) == ["boot.py"]
            erase.erase(there)
