# SPDX-License-Identifier: Apache-2.0
"""The keychain: list it, and as an owner add, update and remove keys."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from host_tools.cli import allowance
from host_tools.cli.answer import Answer
from host_tools.cli.options import Label, Role
from host_tools.cli.phones import Asked, Looking, look_command, phone_command
from host_tools.faults import Misuse, Refused
from host_tools.phone import grants, keyfile, lookup, messages
from host_tools.phone.client import Phone
from host_tools.phone.owner import Owner
from host_tools.phone.present import left_of

ORIGINS = {1: "card tap", 2: "owner", 3: "roster", 4: "grant"}

Which = Annotated[
    str | None,
    typer.Option(
        "--which",
        metavar="KEYID|PUBLIC|FILE|SLOT",
        help="The key: its id, its whole public key in hex, a file that holds it, or its slot.",
    ),
]

app = typer.Typer(help="Show the car's keychain; add, update and remove keys as an owner.", add_completion=False)


@app.callback(invoke_without_command=True)
@look_command
def show(looking: Looking) -> None:
    """Show the car's keychain; add, update and remove keys as an owner."""
    with looking.car() as car:
        enrolled = car.keys()
        found = [_described(key) for key in enrolled]
        table = Table("slot", "key", "role", "label", "enrolled by", "limits", title=f"Keys of {car.vin}")
        for key in found:
            role = key["role"] + (" (impermanent)" if key["impermanent"] else "")
            table.add_row(str(key["slot"]), key["key"], role, key["label"], key["origin"], key.get("left", ""))
        looking.answer.show(table if found else "This car has no keys: `latchkey pair` enrols the first.")
        looking.answer.done(vin=car.vin, count=len(found), keys=found)


@app.command()
@phone_command
def add(
    asked: Asked,
    new: Annotated[
        Path, typer.Option("--new", metavar="FILE", help="The key to add (PEM, public or private); made if missing.")
    ],
    role: Role = "driver",
    label: Label = "",
    impermanent: Annotated[
        bool, typer.Option("--impermanent", help="A key that goes with all impermanent ones.")
    ] = False,
) -> None:
    """Add a key. No card is needed: the owner's key vouches for it."""
    messages.permission_change(bytes(65), role, label)  # wrong arguments are found before a file is made
    with asked.phone() as phone:
        created = not new.exists()
        if created:
            phone.handshake()  # a key that may add none is refused before there is a file
        public = keyfile.create(new).public if created else keyfile.load_public(new)
        name = keyfile.key_id(public)
        if created:
            asked.answer.say(f"Made the key {name} in {new}.")
        with _kept_only_if_wanted(asked.answer, new if created else None):
            phone.change_keys(messages.add_key(public, role, label, impermanent=impermanent))
        result = {"key": name, "public": public.hex(), "role": role, "label": label, "impermanent": impermanent}
        asked.answer.done(f"Added key {name} as {role}.", did="add", vin=phone.vin, created=created, **result)


@contextlib.contextmanager
def _kept_only_if_wanted(answer: Answer, made: Path | None) -> Iterator[None]:
    """A key file that was made for this goes again when the car has refused the key; in doubt it stays."""
    try:
        yield
    except BaseException as error:
        if made is not None and isinstance(error, Refused) and error.proven:
            made.unlink(missing_ok=True)
        elif made is not None:
            answer.warn(f"warning: the new key stays in {made}: the car may have added it all the same")
        raise


@app.command()
@phone_command
def update(asked: Asked, role: Role, which: Which = None, label: Label = "") -> None:
    """Give a key another role."""
    with asked.phone() as phone:
        public = find(phone, which)
        phone.change_keys(messages.update_key(public, role, label))
        name = keyfile.key_id(public)
        result = {"key": name, "public": public.hex(), "role": role, "label": label}
        asked.answer.done(f"Key {name} is now {role}.", did="update", vin=phone.vin, **result)


@app.command()
@phone_command
def remove(
    asked: Asked,
    which: Which = None,
    all_impermanent: Annotated[bool, typer.Option("--all-impermanent", help="Remove every impermanent key.")] = False,
    with_grants: Annotated[
        bool, typer.Option("--with-grants", help="And first take back what that owner's key has shared.")
    ] = False,
) -> None:
    """Remove a key."""
    if all_impermanent == (which is not None):
        raise Misuse("say which key to remove", "either --which KEYID|PUBLIC|FILE|SLOT or --all-impermanent")
    if all_impermanent and with_grants:
        raise Misuse("impermanent keys share nothing", "leave --with-grants out")
    with asked.phone() as phone:
        if all_impermanent:
            phone.change_keys(messages.remove_impermanent_keys())
            asked.answer.done("Removed every impermanent key.", did="remove", vin=phone.vin, all_impermanent=True)
            return
        public = find(phone, which)
        name = keyfile.key_id(public)
        if with_grants:
            Owner(phone).revoke([], grants.ALL, maker=lookup.by_public(phone, public).slot + 1)
            asked.answer.say(f"Took back all that key {name} has shared.")
        phone.change_keys(messages.remove_key(public))
        result = {"key": name, "public": public.hex(), "with_grants": with_grants}
        asked.answer.done(f"Removed key {name}.", did="remove", vin=phone.vin, **result)


def find(phone: Phone, which: str | None) -> bytes:
    """The public key that a person means. It is signed, so it comes from the person or from the car itself."""
    if not which:
        raise Misuse("say which key is meant", "--which KEYID|PUBLIC|FILE|SLOT")
    if re.fullmatch(r"[0-9]{1,4}", which):
        return lookup.by_slot(phone, int(which)).publicKey.PublicKeyRaw
    if re.fullmatch(r"[0-9a-fA-F]{8}", which):
        return lookup.by_id(phone, which).publicKey.PublicKeyRaw
    if re.fullmatch(r"04[0-9a-fA-F]{128}", which):
        return keyfile.parse_public(which)
    return keyfile.load_public(Path(which))


def _described(key: dict[str, Any]) -> dict[str, Any]:
    """A key as the car tells of it, with names for the numbers."""
    role, origin = messages.role_name(key["role"]), ORIGINS.get(key["origin"], str(key["origin"]))
    limited = {"left": allowance.left_in_words(left_of(key))} if "limits" in key else {}
    return {**key, **limited, "role": role, "origin": origin, "label": key.get("label") or ""}
