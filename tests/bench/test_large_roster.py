# SPDX-License-Identifier: Apache-2.0
"""A roster of 4,000 keys: taken whole or not at all, and in no more memory than one of four."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time

from host_tools.authority.parcels import Entry, Seal
from host_tools.faults import NoAnswer
from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.authority import Told, deliver, install, listed, remove, status
from tests.bench.cuts import settle
from tests.bench.support import VIN, Property, reboot
from tests.host import rosters
from tests.host.rosters import DRIVER, entries
from tests.shares import share

MANY, FEW = 4000, 4
SEAL = Seal(os.urandom(16))


def keys(count: int) -> list[Entry]:
    """The first are real; the car does not look whether the others are points before their phones come."""
    names = (hashlib.sha512(b"%d" % number).digest() for number in range(FEW, count))
    return [*entries(FEW), *(Entry(b"\x04" + name, DRIVER) for name in names)]


def published(car: Bench, count: int, version: int) -> Told:
    with contextlib.closing(car.connect()) as connection:
        courier = Phone(connection, VIN, keyfile.generate())
        return deliver(courier, rosters.roster_file(keys(count), version, seal=SEAL))


def in_use(car: Bench, owner: Phone) -> int:
    """Bytes of heap after a boot and a command of a listed key."""
    reboot(car, owner)
    listed(car, 1).unlock()
    return int(car.heap()["alloc"])


def test_four_thousand_keys(car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property) -> None:
    assert install(car, owner, seal=SEAL.secret) == 0
    assert published(car, FEW, 1).why == "taken"
    listed(car, 1).unlock()
    few = in_use(car, owner)

    before, began = settle(car), time.monotonic()
    assert published(car, MANY, 2).version == 2
    took, operations = time.monotonic() - began, settle(car) - before
    assert status(owner).keys == MANY
    many = in_use(car, owner)
    assert abs(many - few) < few / 10
    record_property(
        "note",
        f"a roster of {MANY} keys over the line: {took:.1f} s, {operations} flash operations; "
        f"heap in use with {FEW} keys {few} bytes, with {MANY} {many}",
    )

    version = 2
    for at in share((operations // 2, operations - 16, operations - 5), 2):
        settle(car)
        boot = car.boot
        car.request("power_cut", after=at)
        with contextlib.suppress(NoAnswer):
            published(car, MANY, version + 1)
            settle(car)
        car.wait_boot(boot)
        owner.connection = car.connect()
        told = status(owner)
        assert told.keys == MANY and told.version in (version, version + 1)
        assert told.version == version or at > operations // 2, "half of it is in force"
        version = told.version
        listed(car, FEW).unlock()
        owner.start()
    remove(owner)
