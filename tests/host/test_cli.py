# SPDX-License-Identifier: Apache-2.0
"""The command line against a model of the car: what it does, what it prints, and how it ends."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any, get_args

import pytest
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.cli import options
from host_tools.faults import NoAnswer
from host_tools.phone import keyfile, messages
from host_tools.phone.keyfile import Key
from host_tools.serial.port import PortMissing
from tests.host.car_model import VIN
from tests.host.command import run
from tests.host.fake_bench import CLOSURES, FakeBench

COMMANDS = [
    "sim",
    "provision",
    "pair",
    "unlock",
    "lock",
    "start",
    "wake",
    "secure",
    "open",
    "close",
    "status",
    "keys",
    "log",
    "tap",
    "brake",
    "door",
    "reboot",
    "clock",
    "bridge",
    "demo",
    "drill",
    "loan",
    "share",
    "accept",
    "shared",
    "revoke",
    "time",
]


def ran(*arguments: str | Path) -> dict[str, Any]:
    """The JSON of a command that must succeed."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    assert document["ok"] is True
    return document


@pytest.mark.parametrize("command", [*COMMANDS, "keys add", "keys remove", "keys update"])
def test_every_command_has_help_and_json(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    ("command", "done", "said"),
    [
        ("unlock", "UNLOCK", "Unlocked."),
        ("lock", "LOCK", "Locked."),
        ("start", "REMOTE_DRIVE", "Started"),
        ("wake", "WAKE_VEHICLE", "Awake."),
        ("secure", "AUTO_SECURE_VEHICLE", "Secured."),
    ],
)
def test_a_command_is_done_and_told(bench: FakeBench, owner: Key, command: str, done: str, said: str) -> None:
    assert owner.path
    result = run(command, "--key", owner.path)
    assert (result.exit_code, bench.car.done) == (0, [done])
    assert result.stdout.startswith(said) and result.stderr == ""


