# SPDX-License-Identifier: Apache-2.0
"""Somebody between phone and car lets a start through, keeps its answer, and says BUSY in the car's place.

A phone put its command again for any such fault, so that one start became two, which a guest with two uses pays for. It
asks for a receipt now before it puts a start again. And a start that is kept back itself, to be let go when nobody
expects it, is dead as soon as its phone has asked what became of it.
"""

from __future__ import annotations

import pytest
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import Refused
from host_tools.phone import messages, receipt
from host_tools.phone.client import Phone
from host_tools.phone.contact import Connection
from host_tools.serial.bench import Bench
from tests.bench.cuts import settle
from tests.bench.grants import Maker, accepted

pytestmark = pytest.mark.usefixtures("resting")

START = 16


class Between:
    """Stands on the connection of a phone: the answers to its next command are kept back, and with `through` False the
    command too."""

    def __init__(self, connection: Connection, code: int, through: bool = True) -> None:
        self.kept: list[bytes] = []
        self._connection = connection
        self._code = code
        self._through = through
        self._forged: bytes | None = None
        self._address = b""  # to which nothing comes through

    def send(self, message: bytes) -> None:
        asked = universal.RoutableMessage.FromString(message)
        if not self._address and asked.HasField("signature_data"):
            self._address = asked.from_destination.routing_address
            forged = universal.RoutableMessage(request_uuid=asked.uuid)
            forged.to_destination.CopyFrom(asked.from_destination)
            forged.from_destination.CopyFrom(asked.to_destination)
            forged.signedMessageStatus.operation_status = universal.OPERATIONSTATUS_ERROR
            forged.signedMessageStatus.signed_message_fault = self._code  # type: ignore[assignment]
            self._forged = forged.SerializeToString()
            if not self._through:
                self.kept.append(message)
                return
        self._connection.send(message)

    def receive(self, timeout: float) -> bytes | None:
        forged, self._forged = self._forged, None
        if forged is not None:
            return forged
        data = self._connection.receive(timeout)
        if data is None:
            return None
        answer = universal.RoutableMessage.FromString(data)
        return None if self._address and answer.to_destination.routing_address == self._address else data


def starts(car: Bench, phone: Phone) -> int:
    settle(car)
    return len([it for it in car.log() if it["command"] == START and it["key"] == phone.key.id])


@pytest.mark.parametrize(
    "code",
    [
        universal.MESSAGEFAULT_ERROR_BUSY,
        universal.MESSAGEFAULT_ERROR_INTERNAL,
        universal.MESSAGEFAULT_ERROR_INCORRECT_EPOCH,
        universal.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER,
    ],
)
def test_one_start_stays_one(car: Bench, owner: Phone, code: int) -> None:
    owner.unlock()
    before, connection = starts(car, owner), owner.connection
    owner.connection = Between(connection, code)
    try:
        owner.start()
    finally:
        owner.connection = connection
    assert starts(car, owner) == before + 1 and car.state()["start_enabled"]


def test_a_start_that_was_kept_back_is_given_anew_and_the_old_one_is_dead(car: Bench, owner: Phone) -> None:
    owner.unlock()
    before, connection = starts(car, owner), owner.connection
    between = Between(connection, universal.MESSAGEFAULT_ERROR_BUSY, through=False)
    owner.connection = between
    try:
        owner.start()
    finally:
        owner.connection = connection
    assert starts(car, owner) == before + 1
    owner.lock()
    [kept] = between.kept
    connection.send(kept)
    car.info()
    assert not car.state()["start_enabled"] and starts(car, owner) == before + 1
    assert receipt.ask(owner, kept).outcome == receipt.NOT_DONE


@pytest.mark.parametrize("through", [True, False])
def test_a_guest_with_two_starts_has_two(car: Bench, owner: Phone, through: bool) -> None:
    """The use of a limited key is written down before it is had: a receipt waits for that."""
    guest = accepted(car, Maker(owner).grant(uses=2))
    connection = guest.connection
    guest.connection = Between(connection, universal.MESSAGEFAULT_ERROR_BUSY, through)
    guest.start()
    guest.connection = connection
    assert starts(car, guest) == 1
    guest.start()
    with pytest.raises(Refused):
        guest.start()
    assert starts(car, guest) == 2
    assert receipt.ask(guest, guest.last_sent).outcome in (receipt.REFUSED, receipt.NOT_DONE)


def test_a_receipt_that_is_asked_for_at_once_does_not_say_what_changes_a_moment_later(car: Bench, owner: Phone) -> None:
    guest = accepted(car, Maker(owner).grant(uses=20))
    for _ in range(10):
        message, _ = guest.sign(messages.action("start"))
        sent = message.SerializeToString()
        guest.connection.send(sent)
        found = receipt.ask(guest, sent)
        assert found.outcome == receipt.DONE, found
