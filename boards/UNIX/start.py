# SPDX-License-Identifier: Apache-2.0
"""What a board does at power-on, under the unix port: mount the flash, then run boot.py and main.py.

LATCHKEY_IMAGE is the flash image file, LATCHKEY_FIRMWARE the folder of the firmware; with LATCHKEY_SAFE set main.py is
not run, as after a soft reset from the raw REPL. Ending by SIGTERM means: this board cannot run, do not restart it.
"""

import os
import sys

import micropython
import vfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _refuse(why: str) -> None:
    print("simulated board:", why)
    os.system("kill -15 $PPID")  # the shell's parent: this process


def _mount(image: str) -> None:
    import board
    from flash import Flash

    try:
        flash: Any = Flash(image)
    except OSError as error:
        _refuse("%s cannot be opened (%s)" % (image, error))
        return
    try:
        vfs.mount(vfs.VfsLfs2(flash), "/data")
    except OSError as error:
        _refuse("%s does not hold a file system (%s); it is left as it is. Give another --image." % (image, error))
        return
    board.attach(flash)


def _given(name: str) -> str:
    value = os.getenv(name)
    if not value:
        _refuse(name + " is not set")
        raise SystemExit
    return value


def _aioble() -> list[str]:
    """Where aioble is. An interpreter with a radio of its own has the real one where mip put it."""
    try:
        import bluetooth  # noqa: F401
    except ImportError:
        return [sys.path[0] + "/radio"] if os.getenv("LATCHKEY_RADIO") else []
    return [folder for folder in sys.path[1:] if folder]


micropython.kbd_intr(-1)  # as on a board, whose Ctrl-C interrupts nothing before boot.py
os.chdir(_given("LATCHKEY_FIRMWARE"))
sys.path[:] = ["", sys.path[0]] + _aioble() + [".frozen"]
_mount(_given("LATCHKEY_IMAGE"))
execfile("boot.py")  # noqa: F821 - a builtin of this interpreter
if not os.getenv("LATCHKEY_SAFE"):
    execfile("main.py")  # noqa: F821
