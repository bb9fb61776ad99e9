# SPDX-License-Identifier: Apache-2.0
"""An authority's desk: set it up, add cars and keys, revoke keys, change its own keys."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from host_tools.authority import desk, keys
from host_tools.authority.database import Database
from host_tools.cli import publishing
from host_tools.cli.answer import Answer
from host_tools.cli.options import Json, Label, check_vin
from host_tools.cli.publishing import At, DatabaseUrl, database_at
from host_tools.faults import Misuse
from host_tools.phone import keyfile, messages
from host_tools.phone import latchkey_pb2 as ours

app = typer.Typer(help="Hand keys to many cars: rosters that anybody may carry.", add_completion=False)
car_app = typer.Typer(help="The cars of this authority.", add_completion=False)
key_app = typer.Typer(help="The keys on its rosters.", add_completion=False)
app.add_typer(car_app, name="car")
app.add_typer(key_app, name="key")

Role = Annotated[
    Literal["owner", "driver", "guest", "fm", "monitor", "charging"],
    typer.Option("--role", help="What the key may do."),
]
RootFile = Annotated[
    Path | None,
    typer.Option("--root", metavar="FILE", help="The root key (PEM), where it is not in the authority's folder."),
]
Key = Annotated[
    str, typer.Argument(metavar="FILE|PUBLIC|KEYID", help="A file that holds it, the whole of it in hex, or its id.")
]
Vins = Annotated[
    list[str] | None, typer.Option("--car", metavar="VIN", help="The car that is meant; may be given several times.")
]
May = Annotated[
    list[str] | None,
    typer.Option(
        "--may",
        metavar="PERMISSION",
        help="Only that, of what the role may; several times: "
        + ", ".join(name.removeprefix("PERMISSION_").lower() for name, bit in ours.Permission.items() if bit),
    ),
]


@app.command()
def init(
    at: At = publishing.AT,
    database: DatabaseUrl = None,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Where cars and phones find the files.")] = "",
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="FOLDER|URL", help="Where they are written: s3://BUCKET/PREFIX, say."),
    ] = None,
    root: RootFile = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3650, help="How long a roster is good.")] = 30,
    interval: Annotated[
        int, typer.Option("--interval", metavar="SECONDS", min=0, help="Between two polls of a car; 0: its own.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Set up an authority: a folder with its keys and database. One of an older version is brought up to date."""
    with Answer(as_json) as answer:
        if url and not re.fullmatch(r"https?://[!-~]{1,150}", url):
            raise Misuse(f"{url!r} is no URL for cars", "http://… or https://…, at most 150 characters after that")
        at.mkdir(mode=0o700, parents=True, exist_ok=True)
        where = database_at(at, database)
        where.make()
        root_path = root or keys.root_file(at, 1)
        root_key = keyfile.load_or_create(root_path)
        signer = keyfile.load_or_create(keys.signer_file(at, 1))
        place = publishing.resolved(store) if store else "public"
        if not desk.begin(where, root_key.private, signer.public, place, url.rstrip("/"), days, interval):
            answer.done("There is an authority already: it stays as it is.", did="init", made=False)
            return
        answer.done(
            f"Made an authority in {at}. Its root key is {root_path}: keep it elsewhere, only `rotate` needs it.",
            did="init",
            made=True,
            root=root_key.id,
            root_file=str(root_path),
            signer=signer.id,
            database=where.shown,
        )


