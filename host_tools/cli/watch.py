# SPDX-License-Identifier: Apache-2.0
"""Watch a car: a live view on a terminal, and lines of what happens everywhere else."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from host_tools import words
from host_tools.cli import picture
from host_tools.cli.answer import Answer
from host_tools.cli.options import PATIENCE, Json, Port, Timeout, open_car
from host_tools.explain.monitor import Monitor
from host_tools.words import Screen

_EVERY = 0.5
_WIDTH = 90


def monitor(
    port: Port = None,
    once: Annotated[bool, typer.Option("--once", help="Show it as it is now, and end.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Print what the car prints and does, line by line.")] = False,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="With --once: also draw it, as an SVG.")
    ] = None,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Show a car live: state, pins, phones, the last commands and refusals, heap. Ctrl-C ends it.

    Other commands can use the port meanwhile. Without a terminal, and with --json, it prints line by line.
    """
    if not once and (as_json or lines or not sys.stdout.isatty()):
        _print(port, timeout, as_json)
        return
    with Answer(as_json) as answer, open_car(port, timeout, share=True) as car:
        watched = Monitor(car)
        watched.refresh()
        if once:
            answer.show(watched.frame())
            if picture_file is not None:
                screen = picture.screen(_WIDTH)
                screen.print(watched.frame())
                picture.save(screen, picture_file, f"latchkey monitor --port {port}")
            answer.done(
                did="monitor",
                info=watched.info,
                state=watched.state,
                pins=watched.pins,
                stats=watched.stats,
                heap=watched.heap,
                recent=[vars(row) for row in watched.recent],
            )
            return
        try:
            with Live(watched.frame(), console=Screen(), screen=True, auto_refresh=False) as live:
                while True:
                    time.sleep(_EVERY)
                    watched.refresh()
                    live.update(watched.frame(), refresh=True)
        except KeyboardInterrupt:
            return


def _print(port: str | None, timeout: float, as_json: bool) -> None:
    """Line by line; with JSON, each event is an object in a line of its own."""
    with Answer(as_json) as answer, open_car(port, timeout, share=True) as car:
        vin = car.hello.get("vin")
        answer.begun(f"Listening to car {vin} on {port}; Ctrl-C ends it.", did="monitor", vin=vin)
        seen = car.log_text
        try:
            while True:
                text = car.log_text[: car.log_text.rfind("\n") + 1]  # whole lines
                said = [] if as_json else words.lines(_fresh(seen, text)).splitlines()
                seen = text
                said += [json.dumps(car.events.pop(0)) for _ in range(len(car.events))]
                if not all(map(answer.line, said)):
                    return
                time.sleep(0.1)
        except KeyboardInterrupt:
            return


def _fresh(old: str, new: str) -> str:
    """What is new in a text that grows at its end and may lose its beginning."""
    if new.startswith(old):
        return new[len(old) :]
    tail = old[-200:]
    return new[new.rfind(tail) + len(tail) :] if tail in new else new
