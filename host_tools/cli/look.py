# SPDX-License-Identifier: Apache-2.0
"""A look at a car: what it is doing, and its access log. With a key the car is asked as its phones ask it, over the air
too; without one the bench is, where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from host_tools.cli import proof
from host_tools.cli.options import BENCH_CLOSURES
from host_tools.cli.phones import Looking, look_command
from host_tools.explain import logbook
from host_tools.faults import Misuse
from host_tools.phone import messages
from host_tools.phone.view import View


@look_command
def status(looking: Looking) -> None:
    """Show what the car is doing."""
    with looking.car() as car:
        told = car.status()
        if not told.get("provisioned"):
            looking.answer.done("This board has no identity yet: `latchkey provision` gives it one.", **told)
            return
        looking.answer.show(_status_table(told))
        looking.answer.done(**told)


@look_command
def log(
    looking: Looking,
    since: Annotated[int, typer.Option("--since", metavar="N", min=0, help="Only entries after number N.")] = 0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing in it was changed or left out, since last time too.")
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write all of it into a file, as JSON lines, signed by the car."),
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="With --verify: what was exported, and no car.")
    ] = None,
) -> None:
    """Show the car's access log: who, what, and how it ended.

    An owner's key can verify it."""
    if source is not None or verify or export is not None:
        _prove(looking, since, verify, export, source)
        return
    with looking.car() as car:
        entries = [logbook.described(entry) for entry in car.log(since)]
        enrolled = car.keys()
        labels = {key["key"]: str(key.get("label") or "") for key in enrolled}
        looking.answer.show(logbook.table(entries, labels) if entries else "The log is empty.")
        looking.answer.done(vin=car.vin, count=len(entries), entries=entries)


def _prove(looking: Looking, since: int, verify: bool, export: Path | None, source: Path | None) -> None:
    if since:
        raise Misuse("a log is verified and exported as a whole", "leave --since out")
    if source is not None:
        if not verify or export is not None:
            raise Misuse("--from is for --verify", "say `latchkey log --verify --from FILE`")
        proof.from_a_file(looking.answer, source, looking.key)
        return
    if looking.key is None:
        raise Misuse("what a log proves it proves to a key", "give an owner's: --key FILE")
    with looking.car() as car:
        if isinstance(car, View):
            proof.at_the_car(looking.answer, car, looking.key, verify, export)


def _status_table(told: dict[str, Any]) -> Table:
    table = Table(title=f"Car {told.get('vin')}", show_header=False)
    started = f"on, {told['start_left']} s left" if told["start_enabled"] else "off"
    opened = [closure for closure, name in BENCH_CLOSURES.items() if told["closures"].get(name, "closed") != "closed"]
    pending = told["pending"]
    rows = {
        "doors": "locked" if told["locked"] else "unlocked",
        "start": started,
        "open": ", ".join(opened) or "nothing",
        "brake": "pressed" if told["brake"] else "released",
        "driver": "in the car" if told["user_present"] else "not in the car",
        "asleep": "yes" if told["asleep"] else "no",
        "board": f"{told.get('board')}, MicroPython {told.get('micropython')}",
        "firmware": f"{told.get('version')}, a {told.get('build')} build",
        "up for": f"{told.get('uptime')} s, boot {told.get('boot')}",
    }
    if pending:
        rows["waits for a card"] = (
            f"key {pending['key']} as {messages.role_name(pending['role'])}, {pending['left']} s left"
        )
    if told.get("collision"):
        rows["no tap counts"] = f"two have asked to be enrolled: for {told['collision']} s"
    for name, value in rows.items():
        table.add_row(name, value)
    return table
