# SPDX-License-Identifier: Apache-2.0
"""What a car takes of a board's heap: measured under an interpreter, and counted for a board of 32 bits.

`python -m host_tools.sim.heap` prints it for the interpreter at hand. It boots the compiled firmware as a board does,
with radio and bench off, and looks after a second. docs/performance.md says what the figures mean.
"""

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from host_tools import places, words
from host_tools.build import compiling, staging
from host_tools.sim.interpreter import WIDER, ask, find_micropython

BOARD = 134 * 1024
"""Bytes of heap that a stock ESP32 has when boot.py begins."""
_SCRIPT = places.ROOT / "boards" / "UNIX" / "heap.py"


@dataclass
class Heap:
    """Bytes in use after boot, on an interpreter of so many bits."""

    bits: int
    used: int
    modules: dict[str, int]
    """What each module keeps: its code, and the names and tables in it."""
    names: int
    """How many names are interned: of modules, functions, attributes, arguments and short texts."""
    names_bytes: int
    """What their table takes; it is a part of what the modules keep."""

    @property
    def on_board(self) -> int:
        """The same on a board of 32 bits."""
        return round(self.used / WIDER) if self.bits == 64 else self.used

    @property
    def board_free(self) -> int:
        return BOARD - self.on_board

    def parts(self) -> dict[str, int]:
        """Bytes by folder, and what is left: buffers, objects and tasks."""
        parts: dict[str, int] = {}
        for name, size in sorted(self.modules.items()):
            folder = name.split(".")[0] if name.startswith("asyncio") else ".".join(name.split(".")[:2])
            if folder.count(".") and (staging.SOURCES / folder.replace(".", "/")).is_dir():
                part = folder.removeprefix("latchkey.") + "/"
            else:
                part = "asyncio" if folder == "asyncio" else "agent, car, router …"
            parts[part] = parts.get(part, 0) + size
        parts["buffers, objects, tasks"] = self.used - sum(parts.values())
        return parts


def measure(micropython: str | None = None) -> Heap:
    """Boot a freshly provisioned car under this interpreter."""
    interpreter = find_micropython(micropython)
    march, bits = ask(interpreter)
    with tempfile.TemporaryDirectory() as folder:
        image, built = Path(folder, "flash.img"), Path(folder, "firmware")
        compiling.build(built, march, small=True)
        command = [interpreter, "-X", "heapsize=4M", str(_SCRIPT), str(image), str(built)]
        for what in ("provision", "boot"):
            with subprocess.Popen(
                [*command, what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:  # the pipe to its serial port stays open while it runs
                assert process.stdout is not None  # noqa: S101 - it is a pipe; this tells mypy
                said = process.stdout.read()
    found = re.search(r"^heap: (.*)$", said, re.MULTILINE)
    interned = [int(number) for number in re.findall(r"n_qstr=(\d+)", said)]
    if found is None or len(interned) != 2:
        raise RuntimeError(f"{interpreter} did not boot it:\n{said}")
    used, modules = json.loads(found[1])
    names = interned[1] - interned[0]
    # The simulation's own names fill the first tables, which a board has for the firmware's.
    table = _names_table(names, bits)
    used += table - (_names_table(interned[1], bits) - _names_table(interned[0], bits))
    return Heap(bits, used, modules, names, table)


def _names_table(names: int, bits: int) -> int:
    """Bytes of MicroPython's tables for so many names (py/qstr.c): for 20 of them, then for 40, 80 …"""
    size, room = 0, 20
    while names > 0:
        size += 6 * bits // 8 + room * (bits // 8 + 3)  # of each: where it is, two bytes of hash, its length
        names -= room
        room *= 2
    return size


def main() -> int:
    heap = measure(sys.argv[1] if len(sys.argv) > 1 else None)
    table = Table(title=f"bytes of heap after boot, {heap.bits} bits")
    table.add_column("what")
    table.add_column("bytes", justify="right")
    for name, size in sorted(heap.modules.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{size:,}")
    table.add_section()
    for name, size in heap.parts().items():
        table.add_row(name, f"{size:,}")
    table.add_section()
    table.add_row("all", f"{heap.used:,}")
    table.add_row(f"of which tables for {heap.names} names", f"{heap.names_bytes:,}")
    table.add_row(f"all on a board of 32 bits (divided by {WIDER if heap.bits == 64 else 1})", f"{heap.on_board:,}")
    table.add_row(f"left of a board's {BOARD // 1024} KB", f"{heap.board_free:,}")
    words.show(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
