# SPDX-License-Identifier: Apache-2.0
"""The name of a simulated board's serial port: a link that leads nowhere else, and nowhere once the board has ended.

It goes through the simulating process's own descriptor (`/proc/PID/fd/N`), which ends with it however it ends. The
name of a pty does not: the next terminal that somebody opens gets it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from host_tools.faults import Misuse

_HIGH = 200  # a descriptor's number that few processes get to: that of another, much later, is not ours by chance
_ANOTHER = "give another --port"


def high(descriptor: int) -> int:
    """The same descriptor under a number that is seldom used."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH)
    os.close(descriptor)
    return moved


def check(link: Path) -> None:
    """Refuse a name that is not free. What a board left that was killed is free.

    :raises Misuse: a file, somebody's link, or the port of a board that runs.
    """
    if not link.is_symlink():
        if link.exists():
            raise Misuse(f"{link} exists and is not a link", _ANOTHER)
        return
    target, real = os.readlink(link), os.path.realpath(link)
    try:
        os.stat(link)
    except PermissionError:
        pass  # another user's process
    except OSError:
        return
    if target.startswith("/proc/"):
        if real.startswith(("/dev/", "/proc/")):
            raise Misuse(f"{link} is the port of a simulated board that runs", f"end it, or {_ANOTHER}")
    elif real.startswith("/dev/"):
        raise Misuse(f"{link} leads to {target}, which somebody may be using", f"remove the link, or {_ANOTHER}")
    else:
        raise Misuse(f"{link} is a link to {target}, not to a port", _ANOTHER)


def put(link: Path, descriptor: int) -> str:
    """Make `link` the name of the terminal behind our `descriptor`. Returns where it leads, for `remove`."""
    target = f"/proc/{os.getpid()}/fd/{descriptor}"
    if not os.path.exists(target):
        target = os.ttyname(descriptor)  # a system without /proc
    check(link)
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(target)
    except FileExistsError:
        raise Misuse(f"{link} is the port of another simulated board by now", _ANOTHER) from None
    return target


def remove(link: Path, target: str) -> None:
    """Take the name away if it is still ours."""
    with contextlib.suppress(OSError):
        if os.readlink(link) == target:
            link.unlink()
