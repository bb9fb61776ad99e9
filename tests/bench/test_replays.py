# SPDX-License-Identifier: Apache-2.0
"""No message ever works twice: not soon, not late, not over another connection, not after a restart."""

from __future__ import annotations

import time

import pytest
from google.protobuf.message import DecodeError
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import answer, ask, fault, forge, new_phone, nothing_changes, reboot, refusals

pytestmark = pytest.mark.usefixtures("resting")

COUNTER, EPOCH = "INVALID_TOKEN_OR_COUNTER", "INCORRECT_EPOCH"


@pytest.fixture
def recorded(car: Bench, owner: Phone) -> bytes:
    """A start command as it was on the air. It worked once; then the car was driven, left and locked."""
    owner.start()
    assert car.pins()["start"] == 1
    car.brake(True)
    car.brake(False)
    owner.lock()
    return owner.last_sent


def replay(car: Bench, recorded: bytes) -> str:
    with car.connect() as connection:
        return fault(ask(car, connection, recorded))


def test_a_recorded_start_is_refused_at_once_and_each_time(car: Bench, owner: Phone, recorded: bytes) -> None:
    with nothing_changes(car, owner):
        assert [replay(car, recorded) for _ in range(3)] == [COUNTER] * 3
    assert car.pins()["start"] == 0


def test_a_recorded_start_is_refused_on_its_own_connection(car: Bench, owner: Phone, recorded: bytes) -> None:
    with nothing_changes(car, owner):
        assert fault(ask(car, owner.connection, recorded)) == COUNTER


def test_a_recorded_start_is_refused_after_a_restart(car: Bench, owner: Phone, recorded: bytes) -> None:
    reboot(car, owner)
    assert replay(car, recorded) == EPOCH
    assert (car.pins()["start"], car.state()["locked"]) == (0, True)
    owner.wake()
    assert replay(car, recorded) == EPOCH  # with a session that lives, too


def test_a_recorded_start_is_refused_when_its_session_was_evicted_and_made_anew(
    car: Bench, owner: Phone, recorded: bytes
) -> None:
    car.request("evict")
    assert replay(car, recorded) == EPOCH
    owner.wake()
    assert replay(car, recorded) == EPOCH
    assert car.pins()["start"] == 0


def test_a_recorded_start_is_refused_after_its_time(car: Bench, owner: Phone, recorded: bytes) -> None:
    car.clock(3600)
    assert replay(car, recorded) == "TIME_EXPIRED"
    assert car.pins()["start"] == 0


def test_a_recorded_start_is_refused_after_its_key_was_removed_and_added_again(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "driver", by=owner)
    guest.start()
    owner.lock()
    start = guest.last_sent
    owner.change_keys(messages.remove_key(guest.key.public))
    assert replay(car, start) == "UNKNOWN_KEY_ID"
    owner.change_keys(messages.add_key(guest.key.public, "driver"))
    assert replay(car, start) == EPOCH
    assert car.pins()["start"] == 0


def test_of_two_commands_in_the_wrong_order_only_the_later_one_works(car: Bench, owner: Phone) -> None:
    first, second = (owner.sign(messages.action(name))[0] for name in ("unlock", "start"))
    with car.connect() as connection:
        assert fault(ask(car, connection, second.SerializeToString())) == "no fault"
        assert fault(ask(car, connection, first.SerializeToString())) == COUNTER
    state = car.state()
    assert (state["start_enabled"], state["locked"]) == (True, True)


@pytest.mark.parametrize("behind", [0, 1, 1000])
@pytest.mark.parametrize("method", ["gcm", "hmac"])
def test_a_counter_that_is_not_above_the_last_one_is_refused(
    car: Bench, owner: Phone, behind: int, method: str
) -> None:
    while owner.session is None or owner.session.counter < 2:
        owner.wake()
    behind = min(behind, owner.session.counter)
    since = len(car.events)
    with nothing_changes(car, owner), car.connect() as connection:
        forged = forge(owner, messages.action("unlock"), method, ahead=-behind)
        assert fault(ask(car, connection, forged.SerializeToString())) == COUNTER
    (event,) = refusals(car, since)
    assert event["why"] == "counter" and event["expected"] > event["got"]


def test_a_counter_may_jump_and_those_below_are_spent(car: Bench, owner: Phone) -> None:
    skipped = owner.sign(messages.action("start"))[0].SerializeToString()
    assert owner.session is not None
    owner.session.counter += 5000
    owner.unlock()
    assert replay(car, skipped) == COUNTER


def test_after_the_last_counter_of_all_a_new_session_begins(car: Bench, owner: Phone) -> None:
    owner.wake()
    assert owner.session is not None
    last = forge(owner, messages.action("unlock"), ahead=0xFFFFFFFF - owner.session.counter).SerializeToString()
    with car.connect() as connection:
        assert fault(ask(car, connection, last)) == "no fault"
        assert fault(ask(car, connection, last)) == EPOCH
    corrections = owner.resyncs
    owner.lock()
    assert owner.resyncs == corrections + 1


@pytest.mark.parametrize("happens", ["the answer is lost", "the answer is late"])
def test_a_command_whose_answer_is_lost_has_run_once_and_does_not_run_again(
    car: Bench, owner: Phone, happens: str
) -> None:
    owner.wake()
    car.request("reply", **({"drop": 1} if "lost" in happens else {"delay_ms": 300, "count": 1}))
    sent = owner.sign(messages.move({"trunk": "move"}))[0].SerializeToString()  # what would show if it ran twice
    with car.connect() as connection:
        assert fault(ask(car, connection, sent)) == "silence"
        if "late" in happens:
            assert fault(answer(connection)) == "no fault"
        assert fault(ask(car, connection, sent)) == COUNTER
    assert car.state()["closures"]["rear_trunk"] == "open"


def test_a_command_with_one_bit_changed_does_nothing(car: Bench, owner: Phone) -> None:
    """One bit of each byte, of a command that has never been sent. What is not signed is only where the answer goes."""
    session = owner.session or owner.handshake()
    lasting = session.expires_at(time.time(), 100.0)  # of the 120 s that a car takes: a slow line needs 20
    genuine = forge(owner, messages.action("start"), ahead=10, expires_at=lasting)
    epoch = genuine.signature_data.AES_GCM_Personalized_data.epoch
    raw, tried = genuine.SerializeToString(), 0
    with nothing_changes(car, owner):
        for at in range(len(raw)):
            changed = raw[:at] + bytes([raw[at] ^ 1 << at % 8]) + raw[at + 1 :]
            if signed_parts(changed, epoch) == signed_parts(raw):
                continue
            tried += 1
            with car.connect() as connection:
                assert fault(ask(car, connection, changed)) != "no fault", f"byte {at}"
    assert tried > 140
    with car.connect() as connection:
        assert fault(ask(car, connection, raw)) == "no fault"  # it would have worked, and none of those spent it


def signed_parts(raw: bytes, epoch: bytes = b"") -> tuple[object, ...] | None:
    """All of a message but the sender's address and the uuid; None when it is none.

    An epoch may be left out: the tag binds the session's own, whatever the message says.
    """
    try:
        message = universal.RoutableMessage.FromString(raw)
    except DecodeError:
        return None
    message.DiscardUnknownFields()
    data = message.signature_data.AES_GCM_Personalized_data
    data.epoch = data.epoch or epoch
    return message.to_destination, message.protobuf_message_as_bytes, message.signature_data, message.flags
