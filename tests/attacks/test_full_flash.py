# SPDX-License-Identifier: Apache-2.0
"""Somebody's files fill the flash: a stolen key could not be removed, yet half was, and the next start raised for ever.

Now the commit decides, and room for what has been decided is kept: the answer, the keys and the sessions agree at every
error of the flash, and after a restart.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from host_tools.faults import NoAnswer, Refused
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import settle
from tests.bench.flash_image import change, files, fill
from tests.bench.support import VIN, Property, new_phone, stranger

EIO, ENOSPC = 5, 28
STEP = 2  # every other operation of a change fails here; tests/faults fails all


@pytest.fixture
def image(simulated: SimulatedBoard, tmp_path: Path) -> Path:
    return tmp_path / "flash.img"


def works(car: Bench, phone: Phone) -> bool:
    """Whether the car obeys it."""
    with car.connect() as connection:
        again = Phone(connection, VIN, phone.key)
        try:
            again.unlock()
            again.lock()
        except Refused:
            return False
        return True


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_on_a_full_flash_a_stolen_key_is_removed_for_good_and_no_key_is_half_added(image: Path, free: int) -> None:
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        stolen = new_phone(car, "driver", by=owner)
        assert works(car, stolen)
    fill(image, free)
    with SimulatedBoard(image) as board, Bench.open(board.port, 30) as car:
        owner = stranger(car, owner.key)
        owner.change_keys(messages.remove_key(stolen.key.public))
        late = stranger(car)
        try:
            owner.change_keys(messages.add_key(late.key.public, "driver", "late"))
            added = True
        except Refused:
            added = False
        for _ in range(2):
            enrolled = {entry["key"] for entry in car.request("keys")["keys"]}
            assert enrolled == {owner.key.id} | ({late.key.id} if added else set())
            assert works(car, owner) and not works(car, stolen) and works(car, late) == added
            boot = car.boot
            board.power_cycle()
            car.wait_boot(boot)
        assert board.boots == 3, "no restart but those two"


def test_whatever_operation_of_a_removal_fails_the_answer_the_keys_and_the_sessions_agree(
    image: Path, record_property: Property
) -> None:
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        told = done = 0
        for error in (EIO, ENOSPC):
            for after in range(1, 20, STEP):
                guest = new_phone(car, "driver", by=owner)
                guest.unlock()
                settle(car)
                boot = car.boot
                car.request("flash_error", after=after, error=error)
                try:
                    owner.change_keys(messages.remove_key(guest.key.public))
                    removed = True
                    done += 1
                except Refused:
                    removed = False
                    told += 1
                car.request("flash_error", after=0)
                assert works(car, guest) is not removed, f"{error} at {after}, in RAM"
                board.power_cycle()
                car.wait_boot(boot)
                owner = stranger(car, owner.key)
                assert works(car, guest) is not removed, f"{error} at {after}, after a restart"
                if not removed:
                    owner.change_keys(messages.remove_key(guest.key.public))
        assert told and done
        record_property("note", f"removals: {told + done} flash errors, {told} told, {done} made up for; 0 violations")


def test_a_flash_that_fails_for_good_after_the_commit_has_the_change_in_force(image: Path) -> None:
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        guest = new_phone(car, "driver", by=owner)
        for after in range(1, 40):  # to the first failure that comes too late to be told
            boot = car.boot
            car.request("flash_error", after=after, error=EIO, forever=True)
            try:
                owner.change_keys(messages.remove_key(guest.key.public))
                break
            except Refused:
                car.request("flash_error", after=0)
                assert works(car, guest)
            except NoAnswer:  # nobody could tell whether it was made: the car restarted, and is one or the other
                car.wait_boot(boot)
                owner = stranger(car, owner.key)
                if guest.key.id not in {entry["key"] for entry in car.request("keys")["keys"]}:
                    owner.change_keys(messages.add_key(guest.key.public, "driver", "again"))
                assert works(car, guest)
        assert not works(car, guest) and [entry["key"] for entry in car.request("keys")["keys"]] == [owner.key.id]
        with pytest.raises(Refused):
            owner.change_keys(messages.add_key(stranger(car).key.public, "driver", "late"))
        boot = car.boot
        board.power_cycle()
        car.wait_boot(boot)
        owner = stranger(car, owner.key)
        assert not works(car, guest) and works(car, owner)
        owner.change_keys(messages.add_key(guest.key.public, "driver", "again"))
        assert works(car, guest)
    assert "/data/journal/redo" not in files(image)
    assert change(image, "print(os.stat('/data/reserve')[6] > 12 * 4000)").strip() == "True"
