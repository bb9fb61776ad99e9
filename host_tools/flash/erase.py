# SPDX-License-Identifier: Apache-2.0
"""Back to factory: every block of the board's file system erased, so that no key can be read out of it any more.

MicroPython stays, and makes a new, empty file system at the next start.
"""

from __future__ import annotations

from collections.abc import Callable

from host_tools.faults import LatchkeyError
from host_tools.flash import chip, interrupts
from host_tools.flash.files import Files
from host_tools.flash.repl import Repl, ScriptFailed

REMOVE = "end the simulation and remove the file"
_CUT = "the erase was cut short and the board may be no car now: run this again to erase it all"
_STEP = 16  # blocks at a time: some 0.6 s
# The first two blocks say that there is a file system: without them nothing of what is left counts.
_BEGIN = """
import vfs, json
from flashbdev import bdev
try: vfs.umount('/')
except OSError: pass  # an earlier erase got as far
n = bdev.ioctl(4, 0)
print(json.dumps(n))
"""


class EraseFailed(LatchkeyError):
    """Something is still there."""

    name = "ERASE_FAILED"


def contents(repl: Repl) -> list[str]:
    """What would be lost: the files and folders at the root."""
    found = chip.identify(repl)
    if found.image:
        raise chip.simulated(found.image, REMOVE)
    try:
        repl.run("import flashbdev")
    except ScriptFailed:
        text = f"this is a {found.machine or 'board'}, and how to erase it is not known here"
        raise chip.WrongChip(text, "only the flash of ESP32 boards is") from None
    Files(repl)
    return [str(name) for name in repl.ask("print(json.dumps(sorted(os.listdir('/'))))")]


def erase(repl: Repl, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Erase it all and start the board. Returns the number of blocks."""
    chip.identify(repl)
    blocks = int(repl.ask(_BEGIN))
    try:
        for first in range(0, blocks, _STEP):
            last = min(first + _STEP, blocks)
            repl.run(f"for b in range({first}, {last}): bdev.ioctl(6, b)")
            progress(last, blocks)
        left = repl.ask(
            "b = bytearray(512)\nbdev.readblocks(0, b, 0)\nprint(json.dumps(sum(1 for x in b if x != 255)))"
        )
        if left:
            raise EraseFailed("the board's flash does not erase", "esptool erase-flash may, or the flash is bad")
        repl.restart()
    except BaseException as error:
        interrupts.tell(error, _CUT)
        raise
    return blocks