def test_json_is_one_object_and_nothing_else_on_stdout(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    document = ran("unlock", "--key", owner.path)
    assert document.pop("ms") >= 0
    assert document == {"ok": True, "did": "unlock", "vin": VIN, "key": owner.id, "resyncs": 0}


@pytest.mark.parametrize("closure", list(options.BENCH_CLOSURES))
@pytest.mark.parametrize(("command", "code"), [("open", 3), ("close", 4)])
def test_every_closure_opens_and_closes(bench: FakeBench, owner: Key, closure: str, command: str, code: int) -> None:
    assert owner.path
    assert ran(command, closure, "--key", owner.path)["closure"] == closure
    assert bench.car.closures == {messages.CLOSURES[closure]: code}


def test_the_tables_of_closures_and_roles_agree() -> None:
    assert list(options.BENCH_CLOSURES.values()) == CLOSURES
    assert list(options.BENCH_CLOSURES) == list(messages.CLOSURES)
    assert get_args(get_args(options.Closure)[0]) == tuple(messages.CLOSURES)
    assert get_args(get_args(options.Role)[0]) == tuple(messages.ROLES)


def test_a_refusal_is_one_line_with_the_name_and_what_to_do(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    bench.car.nominal = 2
    result = run("lock", "--key", owner.path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "CLOSURES_OPEN: a door is open; close it and try again\n"


def test_a_refusal_in_json_still_says_it_on_stderr(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    bench.car.nominal = 2
    result = run("lock", "--key", owner.path, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "ok": False,
        "error": {"name": "CLOSURES_OPEN", "text": "a door is open", "hint": "close it and try again"},
    }
    assert result.stderr.count("\n") == 1


def test_an_unknown_key_exits_1(bench: FakeBench, tmp_path: Path) -> None:
    keyfile.create(tmp_path / "stranger.pem")
    result = run("start", "--key", tmp_path / "stranger.pem")
    assert result.exit_code == 1
    assert result.stderr.startswith("UNKNOWN_KEY_ID: ") and "latchkey pair" in result.stderr


@pytest.mark.parametrize("failure", [NoAnswer(), PortMissing("PORT does not exist")])
def test_no_car_exits_3(bench: FakeBench, owner: Key, failure: Exception) -> None:
    assert owner.path
    bench.fail = failure
    result = run("unlock", "--key", owner.path)
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)


def test_a_silent_car_exits_3_and_says_that_it_may_have_run(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    bench.car.drop = 1000
    result = run("unlock", "--key", owner.path, "--timeout", "0.2")
    assert result.exit_code == 3 and result.stderr.startswith("NO_ANSWER: ")


@pytest.mark.parametrize(
    "arguments",
    [
        "unlock",
        "unlock --key missing.pem",
        "fly --key owner.pem",
        "open window --key owner.pem",
        "open --key owner.pem",
        "pair --key new.pem --role king",
        "pair --key no/such/folder/new.pem",
        "pair --key new.pem --label 1234567890123456789012345",
        "clock -5",
        "clock soon",
        "brake hard",
        "door trunk ajar",
        "keys remove --key owner.pem",
        "keys remove --key owner.pem --which 1 --all-impermanent",
        "keys update --key owner.pem --role driver",
        "keys add --key owner.pem",
        "provision",
        "provision --vin 5YJ30123456789ABC --config missing.json",
        "bridge --listen nonsense",
        "bridge --listen 0.0.0.0:4242",
        "unlock --key owner.pem --timeout 0",
        "sim --image x",
        "sim --image no/such/folder/x --port car",
        "sim --image x --port no/such/folder/car",
        "sim --image x --port car --vin SHORT",
        "provision --vin SHORT",
        "provision --vin 5yj30123456789abc",
        "provision --vin 5YJ3O123456789ABC",
    ],
)
def test_wrong_usage_exits_2_without_a_traceback(
    bench: FakeBench, owner: Key, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments.split())
    assert result.exit_code == 2, result.output
    assert result.stdout == "" and result.stderr
    assert not (tmp_path / "new.pem").exists()
    assert bench.car.done == []


def test_no_port_at_all_is_wrong_usage(bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATCHKEY_PORT")
    assert owner.path
    result = run("unlock", "--key", owner.path)
    assert result.exit_code == 2 and "LATCHKEY_PORT" in result.stderr


def test_the_environment_stands_in_for_port_and_key(
    bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATCHKEY_KEY", str(owner.path))
    assert run("unlock").exit_code == 0
    assert run("unlock", "--port", "OTHER").exit_code == 0
    assert [port for port, *_ in bench.opened] == ["PORT", "OTHER"]


def test_a_board_without_an_identity_is_refused_by_name(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    bench.hello["vin"] = None
    result = run("unlock", "--key", owner.path)
    assert result.exit_code == 1 and "latchkey provision" in result.stderr


def test_a_readable_key_is_warned_about_and_used(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    owner.path.chmod(0o644)
    result = run("unlock", "--key", owner.path)
    assert result.exit_code == 0 and "chmod 600" in result.stderr


@pytest.mark.parametrize("form", ["envelope", "present-key"])
def test_pairing_with_a_tap_makes_the_key_and_enrols_it(bench: FakeBench, tmp_path: Path, form: str) -> None:
    path = tmp_path / "phone.pem"
    document = ran("pair", "--key", path, "--role", "driver", "--label", "Ann", "--tap", "--form", form)
    assert document["created"] and document["enrolled"] and document["role"] == "driver"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = bench.car.keys[keyfile.load(path).public]
    assert (key.role, key.label) == (messages.ROLES["driver"], "Ann")
    assert run("unlock", "--key", path).exit_code == 0


def test_pairing_again_tells_what_the_car_holds_and_what_was_asked(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    document = ran("pair", "--key", owner.path, "--role", "driver", "--label", "Bo")
    assert document["enrolled"] is False and document["role"] == "owner"
    assert document["asked"] == {"role": "driver", "label": "Bo"} and "label" not in document


def test_pairing_asks_the_person_for_the_tap(bench: FakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_tools.phone.pairing._SLACK", 0.05)
    monkeypatch.setattr("host_tools.phone.pairing._POLL", 0.01)
    monkeypatch.setattr("host_tools.phone.pairing.TAP_WINDOW", 0.05)
    result = run("pair", "--key", tmp_path / "phone.pem")
    assert "Tap the card" in result.stdout
    assert result.exit_code == 1
    assert result.stderr.startswith("LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP: ")


def test_pairing_a_known_key_says_what_it_is(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    document = ran("pair", "--key", owner.path, "--role", "driver")
    assert (document["enrolled"], document["role"]) == (False, "owner")


def test_the_keychain_is_listed(bench: FakeBench, owner: Key) -> None:
    document = ran("keys")
    assert document["count"] == 1
    assert document["keys"][0] | {"role": "owner", "label": "Ann", "origin": "card tap"} == document["keys"][0]
    table = run("keys").stdout
    assert owner.id in table and "owner" in table and "Ann" in table


def test_an_owner_adds_updates_and_removes_a_key(bench: FakeBench, owner: Key, tmp_path: Path) -> None:
    assert owner.path
    path = tmp_path / "guest.pem"
    added = ran("keys", "add", "--key", owner.path, "--new", path, "--role", "guest", "--label", "Bob")
    assert added["created"] and added["key"] == keyfile.load(path).id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    guest = bench.car.keys[keyfile.load(path).public]
    assert (guest.role, guest.label) == (messages.ROLES["guest"], "Bob")
    ran("keys", "update", "--key", owner.path, "--which", path, "--role", "driver")
    assert guest.role == messages.ROLES["driver"]
    assert ran("keys", "remove", "--key", owner.path, "--which", path)["key"] == added["key"]
    assert list(bench.car.keys) == [owner.public]


@pytest.mark.parametrize("by", ["id", "slot", "ID"])
def test_a_key_can_be_named_by_id_and_slot(bench: FakeBench, owner: Key, by: str) -> None:
    assert owner.path
    guest = keyfile.generate()
    slot = bench.car.enrol(guest.public).slot
    which = {"id": guest.id, "slot": str(slot), "ID": guest.id.upper()}[by]
    ran("keys", "remove", "--key", owner.path, "--which", which)
    assert guest.public not in bench.car.keys


def test_a_key_that_is_not_there_is_refused_by_name(bench: FakeBench, owner: Key) -> None:
    assert owner.path
    result = run("keys", "remove", "--key", owner.path, "--which", "77")
    assert result.exit_code == 1 and result.stderr.startswith("KEY_NOT_FOUND: ")


def test_a_driver_may_not_manage_keys(bench: FakeBench, tmp_path: Path) -> None:
    driver = keyfile.create(tmp_path / "driver.pem")
    bench.car.enrol(driver.public, messages.ROLES["driver"])
    result = run("keys", "add", "--key", tmp_path / "driver.pem", "--new", tmp_path / "new.pem")
    assert result.exit_code == 1 and result.stderr.startswith("NO_PERMISSION_TO_ADD: ")


def test_a_key_that_the_car_refuses_leaves_no_file(bench: FakeBench, owner: Key, tmp_path: Path) -> None:
    driver = keyfile.create(tmp_path / "driver.pem")
    bench.car.enrol(driver.public, messages.ROLES["driver"])
    new = tmp_path / "new.pem"
    assert run("keys", "add", "--key", tmp_path / "driver.pem", "--new", new).exit_code == 1
    assert not new.exists()
    keyfile.create(tmp_path / "stranger.pem")
    assert run("keys", "add", "--key", tmp_path / "stranger.pem", "--new", new).exit_code == 1
    assert not new.exists()
    kept = keyfile.create(new)
    assert run("keys", "add", "--key", tmp_path / "driver.pem", "--new", new).exit_code == 1
    assert keyfile.load(new).public == kept.public, "a file that was there before stays"


@pytest.mark.parametrize("how", ["silence", "a no in the clear"])
def test_a_new_key_that_the_car_may_have_taken_is_kept(
    bench: FakeBench, owner: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def lost(reply: universal.RoutableMessage) -> None:
        if reply.signature_data.HasField("AES_GCM_Response_data"):
            reply.signature_data.Clear()
            if how == "a no in the clear":
                reply.signedMessageStatus.signed_message_fault = universal.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES

    bench.car.tamper = lost
    new = tmp_path / "new.pem"
    assert owner.path
    result = run("keys", "add", "--key", owner.path, "--new", new, "--timeout", "0.3")
    assert result.exit_code != 0 and f"stays in {new}" in result.stderr
    assert keyfile.load(new).public in bench.car.keys


def test_which_may_be_the_whole_public_key(bench: FakeBench, owner: Key) -> None:
    other = keyfile.generate()
    bench.car.enrol(other.public, messages.ROLES["guest"])
    assert owner.path
    told = ran("keys", "update", "--key", owner.path, "--which", other.public.hex().upper(), "--role", "driver")
    assert told["public"] == other.public.hex() and bench.car.keys[other.public].role == messages.ROLES["driver"]
    off = other.public[:-1] + bytes([other.public[-1] ^ 1])
    result = run("keys", "remove", "--key", owner.path, "--which", off.hex())
    assert result.exit_code == 2 and result.stderr.startswith("KEY_FILE: ")


@pytest.mark.parametrize("which", ["5", "id"])
def test_a_car_that_names_another_key_gets_nothing_signed(
    bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    meant, other = keyfile.generate(), keyfile.generate()
    bench.car.enrol(meant.public).slot = 5
    bench.car.enrol(other.public).slot = 6

    def wrong(request: vcsec.InformationRequest) -> vcsec.FromVCSECMessage:
        told = vcsec.FromVCSECMessage()
        told.whitelistEntryInfo.publicKey.PublicKeyRaw = other.public
        told.whitelistEntryInfo.slot = 6
        return told

    monkeypatch.setattr(bench.car, "_information", wrong)
    assert owner.path
    result = run("keys", "remove", "--key", owner.path, "--which", meant.id if which == "id" else which)
    assert result.exit_code == 1 and result.stderr.startswith("WRONG_ENTRY: ")
    assert len(bench.car.keys) == 3


def test_an_id_is_looked_for_among_all_keys_of_a_car_that_lists_only_some(bench: FakeBench, owner: Key) -> None:
    for _ in range(40):
        bench.car.enrol(keyfile.generate().public, messages.ROLES["guest"])
    last = list(bench.car.keys.values())[-1]
    name = keyfile.key_id(last.public)
    assert owner.path
    assert ran("keys", "remove", "--key", owner.path, "--which", name)["public"] == last.public.hex()


def test_the_port_may_stand_before_the_subcommand(
    bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LATCHKEY_PORT")
    assert owner.path
    bench.car.enrol(keyfile.generate().public)
    assert run("keys", "--port", "HERE", "remove", "--key", owner.path, "--which", "1").exit_code == 0
    assert bench.opened[-1][0] == "HERE"


def test_status_is_told_and_counted(bench: FakeBench, owner: Key) -> None:
    bench.opens = {"rear_trunk": True}
    document = ran("status")
    assert document["locked"] is True and document["vin"] == VIN and document["closures"]["rear_trunk"] == "open"
    table = run("status").stdout
    assert VIN in table and "locked" in table and "trunk" in table


def test_a_board_without_an_identity_has_a_status(bench: FakeBench) -> None:
    bench.hello["vin"] = None
    assert ran("status")["provisioned"] is False
    assert "latchkey provision" in run("status").stdout


def test_the_hand_taps_brakes_opens_and_lets_time_pass(bench: FakeBench) -> None:
    assert ran("tap")["approved"] is None
    ran("brake", "press")
    ran("brake", "release")
    ran("door", "driver-door", "open")
    assert ran("clock", "+90")["now"] >= 90
    assert ("brake", True) in bench.calls and ("brake", False) in bench.calls
    assert bench.opens == {"front_driver_door": True}
    assert ran("reboot") | {"before": "b00700", "boot": "b00701"} == ran("reboot") | {"before": "b00700"}


def test_provisioning_gives_identity_and_settings(bench: FakeBench, tmp_path: Path) -> None:
    bench.hello["vin"] = None
    (tmp_path / "a.toml").write_text('radio = false\nvin = "5YJS0000000000000"\n')
    document = ran("provision", "--vin", "5YJS0000000000000", "--config", tmp_path / "a.toml")
    assert document["public_key"] == bench.car.public.hex()
    assert bench.calls[0] == ("provision", "5YJS0000000000000", {"radio": False}, False)


def test_provisioning_never_overwrites_without_force(bench: FakeBench) -> None:
    result = run("provision", "--vin", "5YJS0000000000000")
    assert result.exit_code == 1 and "--force" in result.stderr
    assert all(call[0] != "provision" for call in bench.calls)
    ran("provision", "--vin", "5YJS0000000000000", "--force")
    assert bench.hello["vin"] == "5YJS0000000000000"


@pytest.mark.parametrize("content", ["{", "[1]", '{"vin": "5YJ30123456789ABC"}', "\udcff"])
def test_settings_that_cannot_be_meant_are_wrong_usage(bench: FakeBench, tmp_path: Path, content: str) -> None:
    bench.hello["vin"] = None
    (tmp_path / "a.json").write_bytes(content.encode(errors="surrogateescape"))
    result = run("provision", "--vin", "5YJS0000000000000", "--config", tmp_path / "a.json")
    assert result.exit_code == 2 and result.stderr.count("\n") == 1


def test_what_the_car_says_of_bad_settings_reaches_the_person(bench: FakeBench, tmp_path: Path) -> None:
    bench.hello["vin"] = None
    (tmp_path / "a.json").write_text('{"radoi": false}')
    result = run("provision", "--vin", VIN, "--config", tmp_path / "a.json")
    assert result.exit_code == 1 and "radoi: unknown setting" in result.stderr


def test_ctrl_c_ends_a_command_quietly(bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "tap", interrupted)
    result = run("tap")
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "")


def test_a_look_goes_through_the_bench_unless_a_key_is_given(
    bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert owner.path is not None
    monkeypatch.setenv("LATCHKEY_KEY", str(owner.path))
    for command in ("status", "keys", "log"):
        assert run(command).exit_code == 0
    assert bench.connections == [], "no phone has asked"
    for command in ("status", "keys", "log"):
        asked = run(command, "--key", owner.path, "--json")
        assert json.loads(asked.stdout)["error"]["name"] == "INVALID_DOMAINS", "a car that has no view"
    assert len(bench.connections) == 3


@pytest.mark.parametrize("command", ["status", "keys", "log"])
def test_over_the_air_a_look_wants_a_key(bench: FakeBench, command: str) -> None:
    asked = run(command, "--ble", "--json")
    assert asked.exit_code == 2 and "--key" in json.loads(asked.stdout)["error"]["hint"]
    assert bench.opened == []


def test_a_look_at_another_car_than_the_one_that_is_meant_is_refused(bench: FakeBench) -> None:
    asked = run("log", "--vin", "5YJS0000000000000", "--json")
    assert asked.exit_code == 2 and json.loads(asked.stdout)["error"]["name"] == "USAGE"


def test_a_port_given_to_keys_is_that_of_its_commands(
    bench: FakeBench, owner: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LATCHKEY_PORT")
    assert run("keys", "--port", "THERE").exit_code == 0
    assert owner.path is not None
    assert run("keys", "--port", "HERE", "remove", "--key", owner.path, "--which", "0").exit_code in (0, 1)
    assert [port for port, *_ in bench.opened] == ["THERE", "HERE"]
