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

from host_tools import firmware
from host_tools.faults import Misuse

_ARCHITECTURES = {1: "x86", 2: "x64", 3: "armv6"}  # of native code, as sys.implementation._mpy >> 10 tells them


def find_micropython(given: str | None = None) -> str:
    """The interpreter: as given, as MICROPYTHON says, or the one that was installed with this program."""
    beside = str(Path(sys.executable).parent / "micropython")
    wanted = given or os.environ.get("MICROPYTHON") or (beside if os.path.exists(beside) else "micropython")
    found = shutil.which(wanted)
    if found is None:
        raise Misuse(f"no MicroPython interpreter at {wanted}", "run `make setup`, or set MICROPYTHON")
    return found


def heap_option(heap: str) -> str:
    """The interpreter's option for a heap in a board's kilobytes. Its `w` makes it as large again on 64 bits."""
    match = re.fullmatch(r"(\d+)([KkMm]?)", heap)
    if match is None or not int(match[1]):
        raise Misuse(f"a heap size is a number with K or M, not {heap!r}", "for example 160K")
    return f"heapsize={match[1]}w{match[2].upper()}"


@functools.cache
def build_firmware(interpreter: str, production: bool = False) -> Path:
    """The folder of the firmware, compiled for this interpreter."""
    asked = subprocess.run(
        [interpreter, "-c", "import sys; print(getattr(sys.implementation, '_mpy', 0))"],
        capture_output=True,
        text=True,
        check=True,
    )
    march = _ARCHITECTURES.get(int(asked.stdout) >> 10)
    out = firmware.SOURCES.parent / "build" / f"sim-{march or 'bytecode'}{'-production' if production else ''}"
    firmware.build(out, march, production)
    return out
