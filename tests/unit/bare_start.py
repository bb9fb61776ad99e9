# SPDX-License-Identifier: Apache-2.0
"""A board with MicroPython and nothing else: its root is a littlefs on an image file, as on a stock ESP32.

For tests of what is done to boards. BARE_MACHINE, BARE_VERSION, BARE_MPY (of sys.implementation) and BARE_CUT (a flash
operation at which the power fails) come from the environment; the rest as for the simulated board.
"""

import os
import sys

import vfs

_here = sys.path[0]
sys.path[:] = [_here, _here + "/../../boards/UNIX", ".frozen"]

import machine  # noqa: E402, F401 - while the host's files can be seen
from flash import BLOCK, Flash  # noqa: E402


class _Over:
    """A module with some names replaced."""

    def __init__(self, real, **names):
        self._real = real
        for name in names:
            setattr(self, name, names[name])

    def __getattr__(self, name):
        return getattr(self._real, name)


class _Implementation:
    name = "micropython"
    version = tuple(int(part) for part in (os.getenv("BARE_VERSION") or "1.28.0").split("."))
    _machine = os.getenv("BARE_MACHINE") or "Generic ESP32 module with ESP32"
    _mpy = int(os.getenv("BARE_MPY") or sys.implementation._mpy)

    def __getitem__(self, index):
        return (self.name, self.version, self._machine, self._mpy)[index]


class _Board:
    """What of the module `flashbdev` is used."""

    bdev = None


def _mount():
    bdev = _Board.bdev = Flash(os.getenv("LATCHKEY_IMAGE"))
    bdev.cut_after(int(os.getenv("BARE_CUT") or 0))
    try:
        system = vfs.VfsLfs2(bdev)
    except OSError:
        first = bytearray(BLOCK)
        bdev.readblocks(0, first)
        if first != b"\xff" * BLOCK:
            print("The filesystem appears to be corrupted.")
        print("Performing initial setup")
        vfs.VfsLfs2.mkfs(bdev)
        system = vfs.VfsLfs2(bdev)
        new = True
    else:
        new = False
    vfs.umount("/")
    vfs.mount(system, "/")
    os.chdir("/")
    if new:
        with open("boot.py", "w") as f:
            f.write("# This file is executed on every boot (including wake-boot from deepsleep)\n")


_safe = os.getenv("LATCHKEY_SAFE")
_mount()
sys.modules["sys"] = _Over(sys, implementation=_Implementation())
sys.modules["flashbdev"] = _Board
if os.getenv("BARE_BLUETOOTH"):
    sys.modules["bluetooth"] = _Board
sys.path[:] = ["", ".frozen", "/lib"]


def _run(name):
    try:
        os.stat(name)
    except OSError:
        return
    try:
        execfile(name)  # noqa: F821 - a builtin of this interpreter
    except KeyboardInterrupt as error:
        sys.print_exception(error)
    except Exception as error:  # noqa: BLE001 - whatever it was, the prompt comes next, as on a board
        sys.print_exception(error)


_run("boot.py")
if not _safe:
    _run("main.py")
