# SPDX-License-Identifier: Apache-2.0
"""The power fails at every flash operation of a change: after the next boot the car is as before or as after it.

What the car has acknowledged is never lost. The cut tears the operation that it meets. The store itself is cut in
tests/faults; here a whole car is, with a phone that waits for the answer.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.bench import Bench
from host_tools.decode import answer_words
from host_tools.faults import NoAnswer
from host_tools.phone import Phone, keyfile, messages, pair
from host_tools.sim import SimulatedBoard
from tests.bench.support import ADDRESS, UUID, VIN, Property, answer, new_phone, rest, stranger, tap

OTHER_VIN = "5YJS0000000000000"
MOST = 200  # operations that a change may take; it ends long before
SETTLED = 0.15  # seconds without a flash operation, after which the car has written all that it will

Keys = dict[str, tuple[int, str]]
"""What is enrolled: id to role and label."""


@pytest.fixture(autouse=True)
def alone(car: Bench, owner: Phone, simulated: SimulatedBoard) -> Iterator[None]:
    """The car with its owner; nothing waits to be written."""
    rest(car, owner)
    settle(car)
    yield
    car.request("power_cut", after=0)
    rest(car, owner)


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
    """Cuts the power at the first flash operation of a change, then at the second, until the change is through."""

    car: Bench
    owner: Phone
    count: int = 0
    old: int = 0
    acknowledged: int = 0

    def each(self, change: Callable[[], bool], after: Callable[[], bool], last: int = 0) -> None:
        """`change` makes it and says whether it was acknowledged; `after` checks, and says whether it is not there.

        `last` is the last operation, if the change ends with a restart, in which a cut that never came is not seen.
        """
        for at in range(1, last + 1 if last else MOST):
            settle(self.car)
            boot = self.car.boot
            self.car.request("power_cut", after=at)
            acknowledged = change()
            if not last and self.survived(boot):
                assert acknowledged and not after() and at > 3
                return
            self.car.wait_boot(boot)
            self.owner.connection = self.car.connect()
            lost = after()
            assert not (lost and acknowledged), f"cut {at}: an acknowledged change is lost"
            self.count += 1
            self.old += lost
            self.acknowledged += acknowledged
        assert last, f"the change is not through after {MOST} flash operations"

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
            f"{what}: cut at each of {self.count} flash operations; {self.old} times as before, "
            f"{self.count - self.old} as after, {self.acknowledged} of these acknowledged; never anything else",
        )


@pytest.fixture
def cuts(car: Bench, owner: Phone) -> Cuts:
    return Cuts(car, owner)


def owner_changes(cuts: Cuts, operation: Callable[[], vcsec.UnsignedMessage]) -> Callable[[], bool]:
    """The owner's phone signs it; whether it heard that it was done."""

    def change() -> bool:
        try:
            cuts.owner.change_keys(operation())
        except NoAnswer:
            return False
        return True

    return change


def test_pairing(car: Bench, owner: Phone, cuts: Cuts, record_property: Property) -> None:
    key = keyfile.generate()
    before = keychain(car)
    enrolled = {**before, key.id: (3, "Bo")}
    request = messages.routable(messages.add_key(key.public, "driver", "Bo"), ADDRESS, UUID).SerializeToString()

    def change() -> bool:
        try:
            phone = stranger(car, key)
            phone.connection.send(request)
            car.info()
            car.tap()
            while (told := answer(phone.connection, 5)) is not None:
                if answer_words(told.answer) == "keys changed":
                    return True
        except NoAnswer:
            pass
        return False

    def after() -> bool:
        now = keychain(car)
        assert now in (before, enrolled)
        owner.wake()
        if now == enrolled:
            stranger(car, key).unlock()
            owner.change_keys(messages.remove_key(key.public))
        owner.lock()
        return now == before

    cuts.each(change, after)
    cuts.tell(record_property, "pairing")


@pytest.mark.parametrize("form", ["impermanent", "permanent"])
def test_removing(car: Bench, owner: Phone, cuts: Cuts, record_property: Property, form: str) -> None:
    """One key; or all impermanent ones, in several places of the store, at once."""
    keys = [keyfile.generate() for _ in range(3 if form == "impermanent" else 1)]
    before = keychain(car)
    enrolled = {**before, **{key.id: (8, "Bo") for key in keys}}

    def add() -> None:
        for key in keys:
            owner.change_keys(messages.add_key(key.public, "guest", "Bo", impermanent=form == "impermanent"))

    def operation() -> vcsec.UnsignedMessage:
        if form == "impermanent":
            return messages.remove_impermanent_keys()
        return messages.remove_key(keys[0].public)

    def after() -> bool:
        now = keychain(car)
        assert now in (before, enrolled)
        if now == before:
            owner.wake()
            add()
        else:
            stranger(car, keys[-1]).wake()
        return now == enrolled

    add()
    cuts.each(owner_changes(cuts, operation), after)
    cuts.tell(record_property, f"removing {'all impermanent keys' if form == 'impermanent' else 'a key'}")


def test_updating(car: Bench, owner: Phone, cuts: Cuts, record_property: Property) -> None:
    guest = new_phone(car, "guest", "Bo", by=owner)
    roles = {"now": "guest", "then": "driver"}

    def operation() -> vcsec.UnsignedMessage:
        return messages.update_key(guest.key.public, roles["then"], "Bo")

    def after() -> bool:
        role = messages.role_name(keychain(car)[guest.key.id][0])
        assert role in roles.values() and len(keychain(car)) == 2
        guest.connection = car.connect()
        guest.unlock()
        guest.lock()
        lost = role == roles["now"]
        if not lost:
            roles["now"], roles["then"] = roles["then"], roles["now"]
        return lost

    cuts.each(owner_changes(cuts, operation), after)
    cuts.tell(record_property, "updating a key")


def test_provisioning_anew(car: Bench, owner: Phone, cuts: Cuts, record_property: Property) -> None:
    """The identity, the settings and the keys change together or not at all."""
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
    try:
        cuts.each(change, after, last=operations)
    finally:
        car.provision(VIN, force=True)
        owner.connection = car.connect()
        pair(owner, on_wait=lambda: tap(car, owner))
    cuts.tell(record_property, "provisioning anew")


def test_provisioning_a_new_board(
    simulated: SimulatedBoard, tmp_path: Path, request: pytest.FixtureRequest, record_property: Property
) -> None:
    """A board that is cut in the middle of its first provisioning is new, or the car it was to be.

    It makes the whole store: tests/faults cuts each of its operations, here every one around the commit and then some.
    """
    blank, image = tmp_path / "blank.img", tmp_path / "flash.img"
    interpreter = request.config.getoption("--micropython")
    seen = []
    for at in (0, *range(1, 13), *range(13, MOST, 17)):
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
        f"new, {seen.count(VIN)} the car; never anything else",
    )
