# SPDX-License-Identifier: Apache-2.0
"""The MicroPython interpreter that stands for a board's: where it is, what it runs, how much heap it gets."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from host_tools.build import firmware
from host_tools.faults import Misuse

WIDER = 1.46
"""How much more heap the firmware takes on 64 bits than on 32 (docs/performance.md, "32 and 64 bits")."""
_STAND_INS = 19 * 1024
"""Bytes (of 32 bits) that `machine`, the flash and the radio's stack take here, with the table that their names need in
a key operation; a board has them in C."""
_ARCHITECTURES = {1: "x86", 2: "x64", 3: "armv6"}  # of native code, as sys.implementation._mpy >> 10 tells them


def find_micropython(given: str | None = None) -> str:
    """The interpreter: as given, as MICROPYTHON says, or the one that was installed with this program."""
    beside = str(Path(sys.executable).parent / "micropython")
    wanted = given or os.environ.get("MICROPYTHON") or (beside if os.path.exists(beside) else "micropython")
    found = shutil.which(wanted)
    if found is None:
        raise Misuse(
            f"no MicroPython interpreter at {wanted}",
            "`make setup` and `pipx reinstall latchkey` bring one; or set MICROPYTHON",
        )
    return found


def heap_option(heap: str, bits: int) -> str:
    """The interpreter's option for a heap that holds what a board's heap of this size holds, beside the stand-ins."""
    match = re.fullmatch(r"(\d+)([KkMm]?)", heap)
    if match is None or not int(match[1]):
        raise Misuse(f"a heap size is a number with K or M, not {heap!r}", "for example 160K")
    size = int(match[1]) << {"": 0, "K": 10, "M": 20}[match[2].upper()]
    size += _STAND_INS
    return f"heapsize={round(size * WIDER) if bits == 64 else size}"


@functools.cache
def ask(interpreter: str) -> tuple[str | None, int]:
    """What native code it runs, if any, and its bits."""
    code = "import sys; print(sys.implementation._mpy >> 10, 64 if sys.maxsize >> 32 else 32)"
    asked = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    if asked.returncode:
        raise Misuse(f"{interpreter} is no MicroPython that loads .mpy files", "set MICROPYTHON to one, or to nothing")
    architecture, bits = asked.stdout.split()
    return _ARCHITECTURES.get(int(architecture)), int(bits)


@functools.cache
def build_firmware(interpreter: str, production: bool = False) -> Path:
    """The folder of the firmware, compiled for this interpreter."""
    return firmware.for_interpreter(ask(interpreter)[0], production)
