# SPDX-License-Identifier: Apache-2.0
"""The power fails at any flash operation of a key's change: after the next boot it is there or it is not.

What the car has acknowledged is never lost. The cut tears the operation that it meets. The store itself is cut in
tests/faults; here a whole car is, with a phone that waits for the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain.decode import answer_words
from host_tools.faults import NoAnswer
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import Cuts, keychain, settle
from tests.bench.support import ADDRESS, UUID, Property, answer, new_phone, rest, stranger


@pytest.fixture(autouse=True)
def alone(car: Bench, owner: Phone, simulated: SimulatedBoard) -> Iterator[None]:
    """The car with its owner; nothing waits to be written."""
    rest(car, owner)
    settle(car)
    yield
    car.request("power_cut", after=0)
    rest(car, owner)


@pytest.fixture
def cuts(car: Bench, owner: Phone, simulated: SimulatedBoard) -> Cuts:
    return Cuts(car, owner, simulated)


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
            car.tap_for(key.id)
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
