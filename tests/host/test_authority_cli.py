# SPDX-License-Identifier: Apache-2.0
"""`latchkey authority`: a desk from nothing to files that cars read, in an object store too; each no is one line."""

from __future__ import annotations

import json
import stat
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host_tools.authority.parcels import Roster, Seal
from host_tools.authority.serve import server
from host_tools.phone import keyfile, parcelfile
from tests.host.command import run
from tests.host.parcel_reader import read

VIN, OTHER = "5YJS0000000000000", "5YJS0000000000001"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("LATCHKEY_AUTHORITY", "LATCHKEY_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def phone(here: Path) -> str:
    keyfile.create(here / "phone.pem")
    return "phone.pem"


def authority(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = run("authority", *arguments, "--json")
    assert result.exit_code == code, result.output
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def a_car() -> dict[str, Any]:
    """What stands in the car file of VIN."""
    found: dict[str, Any] = json.loads(Path(f"authority/cars/{VIN}.json").read_text())
    return found


def roster(public: str = "authority/public") -> Roster:
    """What the car of VIN reads."""
    seal = Seal(bytes.fromhex(a_car()["seal"]))
    file = Path(public) / parcelfile.name_of(seal.address)
    return read(file.read_bytes(), seal, bytes.fromhex(a_car()["root"]), VIN)


def test_a_desk_from_nothing(phone: str) -> None:
    assert authority("init", "--url", "https://keys.example/cars/")["made"]
    assert authority("car", "add", VIN, OTHER, "--role", "owner")["count"] == 2
    assert a_car()["url"] == "https://keys.example/cars"
    assert a_car()["role"] == "owner"
    authority("key", "add", phone, "--all", "--label", "Ann", "--may", "unlock", "--may", "read")
    assert authority("status")["would_write"] == {"new": 2}
    assert authority("publish")["written"] == 2
    [entry] = roster().entries
    assert (entry.public, entry.role, entry.permissions, entry.label) == (
        keyfile.load(Path(phone)).public,
        3,
        3,
        b"Ann",
    )
    told = authority("status")
    assert told["would_write"] == {}
    assert [car["version"] for car in told["shown"]] == [1, 1]
    authority("key", "revoke", keyfile.load(Path(phone)).id)
    assert authority("publish")["why"] == {"changed": 2}
    assert roster().entries == []


def test_the_root_key_may_be_anywhere_else(phone: str) -> None:
    authority("init", "--root", "root.pem")
    authority("car", "add", VIN)
    authority("key", "add", phone, "--car", VIN)
    assert not list(Path("authority").glob("root*"))
    assert authority("rotate", "signer", code=2)["error"]["name"] == "WRONG_KEY"
    assert authority("rotate", "signer", "--root", "root.pem")["generation"] == 2
    assert authority("rotate", "root", "--root", "root.pem", "--new-root", "next.pem")["generation"] == 4
    assert authority("rotate", "signer", "--root", "root.pem", code=2)["error"]["name"] == "WRONG_KEY"
    authority("publish")
    assert roster().generation == 4


def test_a_new_store_gets_all_of_it_and_is_the_one_from_then_on(phone: str) -> None:
    authority("init")
    authority("car", "add", VIN, OTHER)
    authority("publish")
    assert authority("publish", "--store", "elsewhere")["why"] == {"unfinished": 2}
    authority("key", "add", phone, "--car", VIN)
    assert authority("publish")["written"] == 1
    assert (roster("elsewhere").version, roster().version) == (2, 1)


def test_a_car_is_removed_and_told_so(phone: str) -> None:
    authority("init")
    authority("car", "add", VIN, OTHER)
    authority("key", "add", phone, "--all")
    assert authority("car", "remove", OTHER)["to_be_told"] == 0
    assert authority("status")["cars"] == 1
    authority("publish")
    assert authority("car", "remove", VIN, VIN)["to_be_told"] == 1
    assert authority("status")["would_write"] == {"changed": 1}
    assert (authority("publish")["written"], roster().entries) == (1, [])
    told = authority("status")
    assert told["would_remove"] == 0 and told["shown"][0]["leaves"]
    assert "removed" in run("authority", "status").output

    month = time.time() + 30 * 86400
    with pytest.MonkeyPatch.context() as later:
        later.setattr(time, "time", lambda: month)
        assert authority("status")["would_remove"] == 1
        assert "and remove 1." in run("authority", "status").output
        said = authority("publish")
        assert (said["written"], said["removed"]) == (0, 1)
        assert authority("status")["cars"] == 0
    assert not [path for path in Path("authority/public").rglob("*") if path.is_file()]


def test_what_is_secret_is_its_owners_alone(phone: str) -> None:
    authority("init")
    authority("car", "add", VIN)
    authority("key", "add", phone, "--all")
    authority("publish")
    for path in [it for it in Path("authority").rglob("*") if it.is_file() and "public" not in it.parts]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    seal = a_car()["seal"]
    assert seal not in run("authority", "status").output + run("authority", "car", "add", VIN).output
    assert seal not in str(authority("status"))


def test_setting_up_twice_changes_nothing() -> None:
    authority("init")
    authority("car", "add", VIN)
    before = {path: path.read_bytes() for path in Path("authority").rglob("*.pem")}
    assert not authority("init")["made"]
    assert {path: path.read_bytes() for path in Path("authority").rglob("*.pem")} == before
    assert authority("status")["cars"] == 1


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (["car", "add", "NOVIN"], "USAGE"),
        (["key", "add", "phone.pem"], "USAGE"),
        (["key", "add", "phone.pem", "--all", "--car", VIN], "USAGE"),
        (["key", "add", "phone.pem", "--car", VIN], "USAGE"),
        (["key", "add", "nosuch.pem", "--all"], "KEY_FILE"),
        (["key", "add", "01234567", "--all"], "USAGE"),
        (["key", "add", "phone.pem", "--all", "--label", "x" * 25], "USAGE"),
        (["key", "add", "phone.pem", "--all", "--label", "a\u202eb"], "USAGE"),
        (["key", "add", "phone.pem", "--all", "--may", "fly"], "USAGE"),
        (["key", "revoke", "phone.pem"], "USAGE"),
        (["car", "remove", VIN], "USAGE"),
        (["car", "remove", VIN, "--at", "elsewhere"], "DATABASE"),
        (["car", "remove", VIN, "--database", "nosuch://x/y"], "DATABASE"),
        (["publish", "--store", "nosuch://x/y"], "STORE"),
        (["publish", "--store", "phone.pem"], "STORE"),
        (["publish", "--database", "sqlite:///nosuch.db"], "DATABASE"),
        (["publish", "--at", "elsewhere"], "DATABASE"),
        (["init", "--url", "keys.example"], "USAGE"),
        (["init", "--url", "https://" + "x" * 151], "USAGE"),
    ],
)
def test_wrong_usage_is_one_line_and_changes_nothing(phone: str, given: list[str], name: str) -> None:
    authority("init")
    before = Path("authority/authority.db").read_bytes()
    assert authority(*given, code=2)["error"]["name"] == name
    result = run("authority", *given)
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert Path("authority/authority.db").read_bytes() == before


