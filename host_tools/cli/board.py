# SPDX-License-Identifier: Apache-2.0
"""Boards: simulate one, give one its identity, listen to one, bridge one to TCP, and tell the story on one."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from host_tools import words
from host_tools.cli import picture
from host_tools.cli.answer import Answer
from host_tools.cli.options import PATIENCE, Json, Port, Timeout, check_vin, open_car
from host_tools.faults import LatchkeyError, Misuse, Refused
from host_tools.serial.bench import Bench
from host_tools.serial.bridge import Bridge, parse_listen
from host_tools.sim import demo as story
from host_tools.sim.board import BoardDied, SimulatedBoard, run_foreground


def sim(
    image: Annotated[
        Path, typer.Option("--image", metavar="FILE", help="The flash: made if missing, kept afterwards.")
    ],
    port: Annotated[Path, typer.Option("--port", metavar="LINK", help="Becomes a link to the board's serial port.")],
    vin: Annotated[str | None, typer.Option("--vin", metavar="VIN", help="Provision a new board as this car.")] = None,
    heap: Annotated[
        str, typer.Option("--heap", metavar="SIZE", help="Heap, as a 32-bit board would have it.")
    ] = "160K",
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


def provision(
    vin: Annotated[str, typer.Option("--vin", metavar="VIN", help="The car's 17-character VIN.")],
    port: Port = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, in JSON or TOML.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an identity: the board forgets every key.")] = False,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Give a new board its identity and settings."""
    with Answer(as_json) as answer:
        check_vin(vin)
        settings = read_settings(config, vin)
        with open_car(port, timeout) as car, answer.working("making the car's key, and restarting"):
            known = car.hello.get("vin")
            if known and not force:
                raise Refused(
                    "ALREADY_PROVISIONED", f"this board is car {known}", "--force overwrites it, and forgets its keys"
                )
            public = car.provision(vin, settings, force)["public_key"]
            answer.done(
                f"This board is now car {vin}.", did="provision", vin=vin, public_key=public, forced=bool(known)
            )


def monitor(port: Port = None, timeout: Timeout = PATIENCE, as_json: Json = False) -> None:
    """Show what the car prints and does, until Ctrl-C. Other commands can use the port meanwhile.

    With --json, each event is one JSON object in a line of its own.
    """
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


def bridge(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where phones connect; port 0 picks a free one.")
    ],
    port: Port = None,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Let other machines connect too, if --listen is such an address.")
    ] = False,
    timeout: Timeout = PATIENCE,
    as_json: Json = False,
) -> None:
    """Let client libraries reach the car over TCP: each connection is one phone, with the radio's own bytes."""
    with Answer(as_json) as answer:
        address = parse_listen(listen, anywhere)

        def say(text: str) -> None:
            (answer.warn if as_json else answer.say)(text)

        with open_car(port, timeout, share=True) as car:
            served = Bridge(car.connect, address, say)
            thread = threading.Thread(target=served.run, name="latchkey bridge", daemon=True)
            thread.start()
            host, number = served.address
            answer.begun(
                f"Phones can reach car {car.hello.get('vin')} at {host}:{number}; Ctrl-C ends it.",
                did="bridge",
                vin=car.hello.get("vin"),
                host=host,
                port=number,
            )
            sys.stdout.flush()
            try:
                thread.join()
            except KeyboardInterrupt:
                return
            finally:
                served.close()


def demo(
    picture_file: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Also draw the terminal, as an SVG.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell the story: pair, reboot cold, unlock and start, with no network anywhere."""
    screen = picture.screen()

    def say(text: str) -> None:
        answer.say(text)
        screen.print(text, markup=False)

    def show(*parts: RenderableType) -> None:
        answer.show(*parts)
        screen.print(*parts)

    with Answer(as_json) as answer:
        result = story.tell(say, show)
        if picture_file is not None:
            picture.save(screen, picture_file, "make demo")
        answer.done(**result)


def read_settings(path: Path | None, vin: str) -> dict[str, Any]:
    """The settings in a file. It may repeat the VIN, not contradict it."""
    if path is None:
        return {}
    try:
        text = path.read_text()
        settings = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except UnicodeDecodeError:
        raise Misuse(f"{path} is not a text file", "settings are JSON or TOML") from None
    except ValueError as error:
        raise Misuse(f"{path} cannot be read: {error}", "settings are JSON, or TOML in a file named *.toml") from None
    if not isinstance(settings, dict):
        raise Misuse(f"{path} does not hold settings", "it must be one object of names and values")
    if settings.pop("vin", vin) != vin:
        raise Misuse(f"{path} is for another VIN than {vin}", "give the one that you mean")
    return settings
