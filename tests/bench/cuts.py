# SPDX-License-Identifier: Apache-2.0
"""Cutting the power of a whole car at every flash operation of a change, while a phone waits for the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from host_tools.faults import NoAnswer
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import Property
from tests.shares import share

MOST = 200  # operations that a change may take; it ends long before
ONE_IN = 3  # of them
SETTLED = 0.1  # seconds without a flash operation, after which the car has written all that it will

Keys = dict[str, tuple[int, str]]
"""What is enrolled: id to role and label."""


def keychain(car: Bench) -> Keys:
    enrolled = car.keys()
    return {key["key"]: (key["role"], key["label"]) for key in enrolled}


def settle(car: Bench) -> int:
    """Wait until the car writes nothing any more. The number of operations since its boot."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < SETTLED:
        now = car.request("flash_ops")["count"]
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.02)
    return count


@dataclass
class Cuts:
    """Cuts the power at one flash operation of a change after the other (a share), until the change is through."""

    car: Bench
    owner: Phone
    board: SimulatedBoard
    count: int = 0
    old: int = 0

    def each(self, change: Callable[[], bool], after: Callable[[], bool], last: int = 0) -> None:
        """`change` makes it and says whether it was acknowledged; `after` checks, and says whether it is not there.

        `last` is the last operation, if the change ends with a restart, in which a cut that never came is not seen.
        """
        for at in share(range(1, last + 1 if last else MOST), ONE_IN):
            settle(self.car)
            boot = self.car.boot
            self.car.request("power_cut", after=at)
            acknowledged = change()
            if not last and self.survived(boot):
                assert acknowledged and not after() and at > 3, (at, acknowledged)
                self.pull_the_plug_on(change, after)
                return
            self.car.wait_boot(boot)
            self.owner.connection = self.car.connect()
            lost = after()
            assert not (lost and acknowledged), f"cut {at}: an acknowledged change is lost"
            self.count += 1
            self.old += lost
        assert last, f"the change is not through after {MOST} flash operations"

    def pull_the_plug_on(self, change: Callable[[], bool], after: Callable[[], bool]) -> None:
        """Once more, with the power gone as soon as the phone has its answer."""
        settle(self.car)
        boot = self.car.boot
        acknowledged = change()
        self.board.power_cycle()
        self.car.wait_boot(boot)
        self.owner.connection = self.car.connect()
        assert acknowledged and not after(), "an acknowledged change is lost"

    def survived(self, boot: str) -> bool:
        """Whether the car has written all, and the cut has not come."""
        try:
            settle(self.car)
            self.car.request("power_cut", after=0)
        except NoAnswer:
            return False
        return self.car.boot == boot

    def tell(self, record_property: Property, what: str) -> None:
        record_property(
            "note",
            f"{what}: cut at {self.count} flash operations; {self.old} times as before, "
            f"{self.count - self.old} as after, and nothing else",
        )
