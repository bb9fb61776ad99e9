# SPDX-License-Identifier: Apache-2.0
"""The power fails while a board is provisioned: after the next boot it is what it was or what it was to be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from host_tools.faults import NoAnswer
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import Cuts, keychain, settle
from tests.bench.support import VIN, Property, new_phone
from tests.shares import share

OTHER_VIN = "5YJS0000000000000"


def test_provisioning_anew(car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property) -> None:
    """The identity, the settings and the keys change together or not at all."""
    cuts = Cuts(car, owner, simulated)
    vins = {"now": VIN, "then": OTHER_VIN}
    keys = {"now": keychain(car)}

    def change() -> bool:
        try:
            car.request("provision", vin=vins["then"], force=True, timeout=20)
        except NoAnswer:
            return False
        return True

    def after() -> bool:
        vin, enrolled = car.info()["vin"], keychain(car)
        assert (vin, enrolled) in ((vins["now"], keys["now"]), (vins["then"], {}))
        if vin == vins["now"]:
            return True
        vins["now"], vins["then"] = vins["then"], vins["now"]
        new_phone(car, "owner", vin=vin)
        keys["now"] = keychain(car)
        return False

    boot, began = car.boot, settle(car)
    change()
    operations = car.request("flash_ops")["count"] - began
    car.wait_boot(boot)
    after()
    cuts.each(change, after, last=operations)
    cuts.tell(record_property, "provisioning anew")


def test_provisioning_a_new_board(
    simulated: SimulatedBoard, tmp_path: Path, request: pytest.FixtureRequest, record_property: Property
) -> None:
    """A board that is cut in the middle of its first provisioning is new, or the car it was to be.

    It makes the whole store: tests/faults cuts each of its operations, here some around the commit and then some more.
    """
    blank, image = tmp_path / "blank.img", tmp_path / "flash.img"
    interpreter = request.config.getoption("--micropython")
    seen = []
    for at in (0, *share(range(1, 13), 3), *range(13, 1200, 83)):
        if blank.exists():
            shutil.copy(blank, image)
        with SimulatedBoard(image, micropython=interpreter) as board, Bench.open(board.port, 30) as car:
            if not blank.exists():
                shutil.copy(image, blank)
                continue
            boot = car.boot
            car.request("power_cut", after=at)
            acknowledged = True
            try:
                car.request("provision", vin=VIN, timeout=20)
                through = car.request("flash_ops")["count"] < at
            except NoAnswer:
                acknowledged = through = False
            car.wait_boot(boot)
            vin = car.info()["vin"]
            assert vin == VIN or (vin is None and not acknowledged)
            if vin is None:
                car.provision(VIN)
            assert new_phone(car, "owner").key.id in keychain(car)
            if through:
                break
            seen.append(vin)
    else:
        raise AssertionError("never through")
    record_property(
        "note",
        f"provisioning a new board: cut at {len(seen)} flash operations up to {at}; {seen.count(None)} times still "
        f"new, {seen.count(VIN)} the car, and nothing else",
    )
