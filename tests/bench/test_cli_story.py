# SPDX-License-Identifier: Apache-2.0
"""The command line on a whole car: what a person types, and what then is so."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from typer.testing import CliRunner, Result

from host_tools import cli
from host_tools.faults import Refused
from host_tools.phone import keyfile
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.radio import frames
from host_tools.serial.bench import Bench
from host_tools.serial.bridge import Bridge
from tests import interrupts
from tests.bench.support import VIN, rest


class Board(Protocol):
    """A board with a serial port."""

    @property
    def port(self) -> str: ...


def run(*arguments: str | Path | float) -> Result:
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def ran(*arguments: str | Path | float) -> dict[str, Any]:
    """The JSON of a command that the car must do."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refused(*arguments: str | Path) -> str:
    """The name under which the car refuses a command."""
    result = run(*arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1), result.output
    said = result.stdout  # anybody can say no in the clear: the car is asked then
    assert not said or said.startswith("Its answer is no proof"), said
    return result.stderr.partition(":")[0]


def void(_: object) -> None:
    """For callbacks that return nothing."""


@dataclass
class Fresh:
    """A car as it was right after it had been provisioned."""

    port: str
    status: dict[str, Any]
    keys: list[dict[str, Any]]


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """LATCHKEY_PORT and LATCHKEY_KEY for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def fresh(board: Board, environment: pytest.MonkeyPatch) -> Fresh:
    """A car that is provisioned anew with the command line."""
    environment.setenv("LATCHKEY_PORT", board.port)
    ran("provision", "--vin", VIN, "--force", "--timeout", Bench.restart_timeout)
    return Fresh(board.port, ran("status"), ran("keys")["keys"])


@pytest.fixture(scope="module")
def paired(fresh: Fresh, environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key file of the car's owner."""
    path = tmp_path_factory.mktemp("keys") / "owner.pem"
    ran("pair", "--key", path, "--label", "Ann's phone", "--tap")
    environment.setenv("LATCHKEY_KEY", str(path))
    return path


@pytest.fixture
def port(fresh: Fresh) -> str:
    """The port of the car."""
    return fresh.port


@pytest.fixture
def owner(port: str, paired: Path) -> Iterator[Path]:
    """The key file of the owner, who need not say --key. The car is locked, closed and nobody else's afterwards."""
    yield paired
    with Bench.open(port) as car, contextlib.closing(car.connect()) as connection:
        rest(car, Phone(connection, VIN, keyfile.load(paired)))


def test_a_fresh_car_is_locked_and_knows_nobody(fresh: Fresh) -> None:
    assert (fresh.status["vin"], fresh.status["locked"], fresh.status["start_enabled"]) == (VIN, True, False)
    assert fresh.keys == []


def test_a_car_keeps_its_identity_without_force(owner: Path) -> None:
    assert refused("provision", "--vin", "5YJS0000000000000") == "ALREADY_PROVISIONED"
    assert ran("status")["vin"] == VIN


@pytest.mark.parametrize("form", ["envelope", "present-key"])
def test_a_phone_is_paired_with_a_tap_in_both_forms(owner: Path, tmp_path: Path, form: str) -> None:
    path = tmp_path / "phone.pem"
    ran("pair", "--key", path, "--role", "driver", "--label", "Käthe", "--tap", "--form", form)
    (key,) = [key for key in ran("keys")["keys"] if key["key"] == keyfile.load(path).id]
    assert (key["role"], key["label"], key["origin"]) == ("driver", "Käthe", "card tap")
    ran("unlock", "--key", path)
    assert ran("status")["locked"] is False


def test_pairing_without_a_card_ends_by_name_and_enrols_nobody(port: str, owner: Path, tmp_path: Path) -> None:
    key = keyfile.create(tmp_path / "phone.pem")
    with Bench.open(port) as car, contextlib.closing(car.connect()) as connection:
        phone = Phone(connection, VIN, key)
        with pytest.raises(Refused) as caught:
            pair(phone, on_wait=lambda: void(car.clock(31)))
        assert caught.value.name == "LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP"
        assert car.tap()["approved"] is None
        assert len(car.keys()) == 1


def test_the_owner_drives(port: str, owner: Path) -> None:
    ran("unlock")
    ran("start")
    with Bench.open(port) as car:
        assert car.pins()["start"] == 1
    assert 0 < ran("status")["start_left"] <= 120
    ran("brake", "press")
    status = ran("status")
    assert (status["start_enabled"], status["brake"], status["user_present"]) == (False, True, True)
    ran("brake", "release")
    ran("lock")
    assert ran("status")["locked"] is True


def test_closures_open_close_and_are_secured(port: str, owner: Path) -> None:
    ran("open", "trunk")
    ran("open", "charge-port")
    assert ran("status")["closures"]["rear_trunk"] == "open"
    ran("close", "charge-port")
    assert ran("status")["closures"]["charge_port"] == "closed"
    ran("secure")
    status = ran("status")
    assert status["locked"] and set(status["closures"].values()) == {"closed"}


