# SPDX-License-Identifier: Apache-2.0
"""What the commands have in common: their options, and the way from options to a car."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from host_tools.faults import Misuse
from host_tools.serial.bench import Bench

Port = Annotated[
    str | None,
    typer.Option(
        "--port", envvar="LATCHKEY_PORT", metavar="P", help="The serial port of the board, real or simulated."
    ),
]
KeyFile = Annotated[
    Path, typer.Option("--key", envvar="LATCHKEY_KEY", metavar="FILE", help="The phone's private key (PEM).")
]
# Not from the environment: who works at a bench has one there, and looks through the bench all the same.
KeyIfAny = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="Ask with this phone's key (PEM), and not through the bench channel."),
]
Vin = Annotated[
    str | None, typer.Option("--vin", metavar="VIN", help="The car that is meant: another one is asked for nothing.")
]
Ble = Annotated[bool, typer.Option("--ble", help="Over Bluetooth, in place of the serial port: scans for the VIN.")]
Radio = Annotated[
    str | None,
    typer.Option(
        "--radio",
        envvar="LATCHKEY_RADIO",
        metavar="NAME",
        help="With --ble: LINK.radio of a simulated car, or a Bumble transport; else the system's adapter.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", min=0.1, max=600.0, help="How long to wait for the car.")
]
Role = Annotated[
    Literal["owner", "driver", "guest", "service", "fm", "monitor", "charging"],
    typer.Option("--role", help="What the key may do."),
]
Label = Annotated[str, typer.Option("--label", metavar="TEXT", help="A name for the key, at most 24 bytes.")]
Closure = Annotated[
    Literal[
        "driver-door",
        "passenger-door",
        "rear-driver-door",
        "rear-passenger-door",
        "trunk",
        "frunk",
        "charge-port",
        "tonneau",
    ],
    typer.Argument(metavar="CLOSURE", help="One of the car's eight closures.", show_choices=True),
]

PATIENCE = 10.0


# What people call a closure -> what the bench calls it.
BENCH_CLOSURES = {
    "driver-door": "front_driver_door",
    "passenger-door": "front_passenger_door",
    "rear-driver-door": "rear_driver_door",
    "rear-passenger-door": "rear_passenger_door",
    "trunk": "rear_trunk",
    "frunk": "front_trunk",
    "charge-port": "charge_port",
    "tonneau": "tonneau",
}


def is_vin(vin: object) -> bool:
    """Whether that is a VIN as ISO 3779 has it."""
    return isinstance(vin, str) and re.fullmatch(r"[0-9A-HJ-NPR-Z]{17}", vin) is not None


def check_vin(vin: str) -> None:
    """Raises Misuse unless that is a VIN."""
    if not is_vin(vin):
        raise Misuse(f"{vin!r} is not a VIN", "it has 17 digits and capital letters, and none of them is I, O or Q")


def open_car(port: str | None, timeout: float, share: bool = False) -> Bench:
    """The car on that port."""
    if not port:
        raise Misuse("no port is given", "say --port P, or set LATCHKEY_PORT")
    return Bench.open(port, timeout, share)