def test_a_folder_that_takes_nothing_is_told_and_completed_later(phone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    authority("init")
    authority("car", "add", VIN, OTHER)
    with monkeypatch.context() as patched:
        patched.setattr(
            Path, "replace", lambda self, to: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
        )
        said = authority("publish", code=1)
    assert said["error"]["name"] == "NOT_ALL_STORED"
    assert "Permission denied" in said["error"]["text"]
    assert (said["written"], said["refused"]) == (0, 2)
    assert not [it for it in Path("authority/public").rglob("*") if it.is_file()]
    assert authority("publish")["written"] == 2


@pytest.fixture(scope="module")
def s3() -> Iterator[int]:
    """The port of an S3 server."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running.get_host_and_port()[1]
    running.stop()


def test_files_go_to_an_s3_store(phone: str, s3: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3}")
    authority("init", "--store", "s3://latchkey-cars/keys")
    authority("car", "add", VIN, OTHER)
    authority("key", "add", phone, "--all")
    said = authority("publish", code=1)  # there is no such bucket yet
    assert (said["written"], said["refused"]) == (0, 2)

    from s3fs.core import S3FileSystem

    S3FileSystem().mkdir("latchkey-cars")
    assert authority("publish")["why"] == {"unfinished": 2}
    assert authority("publish")["written"] == 0
    seal = Seal(bytes.fromhex(a_car()["seal"]))
    url = f"http://127.0.0.1:{s3}/latchkey-cars/keys/{parcelfile.name_of(seal.address)}"
    data = S3FileSystem().cat_file(url.partition(f"{s3}/")[2])
    assert len(read(data, seal, bytes.fromhex(a_car()["root"]), VIN).entries) == 1


def test_the_bench_server_gives_files_and_nothing_else(phone: str) -> None:
    authority("init")
    authority("car", "add", VIN)
    authority("publish")
    Path("authority/public/secret").write_text("no")
    name = parcelfile.name_of(Seal(bytes.fromhex(a_car()["seal"])).address)
    with server(Path("authority/public"), "127.0.0.1", 0) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        base = f"http://127.0.0.1:{listening.server_address[1]}"
        with urllib.request.urlopen(f"{base}/{name}", timeout=10) as answer:
            tag = answer.headers["ETag"]
            assert answer.read() == Path("authority/public", name).read_bytes()
        again = urllib.request.Request(f"{base}/{name}", headers={"If-None-Match": tag})
        with pytest.raises(urllib.error.HTTPError) as unchanged:
            urllib.request.urlopen(again, timeout=10)
        assert unchanged.value.code == 304
        for other in ("", "secret", "../authority.db", f"{name[:3]}", f"{name}x", "00/" + "0" * 32, f"%2e%2e/{name}"):
            with pytest.raises(urllib.error.HTTPError) as missing:
                urllib.request.urlopen(f"{base}/{other}", timeout=10)
            assert missing.value.code == 404, other
        listening.shutdown()


def test_a_port_that_is_taken_is_told() -> None:
    authority("init")
    with server(Path(), "127.0.0.1", 0) as listening:
        said = authority("serve", "--tcp", str(listening.server_address[1]), code=2)
    assert "in use" in said["error"]["text"]


def test_serving_needs_a_folder() -> None:
    authority("init", "--store", "s3://bucket/cars")
    assert "has a server of its own" in authority("serve", code=2)["error"]["hint"]


def test_a_table_names_those_that_need_writing_first(phone: str) -> None:
    authority("init")
    authority("car", "add", *(f"5YJS{number:013d}" for number in range(30)))
    authority("publish")
    authority("key", "add", phone, "--car", "5YJS0000000000029")
    told = authority("status")
    assert (len(told["shown"]), told["shown"][0]["vin"], told["cars"]) == (20, "5YJS0000000000029", 30)
    assert len(authority("status", "--every")["shown"]) == 30
    assert "20 of 30 cars" in run("authority", "status").stdout
