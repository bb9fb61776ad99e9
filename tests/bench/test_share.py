# SPDX-License-Identifier: Apache-2.0
"""A car is shared and taken back with the command line, with nobody online: a whole car behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone import keyfile
from host_tools.serial.bench import Bench
from tests.bench.support import AnyBoard

OWNER = ("--key", "owner.pem")


def said(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = CliRunner().invoke(cli.app, [*arguments, "--json"])
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refused(*arguments: str, code: int = 1) -> str:
    return str(said(*arguments, code=code)["error"]["name"])


def link(*arguments: str) -> str:
    return str(said("share", *OWNER, *arguments)["link"])


@pytest.fixture
def people(board: AnyBoard, car: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An owner who is paired, and a port with nobody on it. The name of the port."""
    car.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LATCHKEY_PORT", board.port)
    said("pair", *OWNER, "--tap")
    yield board.port
    said("revoke", "--all", *OWNER)


def test_a_guest_starts_twice_and_not_a_third_time(people: str) -> None:
    given = link("--uses", "2", "--until", "sunday", "--label", "Bo")
    told = said("accept", given)
    assert told["understood"].startswith("guest; two starts; until Sunday")
    said("unlock", "--key", "guest.pem")
    said("start", "--key", "guest.pem")
    assert "one start left" in said("shared", *OWNER)["grants"][0]["now"]
    said("reboot")
    said("start", "--key", "guest.pem")
    said("reboot")
    refused("start", "--key", "guest.pem")
    said("lock", "--key", "guest.pem")
    assert "no starts left" in said("accept", given)["understood"]
    refused("start", "--key", "guest.pem")


def test_a_link_is_made_far_from_the_car(people: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATCHKEY_PORT")
    given = link("--hours", "5", "--only", "unlock,lock")
    monkeypatch.setenv("LATCHKEY_PORT", people)
    said("accept", given)
    said("unlock", "--key", "guest.pem")
    refused("start", "--key", "guest.pem")
    said("lock", "--key", "guest.pem")


def test_who_comes_second_comes_too_late(people: str) -> None:
    given = link("--uses", "1")
    said("accept", given, "--key", "bo.pem")
    assert refused("accept", given, "--key", "eve.pem") == "GRANT_FAULT_SPENT"
    assert refused("unlock", "--key", "eve.pem") == "UNKNOWN_KEY_ID"


def test_less_is_passed_on(people: str) -> None:
    given = link("--uses", "5", "--role", "driver")
    said("accept", str(said("share", "--link", given, "--uses", "1", "--role", "guest")["link"]))
    said("start", "--key", "guest.pem")
    refused("start", "--key", "guest.pem")
    said("lock", *OWNER)


def test_a_grant_for_a_key_is_that_keys(people: str) -> None:
    keyfile.create(Path("bo.pem"))
    given = link("--uses", "1", "--for", "bo.pem")
    said("accept", given, "--key", "bo.pem")
    said("unlock", "--key", "bo.pem")
    said("lock", "--key", "bo.pem")


def test_what_was_taken_back_at_the_car_is_gone_and_comes_no_more(people: str) -> None:
    first, second = link("--uses", "2", "--label", "Bo"), link("--uses", "2", "--label", "Cy")
    said("accept", first, "--key", "bo.pem")
    assert said("revoke", "Bo", "Cy", *OWNER)["heard"]
    assert refused("unlock", "--key", "bo.pem") == "UNKNOWN_KEY_ID"
    for given, key in ((first, "bo.pem"), (second, "cy.pem")):
        assert refused("accept", given, "--key", key) == "GRANT_FAULT_SPENT"
    assert {it["state"] for it in said("shared", *OWNER)["grants"]} == {"revoked"}


def test_a_third_phone_brings_what_was_taken_back(people: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said("keys", "add", "--new", "third.pem", *OWNER)
    given = link("--uses", "2", "--label", "Bo")
    said("accept", given, "--key", "bo.pem")
    monkeypatch.delenv("LATCHKEY_PORT")
    told = said("revoke", "Bo", *OWNER)
    said("carry", *told["links"], "--key", "third.pem")
    monkeypatch.setenv("LATCHKEY_PORT", people)
    said("unlock", "--key", "bo.pem")
    said("lock", "--key", "third.pem")
    assert refused("unlock", "--key", "bo.pem") == "UNKNOWN_KEY_ID"
    assert said("shared", *OWNER)["unheard"] == []


def test_anybody_delivers_what_was_taken_back(people: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = link("--uses", "2")
    monkeypatch.delenv("LATCHKEY_PORT")
    [carried] = said("revoke", "1", *OWNER)["links"]
    monkeypatch.setenv("LATCHKEY_PORT", people)
    said("deliver", carried)
    said("deliver", carried)
    assert refused("accept", given) == "GRANT_FAULT_SPENT"


def test_an_owner_goes_with_what_it_gave(people: str) -> None:
    said("keys", "add", "--new", "other.pem", "--role", "owner", *OWNER)
    first, second = (str(said("share", "--key", "other.pem", "--uses", "2")["link"]) for _ in range(2))
    said("accept", first, "--key", "bo.pem")
    said("keys", "remove", "--which", "other.pem", "--with-grants", *OWNER)
    assert refused("unlock", "--key", "bo.pem") == "UNKNOWN_KEY_ID"
    assert refused("accept", second) == "GRANT_FAULT_MAKER"
