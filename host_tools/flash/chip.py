# SPDX-License-Identifier: Apache-2.0
"""Is this the board that the firmware was compiled for?"""

from __future__ import annotations

from dataclasses import dataclass

from host_tools.build.boards import Board
from host_tools.faults import LatchkeyError, Misuse
from host_tools.flash.repl import Repl

OLDEST = (1, 26)
_MPY = 6  # the bytecode version that mpy-cross writes and every MicroPython since OLDEST reads
# The processors of native code, by the number in sys.implementation._mpy >> 10 (MicroPython, py/persistentcode.h).
_MARCHES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip
_WHO = """
import sys, json, os
i = sys.implementation
try:
 import flashbdev
 image = None
except ImportError:
 image = getattr(os, 'getenv', lambda name: None)('LATCHKEY_IMAGE')
print(json.dumps([i[0], list(i[1][:3]), getattr(i, '_machine', ''), getattr(i, '_mpy', 0), image]))
"""


class WrongChip(LatchkeyError):
    """Another chip than the firmware is for."""

    name = "WRONG_CHIP"


class OldMicroPython(LatchkeyError):
    """Its MicroPython cannot run the firmware."""

    name = "OLD_MICROPYTHON"


@dataclass(frozen=True)
class Chip:
    """What a board said of itself."""

    version: tuple[int, ...]
    machine: str
    mpy: int
    image: str | None = None
    """The file that is a simulated board's flash."""

    @property
    def micropython(self) -> str:
        """Its version, as people write it."""
        return ".".join(map(str, self.version))

    @property
    def name(self) -> str:
        """ESP32, ESP32S3 and so on."""
        return self.machine.rpartition(" with ")[2].replace("-", "").upper()

    @property
    def march(self) -> str:
        """What native code has to be compiled for."""
        index = self.mpy >> 10 & 0x0F
        return _MARCHES[index] if index < len(_MARCHES) else f"number {index}"


def identify(repl: Repl) -> Chip:
    """Ask it."""
    name, version, machine, mpy, image = repl.ask(_WHO)
    if name != "micropython":
        raise OldMicroPython(f"the board runs {name}", "put MicroPython on it")
    return Chip(tuple(version), machine, mpy, image)


def simulated(image: str | None, todo: str) -> Misuse:
    """A simulated board's flash is a file of this computer, and its firmware this folder's."""
    return Misuse(f"this is a simulated board, and its flash is the file {image or 'at its --image'}", todo)


def check(chip: Chip, board: Board) -> None:
    """Refuse a board that this firmware would not run on."""
    if chip.image:
        raise simulated(chip.image, "it runs the firmware of this folder: end it and start it again after a change")
    if chip.version[:2] < OLDEST:
        raise OldMicroPython(
            f"the board has MicroPython {chip.micropython}; the firmware needs {'.'.join(map(str, OLDEST))} or newer",
            f"put a newer one on it with esptool, as {board.readme} says (it keeps the files)",
        )
    if chip.name != board.chip:
        raise WrongChip(
            f"this is a {chip.machine or 'board that does not say its chip'}, and {board.name} has an {board.chip}",
            "give the --board that it is",
        )
    if chip.mpy & 0xFF != _MPY or chip.march != board.march:
        raise WrongChip(
            f"its MicroPython loads version {chip.mpy & 0xFF} code for {chip.march or 'no processor'}, "
            f"and {board.name} needs version {_MPY} for {board.march}",
            f"put a MicroPython for {board.name} on it, as {board.readme} says",
        )
