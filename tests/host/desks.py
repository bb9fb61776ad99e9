# SPDX-License-Identifier: Apache-2.0
"""An authority in a folder, for tests, and what a car reads of what it published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from host_tools.authority import desk, keys
from host_tools.authority.database import Database
from host_tools.authority.parcels import Roster, Seal
from host_tools.authority.publish import Publication, Published
from host_tools.authority.store import Store, open_store
from host_tools.phone import keyfile, parcelfile
from host_tools.phone.carfile import CarFile
from tests.host.parcel_reader import read

DRIVER = 3


def vins(count: int) -> list[str]:
    """So many VINs."""
    return [f"5YJS{number:013d}" for number in range(count)]


class Desk:
    """One authority: its database, its keys, and a folder that it publishes to."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        self.public = folder / "public"
        self.database = Database(url or f"sqlite:///{folder / 'authority.db'}")
        self.database.make()
        self.root = keyfile.create(keys.root_file(folder, 1)).private
        signer = keyfile.create(keys.signer_file(folder, 1))
        desk.begin(self.database, self.root, signer.public, "public", "", 30, 0)

    def cars(self, wanted: Sequence[str]) -> dict[str, CarFile]:
        """Add cars."""
        return dict(zip(wanted, desk.add_cars(self.database, wanted, DRIVER), strict=True))

    def publish(self, store: Store | None = None, now: float | None = None) -> Published:
        """To the folder, unless there is a store."""
        work = Publication(
            self.database,
            store or open_store(str(self.public)),
            lambda public: keys.find(self.folder, "signer", public, "signing key"),
        )
        return work.run(int(time.time() if now is None else now))

    def file(self, car: CarFile) -> Path:
        """Where the car's file is."""
        return self.public / parcelfile.name_of(Seal(car.seal).address)

    def roster(self, car: CarFile) -> Roster:
        """What a car reads that was given this car file."""
        return read(self.file(car).read_bytes(), Seal(car.seal), car.root, car.vin)
