# SPDX-License-Identifier: Apache-2.0
"""Is this the board that the firmware was compiled for?"""

from __future__ import annotations

from dataclasses import dataclass

from host_tools.boards import Board
from host_tools.faults import LatchkeyError
from host_tools.flash.repl import Repl

OLDEST = (1, 26)
_MPY = 6  # the bytecode version that mpy-cross writes and every MicroPython since OLDEST reads
# The processors of native code, by the number in sys.implementation._mpy >> 10 (MicroPython, py/persistentcode.h).
_MARCHES = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip
# The watchdog that the agent started cannot be stopped, only given more time: a week is enough at the prompt.
_CALM = """
try:
 import machine
 machine.WDT(timeout=604800000)
except Exception:
 pass
"""
_WHO = """
import sys, json
i = sys.implementation
print(json.dumps([i[0], list(i[1][:3]), getattr(i, '_machine', ''), getattr(i, '_mpy', 0)]))
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
    """Ask it; and keep its watchdog from restarting it while it is worked on."""
    repl.run(_CALM)
    name, version, machine, mpy = repl.ask(_WHO)
    if name != "micropython":
        raise OldMicroPython(f"the board runs {name}", "put MicroPython on it")
    return Chip(tuple(version), machine, mpy)


def check(chip: Chip, board: Board) -> None:
    """Refuse a board that this firmware would not run on."""
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
