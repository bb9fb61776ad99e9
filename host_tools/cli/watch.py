# SPDX-License-Identifier: Apache-2.0
"""Watch a car: a live view on a terminal, and lines of what happens everywhere else."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from host_tools.cli import board, picture
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
        board.monitor(port, timeout, as_json)
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
