# SPDX-License-Identifier: Apache-2.0
"""What an authority gives away: publish it, look at what there is to publish, serve it on the bench."""

from __future__ import annotations

import contextlib
import heapq
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import sqlalchemy as sa
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from host_tools.authority import desk, keys, plan
from host_tools.authority.database import Database
from host_tools.authority.models import Authority, Car
from host_tools.authority.plan import DAY, Plan, Why
from host_tools.authority.publish import Publication
from host_tools.authority.serve import server
from host_tools.authority.store import BadStore, open_store
from host_tools.cli.answer import Answer
from host_tools.cli.options import Json
from host_tools.faults import LatchkeyError, Misuse
from host_tools.phone import keyfile, parcelfile
from host_tools.words import Screen

AT = Path("authority")
_SHOWN = 20  # cars in a table

At = Annotated[
    Path,
    typer.Option("--at", envvar="LATCHKEY_AUTHORITY", metavar="FOLDER", help="The authority's keys and database."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="LATCHKEY_DATABASE",
        metavar="URL",
        help="Its database, where that is not a file in the folder: postgresql://…",
    ),
]
Place = Annotated[
    str | None,
    typer.Option("--store", metavar="FOLDER|URL", help="Write all of it there, and from now on what changes."),
]


class Incomplete(LatchkeyError):
    """The store did not take all of it."""

    name = "NOT_ALL_STORED"


def database_at(at: Path, url: str | None) -> Database:
    """The authority's database."""
    return Database(url or f"sqlite:///{at / 'authority.db'}")


def publish(at: At = AT, database: DatabaseUrl = None, store: Place = None, as_json: Json = False) -> None:
    """Write what changed, and what would expire: a file a car; and remove those of cars that were removed. What a store
    refuses, the next one completes."""
    with Answer(as_json) as answer:
        where = database_at(at, database)
        place, count = _place(where, at)
        if store:
            place = resolved(store)
        target = open_store(place)
        if store:
            desk.move(where, place)
        work = Publication(where, target, lambda public: keys.find(at, "signer", public, "signing key"))
        began = time.monotonic()
        with _bar(as_json, count) as step:
            done = work.run(int(time.time()), step)
        took = time.monotonic() - began
        gone = done.written[Why.GONE]
        written = done.written.total() - gone
        result = {
            "did": "publish",
            "cars": done.cars,
            "written": written,
            "removed": gone,
            "why": {why.name.lower(): number for why, number in done.written.items()},
            "bytes": done.bytes,
            "refused": done.refused,
            "seconds": round(took, 3),
            "store": place,
        }
        if done.refused:
            error = Incomplete(
                f"{place} took {written} files and refused {done.refused}: {done.reason}",
                "publish again: it goes on with those" if written + gone else "check --store, and who may write there",
            )
            error.details = result
            raise error
        more = f", and removed {gone}" if gone else ""
        answer.done(f"Wrote {written} of {done.cars} cars' files to {place}{more}.", **result)


def serve(
    at: At = AT,
    database: DatabaseUrl = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    number: Annotated[int, typer.Option("--tcp", metavar="N", min=0, max=65535, help="The port; 0: any.")] = 8080,
    as_json: Json = False,
) -> None:
    """Serve what was published, for the bench, until Ctrl-C. For many cars any web server or object store does."""
    with Answer(as_json) as answer:
        place, _ = _place(database_at(at, database), at)
        if "://" in place:
            raise Misuse(f"{place} is no folder of this computer", "it has a server of its own")
        with server(Path(place), host, number) as listening, contextlib.suppress(KeyboardInterrupt):
            address, port = listening.server_address[:2]
            url = f"http://{address!s}:{port}"
            answer.begun(f"Serving {place} at {url}; Ctrl-C ends it.", did="serve", url=url, store=place)
            listening.serve_forever()


