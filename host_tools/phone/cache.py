# SPDX-License-Identifier: Apache-2.0
"""The session cache: a small JSON file beside the key file, so that a command needs no handshake first.

A counter is written here before the command that carries it leaves, so neither a crash nor a second terminal with
the same key uses one twice. The shared key is not in it: it follows from the key file.

It saves a round trip and is nothing that a driver needs. Where it cannot be read or written, that is said once, and
this process goes on from memory: the car puts a phone that is out of step into step again.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from host_tools.phone.beside import beside, document, locked, replace
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


def _warn(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(text, file=sys.stderr)


class SessionCache:
    """The sessions of one key, by VIN. Without a key file they live in memory."""

    def __init__(self, key_path: Path | None = None, warn: Callable[[str], None] = _warn) -> None:
        self._key_path = key_path
        self.path = None if key_path is None else beside(key_path, "sessions")
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
        """One process at a time, if there is a file."""
        with contextlib.ExitStack() as stack:
            if self._key_path is not None and self._memory is None:
                try:
                    stack.enter_context(locked(self._key_path))
                except OSError as error:
                    self._give_up(f"{self._key_path} cannot be locked: {error.strerror}", self._read())
            yield

    def _read(self) -> dict[str, Saved]:
        if self._memory is not None:
            return dict(self._memory)
        try:
            found = document(self.path, _LARGEST) if self.path else None
        except FileNotFoundError:
            return {}
        except OSError as error:
            return self._give_up(f"{self.path} cannot be read: {error.strerror}", {})
        if found is None:
            self._say(f"{self.path} is damaged, and begins anew")
            return {}
        if found.get("version") != _VERSION:
            return self._give_up(f"{self.path} is of another version of Latchkey", {})
        entries = found.get("sessions")
        parsed = {vin: Saved.parse(value) for vin, value in entries.items()} if isinstance(entries, dict) else {}
        return {vin: saved for vin, saved in parsed.items() if saved is not None}

    def _write(self, entries: dict[str, Saved]) -> None:
        if self._memory is not None or self.path is None:
            self._memory = entries
            return
        kept = {"version": _VERSION, "sessions": {vin: asdict(saved) for vin, saved in entries.items()}}
        try:
            replace(self.path, json.dumps(kept))
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