def test_an_open_door_hinders_locking_by_name(port: str, owner: Path) -> None:
    ran("unlock")
    ran("door", "driver-door", "open")
    assert refused("lock") == "CLOSURES_OPEN"
    assert ran("status")["locked"] is False
    ran("door", "driver-door", "close")
    ran("lock")


def test_a_cold_restart_costs_one_correction_and_no_public_key_operation(port: str, owner: Path) -> None:
    ran("unlock")
    ran("reboot")
    assert ran("status")["locked"] is True
    assert ran("start")["resyncs"] == 1
    assert ran("unlock")["resyncs"] == 0
    with Bench.open(port) as car:
        assert car.stats()["p256"] == 0


def test_a_command_after_a_long_time_works(port: str, owner: Path) -> None:
    ran("unlock")
    ran("clock", "+86400")
    assert ran("lock")["resyncs"] == 1
    assert ran("status")["locked"] is True


def test_a_sleeping_car_wakes(port: str, owner: Path) -> None:
    ran("clock", "+700")
    ran("wake")
    assert ran("status")["asleep"] is False


def test_a_strangers_key_is_refused_and_changes_nothing(port: str, owner: Path, tmp_path: Path) -> None:
    keyfile.create(tmp_path / "stranger.pem")
    for command in ("unlock", "start", "wake"):
        assert refused(command, "--key", tmp_path / "stranger.pem") == "UNKNOWN_KEY_ID"
    status = ran("status")
    assert (status["locked"], status["start_enabled"]) == (True, False)


def test_the_owner_shares_the_car_and_takes_it_back(port: str, owner: Path, tmp_path: Path) -> None:
    guest = tmp_path / "guest.pem"
    ran("keys", "add", "--new", guest, "--role", "charging", "--label", "Bob")
    assert refused("unlock", "--key", guest) == "INSUFFICIENT_PRIVILEGES"
    ran("keys", "update", "--which", guest, "--role", "driver")
    ran("unlock", "--key", guest)
    listed = {key["label"]: (key["role"], key["origin"]) for key in ran("keys")["keys"]}
    assert listed == {"Ann's phone": ("owner", "card tap"), "Bob": ("driver", "owner")}
    keyfile.create(tmp_path / "third.pem")
    assert refused("keys", "add", "--key", guest, "--new", tmp_path / "third.pem") == "NO_PERMISSION_TO_ADD"
    ran("keys", "remove", "--which", keyfile.load(guest).id)
    assert refused("lock", "--key", guest) == "UNKNOWN_KEY_ID"
    assert len(ran("keys")["keys"]) == 1


def test_the_last_owner_cannot_be_removed(port: str, owner: Path) -> None:
    assert refused("keys", "remove", "--which", owner) == "NO_PERMISSION_TO_REMOVE_ONESELF"
    ran("unlock")


def test_a_key_that_is_not_there_is_refused_by_name(port: str, owner: Path) -> None:
    assert refused("keys", "remove", "--which", "31") == "PUBLIC_KEY_NOT_ON_WHITELIST"


def test_the_log_tells_who_did_what_after_a_restart_too(port: str, owner: Path) -> None:
    known = len(ran("log")["entries"])
    ran("unlock")
    ran("start")
    with Bench.open(port) as car, contextlib.closing(car.connect()) as connection:
        late = Phone(connection, VIN, keyfile.load(owner), SessionCache(), lifetime=-100.0)
        car.clock(200)
        with pytest.raises(Refused):
            late.unlock()
    who = keyfile.load(owner).id
    entries = [entry for entry in ran("log")["entries"][known:] if entry["key"] == who]
    assert [entry["did"] for entry in entries if entry["kind"] == "command"] == ["unlock", "start"]
    assert {entry["fault"] for entry in entries if entry["kind"] == "refused"} == {"TIME_EXPIRED"}
    ran("reboot")
    again = [entry for entry in ran("log")["entries"][known:] if entry["key"] == who]
    assert [entry["did"] for entry in again if entry["kind"] == "command"] == ["unlock", "start"]
    people = run("log").stdout
    assert "Ann's phone" in people and "start" in people


def test_a_port_without_a_board_exits_3(tmp_path: Path) -> None:
    result = run("status", "--port", tmp_path / "nothing")
    assert result.exit_code == 3 and result.stderr.count("\n") == 1


