# SPDX-License-Identifier: Apache-2.0
"""The boards that the firmware runs on: what boards/<BOARD>/board.py says, read and not run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host_tools import places
from host_tools.faults import Misuse

FOLDER = places.ROOT / "boards"


@dataclass(frozen=True)
class Board:
    """A kind of board."""

    name: str
    chip: str
    """As MicroPython names it, without hyphens: ESP32, ESP32S3."""
    march: str
    """What native code is compiled for."""
    serial: str
    """`uart`: a bridge chip's port. `usb`: the chip's own, which goes away when it restarts."""
    mhz: int
    source: Path
    """Its board.py."""
    pins: dict[str, int | None] = field(default_factory=dict)
    outputs: bytes = b""
    """The GPIOs that a wire may be on, and those that only an input may be on."""
    inputs: bytes = b""

    @property
    def readme(self) -> str:
        """Where its wiring and how MicroPython gets onto it are written down."""
        return str(FOLDER / self.name / "README.md")


def names() -> list[str]:
    """All boards that can be flashed: those that say which chip they have."""
    return sorted(path.parent.name for path in FOLDER.glob("*/board.py") if "_CHIP" in _assigned(path))


def find(name: str) -> Board:
    """The board of that name."""
    path = FOLDER / name / "board.py"
    if name not in names():
        raise Misuse(f"there is no board {name}", f"boards are {', '.join(names())}")
    said = _assigned(path)
    return Board(
        said["NAME"],
        said["_CHIP"],
        said["_MARCH"],
        said["_SERIAL"],
        said["_MHZ"],
        path,
        said["PINS"],
        said["OUTPUTS"],
        said["INPUTS"],
    )


def _assigned(path: Path) -> dict[str, Any]:
    """Names and values that a file assigns literally, with or without const()."""
    found = {}
    for node in ast.parse(path.read_text("utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="const"), args=[value])):
                found[name] = ast.literal_eval(value)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() | ast.Dict() as value):
                found[name] = ast.literal_eval(value)
    return found
