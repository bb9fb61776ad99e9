# SPDX-License-Identifier: Apache-2.0
"""Settings put `start` on the pin of the lock relay: unlocking the car then closed the start relay.

The pins are checked as they will be in force, the settings' over the board's own: no GPIO is two wires, and none is
one that the board cannot drive.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from host_tools.build import boards
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench, BenchError
from tests.bench.support import VIN, nothing_changes

PINS = boards._assigned(boards.FOLDER / "UNIX" / "board.py")["PINS"]


@pytest.mark.parametrize(("wire", "other"), list(itertools.permutations(PINS, 2)))
@pytest.mark.usefixtures("simulated")
def test_no_wire_takes_the_pin_that_another_has_by_itself(car: Bench, wire: str, other: str) -> None:
    with pytest.raises(BenchError) as refused:
        car.provision(VIN, {"pins": {wire: PINS[other]}}, force=True)
    assert f"pins.{wire}" in refused.value.text and f"pins.{other}" in refused.value.text


@pytest.mark.parametrize("number", ["7", "1", "34", "-1", "64", "1" + 30 * "0", "26.0", "true", '"26"', "[26]"])
@pytest.mark.usefixtures("simulated", "resting")
def test_the_start_relay_hangs_only_where_the_board_can_hold_it(car: Bench, owner: Phone, number: str) -> None:
    settings: dict[str, Any] = {"pins": {"start": json.loads(number)}}
    with nothing_changes(car, owner), pytest.raises(BenchError, match=r"pins\.start"):
        car.provision(VIN, settings, force=True)