def status(
    at: At = AT,
    database: DatabaseUrl = None,
    every: Annotated[bool, typer.Option("--every", help="Show each car, and not only the first.")] = False,
    as_json: Json = False,
) -> None:
    """Show the cars, how old their rosters are, and what `publish` would write."""
    with Answer(as_json) as answer:
        where, now = database_at(at, database), int(time.time())
        place, count = _place(where, at)
        why: Counter[Why] = Counter()
        shown: list[Plan] = []
        with _bar(as_json, count) as step:
            for _, plans in plan.batches(where, now):
                why.update(it.why for it in plans)
                shown += plans
                if not every:
                    shown = heapq.nsmallest(_SHOWN, shown, key=_urgency)
                step(len(plans))
        with where.reading() as session:
            rules = plan.Rules.read(session)
        gone = why.pop(Why.GONE, 0)
        wanted = {it.name.lower(): number for it, number in why.items() if it}
        total = why.total() + gone
        told = {
            "cars": total,
            "would_write": wanted,
            "would_remove": gone,
            "generation": rules.generation,
            "root": keyfile.key_id(rules.root),
            "signer": keyfile.key_id(rules.signer),
            "for_all_cars": len(rules.shared),
            "store": place,
        }
        cars = [_described(it, now) for it in shown]
        if cars:
            answer.show(_table(cars, total))
        what = ", ".join(f"{number} {it.value}" for it, number in why.items() if it)
        answer.done(
            f"Generation {rules.generation}, signed by {told['signer']}. `publish` would write "
            + (f"{sum(wanted.values())} of {total} cars' files: {what}" if what else "nothing")
            + (f", and remove {gone}." if gone else "."),
            **told,
            shown=cars,
        )


def _urgency(it: Plan) -> tuple[bool, int, str]:
    """What has to be written first, then what expires first."""
    return (not it.why, it.expires, it.roster.vin)


def _described(it: Plan, now: int) -> dict[str, Any]:
    return {
        "vin": it.roster.vin,
        "file": parcelfile.name_of(it.seal.address),
        "keys": len(it.roster.entries),
        "version": it.version,
        "age": now - it.issued if it.version else None,
        "left": it.expires - now if it.version else None,
        "leaves": it.leaves,
        "why": it.why.name.lower() if it.why else None,
    }


def _table(cars: list[dict[str, Any]], count: int) -> Table:
    title = f"{len(cars)} of {count} cars" if len(cars) < count else f"{count} car{'s' * (count != 1)}"
    table = Table("car", "keys", "version", "age", "expires in", "to be written", title=title)
    for car in cars:
        words = Why[car["why"].upper()].value if car["why"] else ""
        vin = f"{car['vin']}, removed" if car["leaves"] else car["vin"]
        table.add_row(vin, str(car["keys"]), str(car["version"]), _days(car["age"]), _days(car["left"]), words)
    return table


def _days(seconds: int | None) -> str:
    if seconds is None:
        return "never"
    if seconds < 0:
        return "past"
    return f"{seconds // DAY} days" if seconds >= 2 * DAY else f"{seconds // 3600} h"


def resolved(store: str) -> str:
    """A store as it is kept: a URL, or a folder's whole path."""
    return store if "://" in store else str(Path(store).resolve())


def _place(where: Database, at: Path) -> tuple[str, int]:
    """The store's folder or URL, and how many cars there are."""
    with where.reading() as session:
        authority = session.get(Authority, 1)
        if authority is None:
            raise BadStore("there is no authority in this database yet", "make one: `latchkey authority init`")
        place = authority.store
        count = session.scalar(sa.select(sa.func.count(Car.id))) or 0
    return (place if "://" in place else str(at / place)), count


@contextlib.contextmanager
def _bar(as_json: bool, total: int) -> Iterator[Callable[[int], object]]:
    """A progress bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    off = as_json or not sys.stderr.isatty()
    with Progress(*columns, console=Screen(stderr=True), transient=True, disable=off) as bar:
        task = bar.add_task("cars", total=total)
        yield lambda cars: bar.advance(task, cars)
