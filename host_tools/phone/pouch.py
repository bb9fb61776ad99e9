# SPDX-License-Identifier: Apache-2.0
"""What a phone carries: the newest file that it has seen for each address, and what it knows of the cars that it has
met, in a folder beside its key. A car that has an older roster than the one that is carried for it is given that.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import parcelfile
from host_tools.phone.parcelfile import BadParcels

_CARS = "cars.json"
_LARGEST = 16 << 20  # bytes: what is known of a hundred thousand cars


@dataclass(frozen=True)
class Met:
    """What a car said last: its address (empty: no authority), where its files are, and which roster it has."""

    address: str
    url: str = ""
    generation: int = 0
    version: int = 0


class Pouch:
    """The folder of one key."""

    def __init__(self, key_path: Path) -> None:
        self._folder = key_path.with_name(key_path.name + ".parcels")

    def keep(self, data: bytes) -> tuple[ours.Parcel, bool]:
        """Carry that file from now on, unless there is one as new for the same car. Its head, and whether it is kept.

        Raises BadParcels, OSError.
        """
        head = parcelfile.head(parcelfile.split(data))
        carried = self.carried(head.address.hex())
        newer = carried is None or _order(parcelfile.head(carried)) < _order(head)
        if newer:
            self._write(head.address.hex(), data)
            # Of a car that had no authority when it was asked, it is worth asking again.
            self._remember({vin: met for vin, met in self.cars().items() if met.address})
        return head, newer

    def carried(self, address: str) -> list[ours.Parcel] | None:
        """The file for that address, if there is one that can be read."""
        try:
            return parcelfile.split(_read(self._folder / address))
        except (OSError, BadParcels):
            return None

    def empty(self) -> bool:
        """Whether nothing is carried."""
        return not self._folder.is_dir() or not any(it.name != _CARS for it in self._folder.iterdir())

    def cars(self) -> dict[str, Met]:
        """The cars that were met, by VIN."""
        try:
            found = json.loads(_read(self._folder / _CARS))
            return {str(vin): Met(**met) for vin, met in found.items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}

    def met(self, vin: str, car: Met) -> None:
        """Remember what a car said. Raises OSError."""
        known = self.cars()
        if known.get(vin) != car:
            self._remember({**known, vin: car})

    def wanted_by(self, car: Met) -> list[ours.Parcel] | None:
        """What this car should be given: the file for it, if that is newer than what it has."""
        carried = self.carried(car.address) if car.address else None
        if carried is None or _order(parcelfile.head(carried)) <= (car.generation, car.version):
            return None
        return carried

    def _remember(self, cars: dict[str, Met]) -> None:
        self._write(_CARS, json.dumps({vin: asdict(met) for vin, met in cars.items()}).encode())

    def _write(self, name: str, data: bytes) -> None:
        """The file as it was, or this."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=self._folder.parent, prefix=f"{self._folder.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(beside, self._folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside)
            raise


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LARGEST)


def _order(head: ours.Parcel) -> tuple[int, int]:
    return head.generation, head.version
