# SPDX-License-Identifier: Apache-2.0
"""A simulated board's flash while the board is off: its files can be read and written, as with a programmer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from host_tools.sim.interpreter import find_micropython

_BOARD = Path(__file__).parents[2] / "boards" / "UNIX"
_MOUNT = "import os, vfs; from flash import Flash; vfs.mount(vfs.VfsLfs2(Flash(os.getenv('IMAGE'))), '/data')\n"


def write_file(image: Path, path: str, content: bytes) -> None:
    """Put a file onto the flash."""
    _run(image, f"with open({path!r}, 'wb') as file:\n    file.write({content!r})")


def change(image: Path, script: str) -> str:
    """Run MicroPython over the mounted flash. What it printed."""
    return _run(image, script)


def fill(image: Path, free: int = 0) -> None:
    """Somebody's file leaves no room but about `free` blocks."""
    script = """
with open('/data/room', 'wb') as file:
    file.write(bytes(4064 * %d))
with open('/data/ballast', 'wb') as file:
    try:
        while True:
            file.write(bytes(2000))
            file.flush()
    except OSError:
        pass
os.remove('/data/room')
"""
    _run(image, script % free)


def files(image: Path) -> dict[str, bytes]:
    """Every file on the flash, with its content."""
    found = _run(
        image,
        "def walk(folder):\n"
        "    for name, kind, *_ in os.ilistdir(folder):\n"
        "        path = folder + '/' + name\n"
        "        if kind == 0x4000:\n"
        "            walk(path)\n"
        "        else:\n"
        "            print(path, open(path, 'rb').read().hex())\n"
        "walk('/data')",
    )
    return {path: bytes.fromhex(content) for path, _, content in (line.partition(" ") for line in found.splitlines())}


def _run(image: Path, script: str) -> str:
    done = subprocess.run(
        [find_micropython(), "-c", _MOUNT + script],
        env={**os.environ, "MICROPYPATH": str(_BOARD), "IMAGE": str(image)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
