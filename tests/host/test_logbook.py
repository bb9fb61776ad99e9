# SPDX-License-Identifier: Apache-2.0
"""The access log in words."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from host_tools.build import schema
from host_tools.explain import logbook


def an_entry(**fields: Any) -> dict[str, Any]:
    entry = {"seq": 7, "boot": 2, "at": 61, "kind": "command", "conn": "ble", "key": "0a1b2c3d", "command": 2}
    return {**entry, "outcome": 0, "detail": 0, "count": 1, **fields}


@pytest.mark.parametrize(
    ("number", "name"), [(2, "unlock"), (4, "lock"), (16, "start"), (32, "secure"), (8, "wake"), (64, "closures")]
)
def test_commands_have_names(number: int, name: str) -> None:
    assert logbook.described(an_entry(command=number))["did"] == name


def test_the_names_are_those_of_the_permissions() -> None:
    permissions = schema.ours().enum_types_by_name["Permission"].values_by_number
    for number, name in logbook.COMMANDS.items():
        said = permissions[number].name.removeprefix("PERMISSION_").replace("_", " ").lower()
        assert name == said or (name, said) == ("key change", "change key")


def test_a_command_from_the_future_keeps_its_number() -> None:
    assert logbook.described(an_entry(command=99))["did"] == "command 99"


@pytest.mark.parametrize(
    ("outcome", "detail", "name"),
    [
        (15, 0, "INCORRECT_EPOCH"),
        (0, 12, "PUBLIC_KEY_NOT_ON_WHITELIST"),
        (0, 0, "refused"),
    ],
)
def test_refusals_have_the_protocols_names(outcome: int, detail: int, name: str) -> None:
    assert logbook.described(an_entry(kind="refused", outcome=outcome, detail=detail))["fault"] == name


def test_what_the_state_of_the_car_prevented_has_the_protocols_name() -> None:
    assert logbook.described(an_entry(kind="prevented", detail=2))["fault"] == "CLOSURES_OPEN"


def test_people_see_who_did_what_and_how_often_it_was_refused() -> None:
    entries = [
        an_entry(),
        an_entry(seq=8, kind="refused", outcome=3, key=None, count=40),
        an_entry(seq=9, kind="dropped", key=None, conn="", count=12),
        an_entry(seq=10, kind="boot", key=None, conn=""),
        an_entry(seq=11, kind="collision", key=None, conn="ble", count=3),
        an_entry(seq=12, kind="gap", key=None, conn=""),
    ]
    console = Console(width=120)
    with console.capture() as captured:
        console.print(logbook.table([logbook.described(entry) for entry in entries], {"0a1b2c3d": "Ann's phone"}))
    text = captured.get()
    told = ("0a1b2c3d Ann's phone", "unlock", "UNKNOWN_KEY_ID, 40 times", "12 entries found no room", "boot")
    for words in (*told, "no tap counted, 3 times", "the chain of the log begins anew"):
        assert words in text
