# SPDX-License-Identifier: Apache-2.0
"""The simulated board's flash as a file: whether it can be one, whose it is, and a new one when there is none.

The lock is on the file itself, so that it holds for every user, every name of the file and every environment.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import subprocess
from pathlib import Path

from host_tools import places
from host_tools.faults import LatchkeyError, Misuse

_SIMULATED = places.ROOT / "boards" / "UNIX"
_BLOCK = 4096
_LEAST = 4  # blocks: littlefs takes two for each folder
_ANOTHER = "give another --image"
_MAKE = """
import sys, vfs
sys.path.append(sys.argv[1])
from flash import Flash, make_image
make_image(sys.argv[2])
vfs.VfsLfs2.mkfs(Flash(sys.argv[2]))
"""


class BoardDied(LatchkeyError):
    """The simulated board cannot run."""

    name = "BOARD_DIED"


def claim(image: Path, interpreter: str) -> contextlib.ExitStack:
    """Hold `image` for one board until the returned stack is closed; an image that is missing or empty is made.

    :raises Misuse: it is in use, or can be no image: a folder, a device, a file that may not be written.
    :raises BoardDied: it is a file of another kind.
    """
    path = Path(os.path.realpath(image))  # a link to an image stays one
    stack = contextlib.ExitStack()
    try:
        held = _hold(path, image, stack)
        size = os.fstat(held).st_size
        if not size:
            _make(path, interpreter, stack)
        elif size % _BLOCK or size < _LEAST * _BLOCK:
            text = f"{image} is no flash image: {size} bytes are not {_LEAST} or more blocks of {_BLOCK}"
            raise BoardDied(text, f"{_ANOTHER}; this one is left as it is")
    except BaseException:
        stack.close()
        raise
    return stack


def _hold(path: Path, image: Path, stack: contextlib.ExitStack) -> int:
    while True:
        held = _open(path, image)
        stack.callback(os.close, held)
        _lock(held, image)
        if _is_at(held, path):
            return held
        # else it was replaced while we waited at the door


def _open(path: Path, image: Path) -> int:
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise Misuse(f"{image} is a folder, not a flash image", f"name a file in it, such as {image / 'car.img'}")
        if not stat.S_ISREG(mode):
            raise Misuse(f"{image} is a device, not a flash image", _ANOTHER)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Misuse(f"{image} may not be read and written here", f"make it yours, or {_ANOTHER}") from None
        raise Misuse(f"{image} cannot be opened: {error.strerror}", _ANOTHER) from None


def _lock(held: int, image: Path) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Misuse(f"{image} is in use by another simulated board", "end it, or use another image") from None


def _is_at(held: int, path: Path) -> bool:
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(held))


def _make(path: Path, interpreter: str, stack: contextlib.ExitStack) -> None:
    """Renamed when it is whole, and locked before: a half-made image would be refused for ever."""
    new = path.with_name(path.name + ".new")
    command = [interpreter, "-c", _MAKE, str(_SIMULATED), str(new)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        with contextlib.suppress(OSError):
            new.unlink()
        said = (made.stderr or made.stdout).strip().splitlines() or ["it gave no reason"]
        raise BoardDied(f"{path} cannot be made: {said[-1]}", "is the disk full?")
    held = os.open(new, os.O_RDWR | os.O_CLOEXEC)
    stack.callback(os.close, held)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    new.replace(path)
