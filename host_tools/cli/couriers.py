# SPDX-License-Identifier: Apache-2.0
"""Whose rosters a car takes, as its owner says and sees it; and what anybody carries to it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from host_tools.cli.answer import Answer
from host_tools.cli.drive import Tap, ask_for_card, shared_bench
from host_tools.cli.options import PATIENCE, Ble, Json, KeyFile, Port, Radio, Timeout, Vin
from host_tools.cli.phones import Asked, Reach, open_phone, phone_command, reach_car
from host_tools.faults import DECLINES, Misuse
from host_tools.phone import carfile, gossip, link, messages, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.courier import Courier
from host_tools.phone.fetch import fetch
from host_tools.phone.keyfile import load
from host_tools.phone.link import Link
from host_tools.phone.pouch import Pouch
from host_tools.phone.present import bring
from host_tools.phone.revocations import Revocations
from host_tools.phone.trust import Trust
from host_tools.phone.view import View

_DELIVERY = 300.0  # seconds: thousands of keys over the air

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE|URL|LINK", help="Files that an authority has published; what `latchkey revoke` printed."
    ),
]


@phone_command
def trust(
    asked: Asked,
    file: Annotated[
        Path | None, typer.Argument(metavar="CARFILE", help="What `latchkey authority car add` wrote.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take nobody's rosters any more.")] = False,
    tap: Tap = False,
) -> None:
    """As an owner, let an authority hand keys to the car, and tap the card; or end that."""
    if remove == (file is not None):
        raise Misuse("say whose rosters the car is to take", "either CARFILE or --remove")
    answer, reach = asked.answer, asked.reach
    if file is None:
        with asked.phone() as phone:
            Trust(phone).remove()
            answer.done("The car takes nobody's rosters any more; keys from one are gone.", did="trust", vin=phone.vin)
        return
    authority = carfile.load(file)
    if reach.vin not in (None, authority.vin):
        raise Misuse(f"{file} is for car {authority.vin}, not {reach.vin}", "give that car's own file")
    with contextlib.ExitStack() as stack:
        bench, reach = shared_bench(stack, replace(reach, vin=authority.vin), tap)
        phone = stack.enter_context(open_phone(answer, reach, asked.key))

        with answer.working("waiting for the card"):
            Trust(phone).install(authority, lambda: ask_for_card(answer, bench if tap else None))
        role = messages.role_name(authority.role)
        answer.done(
            f"Car {phone.vin} takes rosters of this authority: its keys may be {role} at most.",
            did="trust",
            vin=phone.vin,
            role=role,
            url=authority.url,
        )


@phone_command
def roster(asked: Asked) -> None:
    """Show whose roster the car takes, which one it has, and how old that is."""
    with asked.phone() as phone:
        told = View(phone).roster()
        with contextlib.suppress(OSError):
            if phone.key.path:
                gossip.remember(Pouch(phone.key.path), phone.vin, told)
        if told is None:
            asked.answer.done("This car takes nobody's rosters.", vin=phone.vin, roster=None)
            return
        told["role"] = messages.role_name(told["role"])
        asked.answer.show(_table(phone.vin, told))
        asked.answer.done(vin=phone.vin, roster=told)


def carry(key: KeyFile, files: Files = None, as_json: Json = False) -> None:
    """Carry rosters and revocations for cars: this phone hands them over after its next command.

    Without FILE: the newest rosters of the cars that it has met, from where those say."""
    with Answer(as_json) as answer:
        pouch, revocations = Pouch(load(key).path or key), Revocations(key)
        places = files or [
            f"{car.url}/{parcelfile.name_of(bytes.fromhex(car.address))}" for car in pouch.cars().values() if car.url
        ]
        if not places:
            raise Misuse("this phone has met no car that says where its rosters are", "give FILE or URL")
        results: list[dict[str, Any]] = []
        for place in places:
            if "#" in place:
                revoked = _revocation(place)
                kept = revocations.keep(revoked)
                results.append({"vin": revoked.vin, "kept": kept})
                answer.say(f"A revocation for car {revoked.vin}: " + ("carried." if kept else "carried already."))
                continue
            head, kept = pouch.keep(fetch(place))
            results.append({
                "from": place,
                "address": head.address.hex(),
                "generation": head.generation,
                "version": head.version,
                "kept": kept,
            })
            what = "carried from now on" if kept else "not newer than what is carried"
            answer.say(f"{head.address.hex()}: version {head.version} of generation {head.generation}, {what}")
        answer.done(did="carry", files=results)


def deliver(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL|LINK", help="A file that an authority has published, or what `revoke` printed."
        ),
    ],
    port: Port = None,
    vin: Vin = None,
    ble: Ble = False,
    radio: Radio = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Hand a roster or a revocation to the car now.

    It takes no key: what is in it is sealed and signed."""
    with Answer(as_json) as answer:
        if "#" in file:
            revoked = _revocation(file)
            if vin not in (None, revoked.vin):
                raise Misuse(f"that is for car {revoked.vin}, not {vin}", "leave --vin out")
            with reach_car(answer, Reach(port, revoked.vin, timeout, ble, radio)) as (connection, name):
                bring(connection, ours.ToLatchkey(revoke=revoked.message), timeout)
            answer.done(f"Car {name} has heard of it.", did="deliver", vin=name)
            return
        parcels = parcelfile.split(fetch(file))
        head = parcelfile.head(parcels)
        reach = Reach(port, vin, timeout, ble, radio)
        with reach_car(answer, reach) as (connection, name), answer.working("handing it over"):
            told = Courier(connection, max(timeout, _DELIVERY)).deliver(parcels)
        taken = (told.generation, told.version) == (head.generation, head.version) and not told.declined
        answer.done(
            f"Car {name} has version {told.version} of generation {told.generation}"
            + ("." if taken else ", which is not older than this one."),
            did="deliver",
            vin=name,
            generation=told.generation,
            version=told.version,
            taken=taken,
        )


def _revocation(text: str) -> Link:
    found = link.read(text)
    if not isinstance(found.message, ours.Revocation):
        raise Misuse(
            "that link gives a grant: it is a secret, and not to be carried", "`latchkey accept LINK` takes it"
        )
    return found


def _table(vin: str, told: dict[str, Any]) -> Table:
    rows = {
        "authority": told["address"],
        "its keys may be": f"{told['role']} at most",
        "files at": told["url"] or "brought by couriers only",
        "roster": f"version {told['version']} of generation {told['generation']}" if told["version"] else "none yet",
        "keys on it": str(told["keys"]),
        "issued": _date(told["issued"]),
        "expires": _date(told["expires"]),
        "the car's time": f"at least {_date(told['time'])}",
    }
    if told["wishes"]:
        rows["wishes"] = f"it would have less of {told['wishes']} keys that others gave: see `latchkey log`"
    if told["declined"]:
        rows["declined last"] = DECLINES.get(told["declined"], (told["declined"],))[0]
    if told["sync"]:
        rows["the car's own fetching"] = told["sync"]
    table = Table(title=f"Whose rosters car {vin} takes", show_header=False)
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC") if seconds else "not known"
