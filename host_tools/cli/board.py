# SPDX-License-Identifier: Apache-2.0
"""Boards: give one its identity, and bridge one to TCP."""

from __future__ import annotations

import json
import sys
import threading
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from host_tools.cli.answer import Answer
from host_tools.cli.options import PATIENCE, Json, Port, Timeout, check_vin, open_car
from host_tools.faults import Misuse, Refused
from host_tools.serial.bridge import Bridge, parse_listen


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
