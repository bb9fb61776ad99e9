# SPDX-License-Identifier: Apache-2.0
"""A rental desk and one of its cars, with the command line: keys come and go with files that anybody carries."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.authority.parcels import Seal
from host_tools.phone import carfile, keyfile, parcelfile
from host_tools.serial.bench import Bench
from tests.bench.support import VIN, AnyBoard


def command(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(cli.app, [*map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.fixture
def desk(board: AnyBoard, car: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an authority in it, whose rosters the car takes. The file for the car is what this gives."""
    car.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATCHKEY_PORT", board.port)
    monkeypatch.delenv("LATCHKEY_AUTHORITY", raising=False)
    monkeypatch.delenv("LATCHKEY_DATABASE", raising=False)
    command("pair", "--key", "owner.pem", "--tap")
    command("authority", "init", "--url", "http://192.0.2.1/cars")
    command("authority", "car", "add", VIN)
    made = Path("authority/cars", f"{VIN}.json")
    command("trust", made, "--key", "owner.pem", "--tap")
    yield Path("authority/public", parcelfile.name_of(Seal(carfile.load(made).seal).address))
    command("trust", "--remove", "--key", "owner.pem")


def publish() -> None:
    assert command("authority", "publish")["written"] == 1


def test_a_key_comes_and_goes_with_rosters(desk: Path) -> None:
    keyfile.create(Path("renter.pem"))
    assert command("unlock", "--key", "renter.pem", code=1)["error"]["name"] == "UNKNOWN_KEY_ID"
    command("authority", "key", "add", "renter.pem", "--car", VIN, "--label", "Bo")
    publish()
    assert command("deliver", desk)["taken"]
    command("unlock", "--key", "renter.pem")
    command("lock", "--key", "renter.pem")
    told = command("roster", "--key", "owner.pem")["roster"]
    assert (told["version"], told["keys"], told["role"], told["url"]) == (1, 1, "driver", "http://192.0.2.1/cars")

    # The key is revoked; the renter's own phone brings the news, after its last command.
    command("authority", "key", "revoke", "renter.pem")
    publish()
    command("carry", desk, "--key", "renter.pem")
    command("unlock", "--key", "renter.pem")
    assert command("unlock", "--key", "renter.pem", code=1)["error"]["name"] == "UNKNOWN_KEY_ID"
    command("lock", "--key", "owner.pem")


def test_a_car_follows_its_authoritys_keys(desk: Path) -> None:
    keyfile.create(Path("renter.pem"))
    command("authority", "key", "add", "renter.pem", "--all")
    publish()
    command("deliver", desk)
    first = desk.read_bytes()
    for which, generation in (("signer", 2), ("root", 4), ("signer", 5)):
        assert command("authority", "rotate", which)["generation"] == generation
    publish()
    assert command("deliver", desk)["generation"] == 5
    command("unlock", "--key", "renter.pem")
    command("lock", "--key", "owner.pem")
    Path("first").write_bytes(first)
    assert not command("deliver", "first")["taken"]
    assert command("roster", "--key", "owner.pem")["roster"]["generation"] == 5


def test_a_car_that_was_removed_is_nobodys_but_its_owners(desk: Path) -> None:
    keyfile.create(Path("renter.pem"))
    command("authority", "key", "add", "renter.pem", "--all")
    publish()
    command("deliver", desk)
    command("unlock", "--key", "renter.pem")
    assert command("authority", "car", "remove", VIN)["to_be_told"] == 1
    publish()
    assert command("deliver", desk)["taken"]
    assert command("unlock", "--key", "renter.pem", code=1)["error"]["name"] == "UNKNOWN_KEY_ID"
    command("lock", "--key", "owner.pem")
