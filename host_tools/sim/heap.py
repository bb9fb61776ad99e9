# SPDX-License-Identifier: Apache-2.0
"""What a car takes of a board's heap: measured under an interpreter, and counted for a board of 32 bits.

`python -m host_tools.sim.heap` prints it for the interpreter at hand. It boots the firmware as a board does, compiled
or frozen into that interpreter, with and without bench and radio. It looks after a second, then when a key has been
enrolled, and when what that needed has been dropped. docs/performance.md says what the figures mean.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from host_tools import places, words
from host_tools.build import compiling, shorten, staging
from host_tools.phone import keyfile, messages
from host_tools.sim.interpreter import WIDER, ask, find_micropython

BOARD = 134 * 1024
"""Bytes of heap that a stock ESP32 has when boot.py begins, at the least."""
ROOMY = 164 * 1024
"""The same of MicroPython 1.26.1's build, as it was seen."""
_SCRIPT = places.ROOT / "boards" / "UNIX" / "heap.py"
_KEY = _SCRIPT.with_name("heap_key.py")  # in words: it asks the running car
_STAGES = ("booted", "key operation", "after it")
_TIMEOUT = 60.0
_FURTHER = (0, 1040, 2096, 4144)  # bytes of space before everything


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
            folder = ".".join(name.split(".")[: 2 if name.startswith("latchkey") else 1])
            if folder.count(".") and (staging.SOURCES / folder.replace(".", "/")).is_dir():
                part = folder.removeprefix("latchkey.") + "/"
            else:
                part = "agent, car, router …" if folder.startswith("latchkey") else folder
            parts[part] = parts.get(part, 0) + size
        parts["buffers, objects, tasks"] = self.used - sum(parts.values())
        return parts


_SYNC = {
    "wifi": {"ssid": "Garage", "password": "correct horse"},
    "authority": {"root": "04" + 64 * "5a", "seal": 16 * "5a", "url": "http://rosters.example.com/fleet"},
}


def measure(
    micropython: str | None = None,
    *,
    bench: bool = False,
    radio: bool = False,
    sync: bool = False,
    sources: Path | None = None,
) -> dict[str, Heap]:
    """Boot a freshly provisioned car under this interpreter, and enrol a key: by stage, `booted`, `key operation` (its
    modules are there) and `after it` (they were dropped). `sync`: it has an authority, and a Wi-Fi to fetch its
    rosters over. `sources` is a firmware in text, if it is not this one.

    With AIOBLE, a folder that holds aioble, the radio is that; without it aioble itself is not counted.
    """
    interpreter = find_micropython(micropython)
    march, bits = ask(interpreter)
    settings = json.dumps({"vin": "5YJ30123456789ABC", "radio": radio, "bench": bench} | (_SYNC if sync else {}))
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        if not frozen(interpreter):
            sources = sources or staging.shortened()
            compiling.build(Path(folder), march, sources=sources, small=True)
            short = json.loads((sources / staging.NAMES).read_text())
            Path(folder, _KEY.name).write_text(shorten.translated(_KEY.read_text(), short))
        # A number that looks like a reference keeps what was freed: the smallest of several, which lie elsewhere.
        starts = list(pool.map(lambda further: _start(interpreter, bits, folder, settings, further), _FURTHER))
    return {stage: min((start[stage] for start in starts), key=lambda heap: heap.used) for stage in _STAGES}


def _start(interpreter: str, bits: int, built: str, settings: str, further: int) -> dict[str, Heap]:
    request = messages.present_key(messages.add_key(keyfile.generate().public, "owner")).SerializeToString()
    with contextlib.ExitStack() as stack:
        own = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        image = own / "flash.img"
        (own / "settings").write_text(settings)
        environment = dict(os.environ)
        if json.loads(settings)["radio"]:
            from host_tools.radio.car_side import CarRadio  # late: Bumble is large

            bridge = CarRadio()
            environment |= bridge.start()
            stack.callback(bridge.stop)
        for asked in ("", request.hex()):
            arguments = [str(image), built, str(own / "settings"), str(further), asked]
            with subprocess.Popen(
                [interpreter, "-X", "heapsize=4M", str(_SCRIPT), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
            ) as process:  # fmt: skip - the pipe to its serial port stays open while it runs
                timer = threading.Timer(_TIMEOUT, process.kill)
                timer.start()
                assert process.stdout is not None  # noqa: S101 - it is a pipe; this tells mypy
                said = process.stdout.read().decode(errors="replace")
                timer.cancel()
    found = [json.loads(line) for line in re.findall(r"^heap: (.*)$", said, re.MULTILINE)]
    interned = [int(number) for number in re.findall(r"n_qstr=(\d+)", said)]
    if tuple(stage for stage, *_ in found) != _STAGES or len(interned) != 1 + len(_STAGES):
        raise RuntimeError(f"{interpreter} did not boot it:\n{said}")
    heaps = {}
    for (stage, used, modules), there in zip(found, interned[1:], strict=True):
        # The simulation's own names fill the first tables, which a board has for the firmware's.
        names = there - interned[0]
        table = _names_table(names, bits)
        used += table - (_names_table(there, bits) - _names_table(interned[0], bits))
        heaps[stage] = Heap(bits, used, modules, names, table)
    return heaps


def frozen(interpreter: str) -> bool:
    """Whether the firmware is built into it."""
    code = "import sys; sys.path[:] = ['.frozen']; import latchkey"
    return not subprocess.run([interpreter, "-c", code], capture_output=True, check=False).returncode


def _names_table(names: int, bits: int) -> int:
    """Bytes of MicroPython's tables for so many names (py/qstr.c): for 20 of them, then for 40, 80 …"""
    size, room = 0, 20
    while names > 0:
        size += 6 * bits // 8 + room * (bits // 8 + 3)  # of each: where it is, two bytes of hash, its length
        names -= room
        room *= 2
    return size


def _modules(heap: Heap) -> Table:
    table = Table("what", title=f"bytes of heap after boot, {heap.bits} bits, bench and radio off")
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
    return table


def main() -> int:
    interpreter = find_micropython(sys.argv[1] if len(sys.argv) > 1 else None)
    cases = {(bench, radio): measure(interpreter, bench=bench, radio=radio)
             for bench in (False, True) for radio in (False, True)}  # fmt: skip
    words.show(_modules(cases[False, False]["booted"]))
    synced = measure(interpreter, sync=True)["booted"]
    print(f"With an authority and a Wi-Fi to fetch its rosters over {synced.board_free:,} bytes are left.")
    build = "frozen" if frozen(interpreter) else "from .mpy files"
    table = Table("bench", "radio", "when", title=f"firmware {build}: bytes of heap in use and left, on 32 bits")
    for column in ("names", "in use", f"left of {BOARD // 1024} KB", f"of {ROOMY // 1024} KB"):
        table.add_column(column, justify="right")
    for (bench, radio), stages in cases.items():
        for stage, heap in stages.items():
            figures = heap.names, heap.on_board, heap.board_free, ROOMY - heap.on_board
            on = [("off", "on")[each] for each in (bench, radio)]
            table.add_row(*on, stage, *(f"{figure:,}" for figure in figures))
        table.add_section()
    words.show(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
