# SPDX-License-Identifier: Apache-2.0
"""The session cache: a small JSON file beside the key file, so that a command needs no handshake first.

A counter is written here before the command that carries it leaves, so neither a crash nor a second terminal with
the same key uses one twice. The shared key is not in it: it follows from the key file.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from host_tools.phone.session import COUNTER_LIMIT, Session

_VERSION = 1
_LARGEST = 1 << 20


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


class SessionCache:
    """The sessions of one key, by VIN. Without a key file they live in memory."""

    def __init__(self, key_path: Path | None = None) -> None:
        self._key_path = key_path
        self.path = None if key_path is None else key_path.with_name(key_path.name + ".sessions.json")
        self._memory: dict[str, Saved] = {}

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
        if self._key_path is None:
            yield
            return
        with self._key_path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read(self) -> dict[str, Saved]:
        if self.path is None:
            return dict(self._memory)
        try:
            with self.path.open("rb") as file:
                document = json.loads(file.read(_LARGEST))
        except (OSError, ValueError, RecursionError):
            return {}
        entries = document.get("sessions") if isinstance(document, dict) else None
        if not isinstance(entries, dict) or document.get("version") != _VERSION:
            return {}
        parsed = {vin: Saved.parse(value) for vin, value in entries.items()}
        return {vin: saved for vin, saved in parsed.items() if saved is not None}

    def _write(self, entries: dict[str, Saved]) -> None:
        if self.path is None:
            self._memory = entries
            return
        document = {"version": _VERSION, "sessions": {vin: asdict(saved) for vin, saved in entries.items()}}
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name + ".")  # mode 0600
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self.path)
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
