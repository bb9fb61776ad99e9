# SPDX-License-Identifier: Apache-2.0
"""A serial port, real or simulated, opened for one process alone and without resetting the board behind it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tempfile
import termios
import time
from pathlib import Path

import serial

from host_tools.faults import LatchkeyError

BAUD = 115200


class PortError(LatchkeyError):
    """The port cannot be used, so that no car can be reached through it."""

    name = "PORT"
    exit_code = 3


class PortMissing(PortError):
    """There is no such port."""

    name = "PORT_MISSING"


class PortBusy(PortError):
    """Somebody else has it."""

    name = "PORT_BUSY"


class NoPermission(PortError):
    """This user may not open it."""

    name = "PORT_PERMISSION"


class PortGone(PortError):
    """It was there, and has gone: the cable was pulled, or the simulated board has ended."""

    name = "PORT_GONE"


def open_port(path: str, patience: float = 0.0) -> serial.Serial:
    """Open `path` at 115200 baud for this process alone. A pyserial URL will do too (`socket://`, `rfc2217://`).

    `patience` is how many seconds to wait for a short command that has it.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _open(path)
        except PortBusy:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def _open(path: str) -> serial.Serial:
    try:
        port = serial.serial_for_url(path, BAUD, timeout=0.1, write_timeout=5, do_not_open=True)
        if "://" not in path:
            port.exclusive = True
        # Both DTR and RTS go up when the port opens, and both stay up: an ESP32 board resets when they differ.
        port.open()
    except (OSError, ValueError) as error:
        raise _explain(path, error) from error
    if "://" not in path:
        with contextlib.suppress(termios.error):
            _keep_lines_up(port.fileno())
    return port


def runtime_path(name: str, kind: str) -> Path:
    """Where programs of this user meet over a port or a file: in a folder that nobody else can look into."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base, f"latchkey-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise LatchkeyError(f"{folder} is not a folder of yours alone", "remove it, or make it yours with mode 0700")
    return folder / f"{hashlib.sha256(os.path.realpath(name).encode()).hexdigest()[:16]}.{kind}"


def _keep_lines_up(descriptor: int) -> None:
    """Closing the port must not reset the board either."""
    attributes = termios.tcgetattr(descriptor)
    attributes[2] &= ~termios.HUPCL
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _explain(path: str, error: Exception) -> PortError:
    code = getattr(error, "errno", None)
    if "exclusively lock" in str(error) or code in (errno.EBUSY, errno.EWOULDBLOCK):
        return PortBusy(
            f"{path} is in use by another program",
            "end that program, or let it finish: `pair`, `monitor` and `bridge` share the port, nothing else does",
        )
    if code == errno.ENOENT or (code is None and not os.path.lexists(path) and "://" not in path):
        target = "points to a simulated board that has ended" if Path(path).is_symlink() else "does not exist"
        return PortMissing(f"{path} {target}", "plug the board in, or start one with `latchkey sim --port LINK`")
    if code in (errno.EACCES, errno.EPERM):
        return NoPermission(
            f"no permission to open {path}",
            "add yourself to its group (often `sudo usermod -aG dialout $USER`) and log in again",
        )
    return PortError(f"cannot open {path}: {error}", "is it a serial port?")