class TcpPhone:
    """A client library's connection to the bridge."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=5)
        self._assembler = frames.Assembler()
        self._messages: list[bytes] = []

    def send(self, message: bytes) -> None:
        self._socket.sendall(frames.encode(message))

    def receive(self, timeout: float) -> bytes | None:
        if not self._messages:
            self._socket.settimeout(timeout)
            with contextlib.suppress(TimeoutError):
                self._messages += self._assembler.feed(self._socket.recv(4096), 0.0)
        return self._messages.pop(0) if self._messages else None

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def bridge(owner: Path, port: str) -> Iterator[Bridge]:
    with Bench.open(port, share=True) as car:
        served = Bridge(car.connect, ("127.0.0.1", 0))
        thread = threading.Thread(target=served.run)
        thread.start()
        yield served
        served.close()
        thread.join(5)


def test_phones_over_tcp_and_commands_over_the_same_port_work_at_once(bridge: Bridge, owner: Path) -> None:
    with contextlib.closing(TcpPhone(bridge.address)) as one, contextlib.closing(TcpPhone(bridge.address)) as two:
        phone = Phone(one, VIN, keyfile.load(owner))
        phone.unlock()
        assert ran("status")["locked"] is False
        ran("lock")
        newcomer = Phone(two, VIN, keyfile.generate())
        assert pair(newcomer, "driver", on_wait=lambda: void(ran("tap")))
        newcomer.unlock()
        phone.lock()
        assert ran("status")["locked"] is True


def test_the_demo_tells_its_story() -> None:
    story = ran("demo")
    titles = [step["title"] for step in story["steps"]]
    assert len(titles) == 15
    assert all(step["seconds"] >= 0 for step in story["steps"])
    seen = " ".join(line for step in story["steps"] for line in step["seen"])
    for words in ("INVALID_TOKEN_OR_COUNTER", "INCORRECT_EPOCH", "UNKNOWN_KEY_ID", "0 public-key operations"):
        assert words in seen
    assert story["log"]


def test_the_demo_stops_at_the_first_step_that_did_not_do_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Phone, "start", Phone.wake)
    result = run("demo", "--json")
    assert result.exit_code == 1
    assert result.stderr.startswith("DEMO_FAILED: ")
    assert "expected the start relay to be 1, saw 0" in result.stderr
    document = json.loads(result.stdout)
    assert document["ok"] is False and document["failed"] == "The phone starts it"
    assert len(document["steps"]) == 5


class Program:
    """The command line in a process of its own, for what runs until Ctrl-C."""

    def __init__(self, *arguments: str | Path) -> None:
        code = "from host_tools.cli import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=interrupts.obeyed,
        )
        if self._process.stdout is None:
            raise OSError("no pipe")
        self._out = self._process.stdout
        self.first = self.object()

    def object(self) -> dict[str, Any]:
        """The JSON object in the next line."""
        found: dict[str, Any] = json.loads(self._out.readline() or "{}")
        return found

    def interrupt(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Ctrl-C: its exit code, and what it said after the first line."""
        self._process.send_signal(number)
        out, err = self._process.communicate(timeout=20)
        return self._process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_simulated_board_runs_until_ctrl_c_and_keeps_its_flash(tmp_path: Path, number: int) -> None:
    link, image = tmp_path / "car", tmp_path / "flash.img"
    for vin in (VIN, None):
        options = ("--vin", vin) if vin else ()
        program = Program("sim", "--image", image, "--port", link, *options)
        try:
            assert program.first == {"ok": True, "did": "sim", "port": str(link), "image": str(image), "vin": vin}
            assert ran("status", "--port", link)["vin"] == VIN
        finally:
            code, out, _ = program.interrupt(number)
        assert (code, out) == (0, "")
        assert not link.is_symlink()


def test_a_bridge_runs_until_ctrl_c_and_says_who_connects(port: str, owner: Path) -> None:
    program = Program("bridge", "--listen", "127.0.0.1:0")
    try:
        assert program.first["vin"] == VIN
        with contextlib.closing(TcpPhone((program.first["host"], program.first["port"]))) as connection:
            Phone(connection, VIN, keyfile.load(owner)).unlock()
            assert ran("status")["locked"] is False
    finally:
        code, out, err = program.interrupt()
    assert (code, out) == (0, "")
    assert "phone 1: connected from 127.0.0.1:" in err


def test_a_monitor_shows_what_the_car_does_while_others_use_the_port(port: str, owner: Path) -> None:
    program = Program("monitor")
    try:
        assert program.first == {"ok": True, "did": "monitor", "vin": VIN}
        ran("unlock")
        while (event := program.object()) and event["event"] != "command":
            pass
    finally:
        code, _, err = program.interrupt()
    assert (code, err) == (0, "")
    assert event["key"] == keyfile.load(owner).id


def test_a_board_that_cannot_run_is_one_object_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "flash.img").write_bytes(b"not a file system")
    code = "from host_tools.cli import main; main()"
    arguments = ["sim", "--json", "--image", str(tmp_path / "flash.img"), "--port", str(tmp_path / "car")]
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert json.loads(result.stdout)["error"]["name"] == "BOARD_DIED"
    assert result.stderr.splitlines()[-1].startswith("BOARD_DIED: ")
