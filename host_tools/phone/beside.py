# SPDX-License-Identifier: Apache-2.0
"""Files beside a key file, in which a phone remembers: JSON for its owner's eyes alone, written as a whole or not at
all, and by one process at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PATIENCE = 2.0  # seconds for others with the same key to be done


def beside(key_path: Path, what: str) -> Path:
    """Where that is remembered."""
    return key_path.with_name(f"{key_path.name}.{what}.json")


@contextlib.contextmanager
def locked(key_path: Path) -> Iterator[None]:
    """One process at a time: the lock is on the key file itself, which is always there. Raises OSError, also when
    another program keeps it for too long."""
    with key_path.open("rb") as file:
        _lock(file.fileno())
        yield


def document(path: Path, most: int) -> dict[str, Any] | None:
    """The object in that file; None for anything else in it. Raises OSError for what is no file.

    :param most: bytes: what is longer is something else
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # what is no file may never answer
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        data = file.read(most)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def replace(path: Path, text: str | bytes) -> None:
    """Put that into the file, or leave it as it was. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
