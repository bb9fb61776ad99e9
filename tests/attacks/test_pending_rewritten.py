# SPDX-License-Identifier: Apache-2.0
"""A stranger asked for the victim's own key again, for one second and by another name: the tap enrolled that.

Now a request is all of its bytes, on its connection, and what the tap approves is planned again at the tap.
"""

from __future__ import annotations

from typing import Any

import pytest

from host_tools.explain import decode
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.serial.bench import Bench, VehicleConnection
from tests.bench.support import ADDRESS, UUID, new_phone

pytestmark = pytest.mark.usefixtures("resting")

WAIT = "wait"
TURNED_AWAY = "keys not changed: COULD_NOT_START_LOCAL_ENTITY_AUTH"
CANCELLED = "keys not changed: LOCAL_ENTITY_AUTH_FAILED_CANCELLED"


def request(key: Key, role: str = "driver", label: str = "Ann", **more: Any) -> bytes:
    operation = messages.add_key(key.public, role, label)
    for name, value in more.items():
        setattr(operation.WhitelistOperation.addKeyToWhitelistAndAddPermissions, name, value)
    return messages.routable(operation, ADDRESS, UUID).SerializeToString()


def heard(connection: VehicleConnection) -> str:
    """The next word about keys."""
    while (data := connection.receive(5)) is not None:
        told = decode.decode(data)
        if told.answer is not None and told.answer.HasField("commandStatus"):
            return decode.answer_words(told.answer)
    return "silence"


def asks(connection: VehicleConnection, message: bytes) -> str:
    connection.send(message)
    return heard(connection)


REWRITTEN: dict[str, dict[str, Any]] = {
    "for a second": {"secondsToBeActive": 1},
    "by another name": {"label": "Mallory"},
    "without a name": {"label": ""},
    "for more": {"role": "owner"},
    "in the very same words": {},
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_what_is_pending_cannot_be_rewritten_from_another_connection(car: Bench, owner: Phone, how: str) -> None:
    key = keyfile.generate()
    before = car.keys()
    with car.connect() as victim, car.connect() as mallory:
        assert asks(victim, request(key)) == WAIT
        assert asks(mallory, request(key, **REWRITTEN[how])) == TURNED_AWAY
        assert heard(victim) == CANCELLED, "it is told, and the answer does not go elsewhere"
        assert car.tap()["approved"] is None
        assert car.keys() == before


def test_nor_from_its_own(car: Bench, owner: Phone) -> None:
    key = keyfile.generate()
    with car.connect() as victim:
        assert asks(victim, request(key)) == WAIT
        assert asks(victim, request(key, role="owner")) == CANCELLED
        assert car.tap()["approved"] is None


def test_a_key_that_an_owner_has_enrolled_meanwhile_is_not_raised_by_the_tap(car: Bench, owner: Phone) -> None:
    key = keyfile.generate()
    with car.connect() as connection:
        assert asks(connection, request(key, role="owner")) == WAIT
        owner.change_keys(messages.add_key(key.public, "driver", "Bo"))
        assert car.tap()["approved"] is None
        assert heard(connection) == "keys not changed: ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST"
    keys = car.keys()
    assert [(found["role"], found["label"]) for found in keys if found["key"] == key.id] == [(3, "Bo")]


def test_an_only_owner_is_not_demoted_by_a_tap_for_what_it_asked_before(car: Bench, owner: Phone) -> None:
    """It asked to be a driver, and was then made an owner; the tap that comes late is not for the first any more."""
    key = keyfile.generate()
    with car.connect() as connection:
        assert asks(connection, request(key)) == WAIT
        owner.change_keys(messages.add_key(key.public, "owner", "Bo"))
        assert car.tap()["approved"] is None
    keys = car.keys()
    assert [found["role"] for found in keys if found["key"] == key.id] == [2]


def test_who_asked_alone_is_still_enrolled(car: Bench, owner: Phone) -> None:
    new_phone(car, "driver", "Ann").unlock()
