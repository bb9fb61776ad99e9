# SPDX-License-Identifier: Apache-2.0
"""The session cache: a small JSON file beside the key file, so that a command needs no handshake first.

A counter is written here before the command that carries it leaves, so neither a crash nor a second terminal with
the same key uses one twice. The shared key is not in it: it follows from the key file.

It saves a round trip and is nothing that a driver needs. Where it cannot be read or written, that is said once, and
this process goes on from memory: the car puts a phone that is out of step into step again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from host_tools.phone.session import COUNTER_LIMIT, Session

_VERSION = 1
_LARGEST = 1 << 20
_PATIENCE = 2.0  # seconds for others with the same key to be done


@dataclass(frozen=True)
class Saved:
    """What is kept of a session with one car."""

    car_public: str
    epoch: str
    counter: int
    clock_zero: float
    clock_seen: int

    @classmethod
    def of(cls, session: Session) -> Saved:
        """The part of a session that is kept."""
        return cls(
            session.car_public.hex(),
            session.epoch.hex(),
            session.counter,
            session.clock_zero,
            session.clock_seen,
        )

    @classmethod
    def parse(cls, value: object) -> Saved | None:
        """An entry of the file, or None if it is not one of ours."""
        if not isinstance(value, dict):
            return None
        public, epoch, zero = value.get("car_public"), value.get("epoch"), value.get("clock_zero")
        counter, seen = _count(value.get("counter")), _count(value.get("clock_seen"))
        if not (_is_hex(public, 65) and _is_hex(epoch, 16)) or counter is None or seen is None:
            return None
        if isinstance(zero, bool) or not isinstance(zero, int | float) or not abs(zero) < 1e12:
            return None
        return cls(str(public), str(epoch), counter, float(zero), seen)


def _warn(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr)


class SessionCache:
    """The sessions of one key, by VIN. Without a key file they live in memory."""

    def __init__(self, key_path: Path | None = None, warn: Callable[[str], None] = _warn) -> None:
        self._key_path = key_path
        self.path = None if key_path is None else key_path.with_name(key_path.name + ".sessions.json")
        self._warn = warn
        self._warned = False
        self._memory: dict[str, Saved] | None = {} if key_path is None else None  # in place of the file

    def load(self, vin: str) -> Saved | None:
        """The session with that car, if there is a readable one."""
        return self._read().get(vin)

    def vins(self) -> list[str]:
        """The cars that this key has met."""
        return sorted(self._read())

    def save(self, session: Session) -> None:
        """Keep a session as it is now."""
        with self._locked():
            self._write({**self._read(), session.vin: Saved.of(session)})

    def next_counter(self, session: Session) -> int:
        """Reserve the next counter of this session, on disk before anybody can send it."""
        with self._locked():
            entries = self._read()
            saved = entries.get(session.vin)
            newest = session.counter
            if saved is not None and saved.epoch == session.epoch.hex():
                newest = max(newest, saved.counter)
            session.counter = min(newest + 1, COUNTER_LIMIT)
            self._write({**entries, session.vin: Saved.of(session)})
        return session.counter

    def forget(self, vin: str) -> None:
        """Drop the session with that car."""
        with self._locked():
            entries = self._read()
            if entries.pop(vin, None) is not None:
                self._write(entries)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time: the lock is on the key file itself, which is always there."""
        with contextlib.ExitStack() as stack:
            if self._key_path is not None and self._memory is None:
                try:
                    _lock(stack.enter_context(self._key_path.open("rb")).fileno())
                except OSError as error:
                    self._give_up(f"{self._key_path} cannot be locked: {error.strerror}", self._read())
            yield

    def _read(self) -> dict[str, Saved]:
        if self._memory is not None:
            return dict(self._memory)
        try:
            document = _document(self.path) if self.path else None
        except FileNotFoundError:
            return {}
        except OSError as error:
            return self._give_up(f"{self.path} cannot be read: {error.strerror}", {})
        if document is None:
            self._say(f"{self.path} is damaged, and begins anew")
            return {}
        if document.get("version") != _VERSION:
            return self._give_up(f"{self.path} is of another version of Latchkey", {})
        entries = document.get("sessions")
        parsed = {vin: Saved.parse(value) for vin, value in entries.items()} if isinstance(entries, dict) else {}
        return {vin: saved for vin, saved in parsed.items() if saved is not None}

    def _write(self, entries: dict[str, Saved]) -> None:
        if self._memory is not None or self.path is None:
            self._memory = entries
            return
        document = {"version": _VERSION, "sessions": {vin: asdict(saved) for vin, saved in entries.items()}}
        try:
            _replace(self.path, json.dumps(document))
        except OSError as error:
            self._give_up(f"{self.path} cannot be written: {error.strerror}", entries)

    def _give_up(self, why: str, entries: dict[str, Saved]) -> dict[str, Saved]:
        """From here on, in memory."""
        self._say(f"{why}; the session is remembered by this command only")
        self._memory = entries
        return dict(entries)

    def _say(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"warning: {why}")


def _lock(descriptor: int) -> None:
    """Raises OSError when another program keeps it for too long."""
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


def _document(path: Path) -> dict[str, object] | None:
    """The object in that file; None for anything else in it. Raises OSError for what is no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # what is no file may never answer
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        data = file.read(_LARGEST)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _replace(path: Path, text: str) -> None:
    """Put that into the file, or leave it as it was."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_hex(value: object, size: int) -> bool:
    if not isinstance(value, str) or len(value) != 2 * size:
        return False
    try:
        return len(bytes.fromhex(value)) == size
    except ValueError:
        return False


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNTER_LIMIT:
        return value
    return None