@car_app.command("add")
def car_add(
    vins: Annotated[list[str], typer.Argument(metavar="VIN", help="The cars.")],
    at: At = publishing.AT,
    database: DatabaseUrl = None,
    role: Role = "driver",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where their car files go."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Add cars, and write a car file for each: its owner installs it with `latchkey trust`. --role is the most that a
    key from here may be. A car that is there already gets its file again."""
    with Answer(as_json) as answer:
        for vin in vins:
            check_vin(vin)
        where = database_at(at, database)
        folder = out or at / "cars"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files: list[str] = []
        for car in desk.add_cars(where, vins, messages.role_number(role)):
            files.append(str(folder / f"{car.vin}.json"))
            _write_secret(folder / f"{car.vin}.json", car.text())
        what = files[0] if len(files) == 1 else f"{len(files)} files in {folder}"
        answer.done(
            f"Wrote {what}: `latchkey trust FILE --key OWNER` installs it. It is a secret of car and authority.",
            did="car add",
            count=len(files),
            files=files,
        )


@car_app.command("remove")
def car_remove(
    vins: Annotated[list[str], typer.Argument(metavar="VIN", help="The cars.")],
    at: At = publishing.AT,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Remove cars. `publish` tells each, with a last roster, that no key from here counts any more; once that has
    expired it removes the car's file. `car add` before then takes it back."""
    with Answer(as_json) as answer:
        where = database_at(at, database)
        told = desk.remove_cars(where, vins)
        count = len(set(vins))
        what = vins[0] if count == 1 else f"{count} cars"
        then = "`latchkey authority publish` tells it to them." if told else "Nothing was ever published for them."
        answer.done(f"Removed {what}, and all keys from here. {then}", did="car remove", count=count, to_be_told=told)


@key_app.command("add")
def key_add(
    key: Key,
    car: Vins = None,
    every: Annotated[bool, typer.Option("--all", help="For all cars, also those to come.")] = False,
    role: Role = "driver",
    may: May = None,
    label: Label = "",
    at: At = publishing.AT,
    database: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Put a key on the rosters of cars. `publish` is what makes it known."""
    with Answer(as_json) as answer:
        if every == bool(car):
            raise Misuse("say for which cars", "either --car VIN or --all")
        desk.check_label(label)
        where = database_at(at, database)
        public = _public(where, key)
        permissions = desk.permissions(may or [])
        count = desk.add_key(where, public, label, messages.role_number(role), permissions, None if every else car)
        name = keyfile.key_id(public)
        whose = "all cars" if every else f"{count} car{'s' * (count != 1)}"
        answer.done(
            f"Key {name} is {role} of {whose}, once `latchkey authority publish` has run.",
            did="key add",
            key=name,
            public=public.hex(),
            role=role,
            cars=car,
            all=every,
        )


@key_app.command("revoke")
def key_revoke(
    key: Key, car: Vins = None, at: At = publishing.AT, database: DatabaseUrl = None, as_json: Json = False
) -> None:
    """Take a key off these cars' rosters, or off all without --car. `publish` is what makes it known."""
    with Answer(as_json) as answer:
        where = database_at(at, database)
        public = _public(where, key)
        count = desk.revoke(where, public, car or None)
        name = keyfile.key_id(public)
        answer.done(
            f"Key {name} is revoked, once `latchkey authority publish` has run and each car has heard of it.",
            did="key revoke",
            key=name,
            public=public.hex(),
            lists=count,
        )


@app.command()
def rotate(
    which: Annotated[Literal["signer", "root"], typer.Argument(metavar="signer|root", help="The key to change.")],
    at: At = publishing.AT,
    database: DatabaseUrl = None,
    root: RootFile = None,
    successor: Annotated[
        Path | None, typer.Option("--new-root", metavar="FILE", help="The next root key; made if missing.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change the key that signs rosters, or the root that says which one does. Takes the root key that counts."""
    with Answer(as_json) as answer:
        what = "root key" if which == "root" else "signing key"
        if successor and which != "root":
            raise Misuse("--new-root is for `rotate root`")
        where = database_at(at, database)
        with where.reading() as session:
            last = desk.newest(session)
            generation, public = last.generation + 1, last.root
        old = keys.load(root, public, "the root key that counts") if root else keys.find(at, "root", public, "root key")
        if which == "root":
            path = successor or keys.root_file(at, generation + 1)
            made = keyfile.load_or_create(path)
            generation = desk.rotate(where, old, successor=made.private)
        else:
            path = keys.signer_file(at, generation)
            made = keyfile.load_or_create(path)
            desk.rotate(where, old, signer=made.public)
        answer.done(
            f"From generation {generation} on, the {what} is {path}. `latchkey authority publish` tells all cars; one "
            "that has not heard of it still believes the old one.",
            did="rotate",
            which=which,
            generation=generation,
            key=made.id,
            file=str(path),
        )


app.command()(publishing.publish)
app.command()(publishing.status)
app.command()(publishing.serve)


def _public(where: Database, key: str) -> bytes:
    """The public key that a person means."""
    if re.fullmatch(r"04[0-9a-fA-F]{128}", key):
        return keyfile.parse_public(key)
    if not re.fullmatch(r"[0-9a-fA-F]{8}", key):
        return keyfile.load_public(Path(key))
    found = desk.publics(where, key)
    if len(found) != 1:
        raise Misuse(f"{len(found) or 'no'} keys here have the id {key}", "give its file, or the whole of it in hex")
    return found[0]


def _write_secret(path: Path, text: str) -> None:
    """A file of mode 0600, the old one or the new."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
