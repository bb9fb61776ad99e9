# SPDX-License-Identifier: Apache-2.0
"""With a victim pending a stranger asked twice: the first turned both away, the second was pending, and took the tap.

Now a tap approves nobody from the moment in which two have asked until nobody has for a whole window. What comes from
inside the car, and what an owner signs, is not hindered by it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from host_tools.explain import decode
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.contact import Connection
from host_tools.phone.keyfile import Key
from host_tools.phone.pairing import pair
from host_tools.radio.phone_side import BleConnection
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.support import ADDRESS, UUID, VIN, new_phone, stranger, tap

pytestmark = pytest.mark.usefixtures("alone")

WAIT, ENROLLED = "wait", "keys changed"
TURNED_AWAY = "keys not changed: COULD_NOT_START_LOCAL_ENTITY_AUTH"
CANCELLED = "keys not changed: LOCAL_ENTITY_AUTH_FAILED_CANCELLED"
FORMS = ["envelope", "present-key"]


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    """A whole car with a radio: strangers come from the air."""
    if request.config.getoption("--port"):
        pytest.skip("the air is a simulated one")
    image = tmp_path_factory.mktemp("radio") / "flash.img"
    interpreter = request.config.getoption("--micropython")
    heap = "200K"  # the radio of a simulated board is code in its heap, which a board has outside of it
    with SimulatedBoard(image, heap, vin=VIN, radio="virtual", micropython=interpreter) as board:
        yield board


@pytest.fixture
def alone(car: Bench, owner: Phone) -> Iterator[None]:
    """Nobody is enrolled but the owner, and nobody has asked for long."""
    car.clock(70)
    yield
    car.clock(70)
    keys = car.keys()
    for key in keys:
        if key["key"] != owner.key.id:
            owner.change_keys(messages.remove_key(bytes.fromhex(key["public"])))


@pytest.fixture
def phones(board: SimulatedBoard) -> Iterator[tuple[BleConnection, BleConnection]]:
    """Two phones on the air: whose they are, the car cannot know."""
    with (
        contextlib.closing(BleConnection(VIN, board.air)) as one,
        contextlib.closing(BleConnection(VIN, board.air)) as other,
    ):
        yield one, other


def request(key: Key, form: str = "envelope", **more: Any) -> bytes:
    operation = messages.add_key(key.public, more.pop("role", "owner"), more.pop("label", ""))
    for name, value in more.items():
        setattr(operation.WhitelistOperation.addKeyToWhitelistAndAddPermissions, name, value)
    if form == "present-key":
        return messages.present_key(operation).SerializeToString()
    return messages.routable(operation, ADDRESS, UUID).SerializeToString()


def heard(connection: Connection, timeout: float = 5) -> str:
    """The next word about keys."""
    while (data := connection.receive(timeout)) is not None:
        told = decode.decode(data)
        if told.answer is not None and told.answer.HasField("commandStatus"):
            return decode.answer_words(told.answer)
    return "silence"


def asks(connection: Connection, message: bytes) -> str:
    connection.send(message)
    return heard(connection)


def enrolled(car: Bench) -> set[str]:
    keys = car.keys()
    return {key["key"] for key in keys}


def collisions(car: Bench) -> int:
    """How many the access log tells of: those that come soon after each other are counted in one entry."""
    entries = car.log()
    return sum(entry["count"] for entry in entries if entry["kind"] == "collision")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pause", [0, 1, 20])
def test_a_stranger_who_asks_again_and_again_does_not_get_the_tap(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection], form: str, pause: int
) -> None:
    victim, thief = keyfile.generate(), keyfile.generate()
    before = collisions(car)
    last = car.request("log", limit=1)["last"]
    assert asks(phones[0], request(victim, form)) == WAIT
    for attempt in range(18):
        assert asks(phones[1], request(thief, form)) == TURNED_AWAY
        assert car.tap()["approved"] is None
        if attempt == 0:
            assert heard(phones[0]) == CANCELLED
        if pause:
            car.clock(pause)
    assert enrolled(car) == {owner.key.id}
    assert collisions(car) == before + 1, "one window is one entry"
    assert car.request("log", limit=1)["last"] - last < 18, "and a flood does not push out the rest"


def test_the_window_is_shown_and_over_when_nobody_has_asked_for_all_of_it(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    victim, thief = keyfile.generate(), keyfile.generate()
    asks(phones[0], request(victim))
    asks(phones[1], request(thief))
    assert 28 <= car.state()["collision"] <= 30 and car.state()["pending"] is None
    car.clock(25)
    assert asks(phones[0], request(victim)) == CANCELLED and heard(phones[0]) == TURNED_AWAY
    car.clock(28)
    assert car.tap()["approved"] is None
    car.wait_event("refused", by="card")
    car.clock(4)  # a tap is over when the card has been away for 3 s
    assert car.state()["collision"] is None
    assert asks(phones[0], request(victim)) == WAIT
    assert car.tap()["approved"] == victim.id
    assert heard(phones[0]) == ENROLLED


def test_the_same_key_on_another_connection_is_a_stranger(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    victim = keyfile.generate()
    assert asks(phones[0], request(victim)) == WAIT
    assert asks(phones[1], request(victim)) == TURNED_AWAY
    assert car.tap()["approved"] is None


def test_a_stranger_who_asks_when_the_victims_time_is_over_does_not_get_the_late_tap(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    assert asks(phones[0], request(keyfile.generate())) == WAIT
    car.clock(31)
    assert asks(phones[1], request(keyfile.generate())) == TURNED_AWAY
    assert car.tap()["approved"] is None
    assert enrolled(car) == {owner.key.id}


def test_a_stranger_who_asks_between_two_taps_of_a_hasty_driver_gets_neither(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    victim, thief = keyfile.generate(), keyfile.generate()
    asks(phones[0], request(victim))
    tapped = car.info()["uptime"]
    assert car.tap()["approved"] == victim.id
    assert heard(phones[0]) == ENROLLED
    assert asks(phones[1], request(thief)) == WAIT
    second = car.tap()["approved"]
    assert second is None or car.info()["uptime"] - tapped > 3, "seconds for which it is the same tap"


def test_what_comes_from_inside_the_car_cannot_be_jammed_from_the_air(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    for connection in phones:
        asks(connection, request(keyfile.generate()))
    driver = stranger(car)

    def jammed() -> None:
        assert asks(phones[1], request(keyfile.generate())) == TURNED_AWAY
        tap(car, driver)

    pair(driver, "driver", on_wait=jammed)
    driver.unlock()
    driver.lock()


def test_what_an_owner_signs_cannot_be_jammed_from_the_air(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    for connection in phones:
        asks(connection, request(keyfile.generate()))
    guest = new_phone(car, "guest", by=owner)
    guest.unlock()
    guest.lock()


def test_who_asks_inside_takes_the_place_of_who_asked_on_the_air(
    car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]
) -> None:
    thief = keyfile.generate()
    assert asks(phones[0], request(thief)) == WAIT
    with car.connect() as connection:
        driver = keyfile.generate()
        assert asks(connection, request(driver)) == WAIT
        assert heard(phones[0]) == CANCELLED
        assert car.tap()["approved"] == driver.id
        assert heard(connection) == ENROLLED


def test_two_inside_are_turned_away_too(car: Bench, owner: Phone, phones: tuple[BleConnection, BleConnection]) -> None:
    """And the tap that one of them waits for is not for a stranger on the air."""
    with car.connect() as one, car.connect() as other:
        assert asks(one, request(keyfile.generate())) == WAIT
        for _ in range(3):
            assert asks(other, request(keyfile.generate())) == TURNED_AWAY
        assert asks(phones[0], request(keyfile.generate())) == TURNED_AWAY
        assert car.tap()["approved"] is None
    assert enrolled(car) == {owner.key.id}
