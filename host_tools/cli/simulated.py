# SPDX-License-Identifier: Apache-2.0
"""Boards without a board: simulate one, and tell the story on one."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from host_tools import words
from host_tools.cli import picture
from host_tools.cli.answer import Answer
from host_tools.cli.options import Json, check_vin
from host_tools.faults import LatchkeyError, Misuse
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard, run_foreground
from host_tools.sim.image import BoardDied


def sim(
    image: Annotated[
        Path, typer.Option("--image", metavar="FILE", help="The flash: made if missing, kept afterwards.")
    ],
    port: Annotated[Path, typer.Option("--port", metavar="LINK", help="Becomes a link to the board's serial port.")],
    vin: Annotated[str | None, typer.Option("--vin", metavar="VIN", help="Provision a new board as this car.")] = None,
    heap: Annotated[
        str, typer.Option("--heap", metavar="SIZE", help="Heap, as a 32-bit board would have it.")
    ] = "167K",
    radio: Annotated[
        str | None,
        typer.Option("--radio", metavar="NAME", help="`virtual`, or an adapter as Bumble names it, such as usb:0."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a simulated board until Ctrl-C."""
    with Answer(as_json) as answer:
        if vin is not None:
            check_vin(vin)
        for path in (image, port):
            if not path.parent.is_dir():
                raise Misuse(f"the folder {path.parent} does not exist", "make it first, or check the path")
        if not as_json:
            run_foreground(str(image), str(port), vin, heap, radio)
            return
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with (
            contextlib.suppress(KeyboardInterrupt),
            SimulatedBoard(image, heap, vin, port=port, radio=radio, on_text=_aside) as board,
        ):
            _wait_ready(board)
            answer.begun(did="sim", port=str(port), image=str(image), vin=vin)
            sys.stdout.flush()
            while not board.wait(0.5):
                pass
            raise BoardDied(f"the simulated board has ended: {board.failure}")


def _aside(text: str) -> None:
    """What a board prints, out of the way of JSON."""
    print(words.lines(text), end="", file=sys.stderr)


def _wait_ready(board: SimulatedBoard) -> None:
    """Until the board answers, or has ended."""
    try:
        Bench.open(board.port, 20.0).close()
    except LatchkeyError:
        if board.wait(1.0):
            raise BoardDied(f"the simulated board has ended: {board.failure}") from None
        raise


Picture = Annotated[Path | None, typer.Option("--picture", metavar="FILE", help="Also draw the terminal, as an SVG.")]
Show = Callable[[RenderableType], None]


def demo(picture_file: Picture = None, as_json: Json = False) -> None:
    """Tell the story: pair, reboot cold, unlock and start, with no network anywhere."""
    with Answer(as_json) as answer:
        from host_tools.sim import demo as story  # with Bumble, which `sim` needs for a radio only

        _tell(answer, story.tell, picture_file, "make demo")


def drill(picture_file: Picture = None, as_json: Json = False) -> None:
    """Run the outage drill: a car's server dies, and comes back lying. The owner starts after each step."""
    with Answer(as_json) as answer:
        from host_tools.sim import drill as story  # with an authority and its database

        _tell(answer, story.tell, picture_file, "latchkey drill")


def loan(picture_file: Picture = None, as_json: Json = False) -> None:
    """Tell how a car is lent by a link and taken back, with no network anywhere."""
    with Answer(as_json) as answer:
        from host_tools.sim import loan as story

        _tell(answer, story.tell, picture_file, "latchkey loan")


def _tell(
    answer: Answer, tell: Callable[[Callable[[str], None], Show], dict[str, Any]], file: Path | None, title: str
) -> None:
    """Tell a story on the terminal, and in a picture of it."""
    screen = picture.screen()

    def say(text: str) -> None:
        answer.say(text)
        screen.print(text, markup=False)

    def show(*parts: RenderableType) -> None:
        answer.show(*parts)
        screen.print(*parts)

    result = tell(say, show)
    if file is not None:
        picture.save(screen, file, title)
    answer.done(**result)
