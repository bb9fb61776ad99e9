# SPDX-License-Identifier: Apache-2.0
"""Revocations that a phone carries for cars, its own or anybody's, whoever made them: the car finds out.

Anybody in between can say in the car's place that it has heard. So one is brought again on later days, until the car
has said so several times.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from google.protobuf.message import DecodeError

from host_tools.faults import LatchkeyError
from host_tools.phone import beside
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.link import Link

_VERSION = 1
_LARGEST = 1 << 20
_MOST = 64  # for one car
_OFTEN = 3
_DAY = 86400


class TooMany(LatchkeyError):
    """More revocations for one car than an owner makes."""

    name = "TOO_MANY"


@dataclass(frozen=True)
class Carried:
    """One of them, and how often and when last the car said that it knows."""

    revocation: str
    times: int = 0
    last: int = 0

    def message(self) -> ours.Revocation:
        """As it is brought."""
        return ours.Revocation.FromString(bytes.fromhex(self.revocation))


class Revocations:
    """What one key's phone carries, by VIN, in a file beside the key. A damaged one begins anew."""

    def __init__(self, key_path: Path) -> None:
        self._key_path = key_path
        self._path = beside.beside(key_path, "revocations")

    def keep(self, link: Link) -> bool:
        """Carry that one, too. Whether it is new here. Raises OSError, TooMany."""
        carried = Carried(link.message.SerializeToString(deterministic=True).hex())
        with beside.locked(self._key_path):
            cars = self._cars()
            known = cars.get(link.vin, [])
            if any(it.revocation == carried.revocation for it in known):
                return False
            if len(known) >= _MOST:
                raise TooMany(f"{_MOST} revocations are carried for car {link.vin}", "bring those to it first")
            self._write({**cars, link.vin: [*known, carried]})
        return True

    def due(self, vin: str, now: int) -> list[Carried]:
        """Those that the car should be brought now."""
        return [it for it in self._cars().get(vin, []) if not it.times or not it.last <= now < it.last + _DAY]

    def acknowledged(self, vin: str, carried: Carried, now: int) -> None:
        """The car, or somebody in its place, says that it knows. Raises OSError."""
        with beside.locked(self._key_path):
            cars = self._cars()
            after = [
                replace(it, times=it.times + 1, last=now) if it.revocation == carried.revocation else it
                for it in cars.get(vin, [])
            ]
            cars[vin] = [it for it in after if it.times < _OFTEN]
            self._write({name: some for name, some in cars.items() if some})

    def _cars(self) -> dict[str, list[Carried]]:
        try:
            found = beside.document(self._path, _LARGEST) or {}
            cars = {str(vin): [Carried(**it) for it in some] for vin, some in found.get("cars", {}).items()}
            for some in cars.values():
                for it in some:
                    it.message(), it.times + it.last
        except (OSError, ValueError, TypeError, AttributeError, DecodeError):
            return {}
        return cars

    def _write(self, cars: dict[str, list[Carried]]) -> None:
        kept = {vin: [asdict(it) for it in some] for vin, some in cars.items()}
        beside.replace(self._path, json.dumps({"version": _VERSION, "cars": kept}))
