# SPDX-License-Identifier: Apache-2.0
"""Several phones at once: each has its own connection, its own session, and no way to spoil another's."""

from __future__ import annotations

import threading

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain import decode
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import ADDRESS, ANSWER, UUID, ask, fault, forge, new_phone, nothing_changes, stranger

pytestmark = pytest.mark.usefixtures("resting")


def test_five_phones_with_keys_of_their_own_command_at_once(car: Bench, owner: Phone) -> None:
    phones = [new_phone(car, "driver", f"Phone {number}", by=owner) for number in range(5)]
    for phone in phones:
        phone.wake()
    failures: list[Exception] = []

    def drive(phone: Phone) -> None:
        try:
            for _ in range(5):
                phone.unlock()
                phone.wake()
        except Exception as error:  # noqa: BLE001 - told below, in the test's own thread
            failures.append(error)

    before = car.stats()["verified"]
    threads = [threading.Thread(target=drive, args=(phone,)) for phone in phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert car.stats()["verified"] - before == 50
    assert sum(phone.resyncs for phone in phones) == 0


def test_an_answer_goes_to_the_connection_that_asked_and_to_no_other(car: Bench, owner: Phone) -> None:
    question = messages.routable(messages.action("wake"), ADDRESS, UUID).SerializeToString()
    with car.connect() as one, car.connect() as two:
        assert fault(ask(car, one, question)) == "INSUFFICIENT_PRIVILEGES"
        assert two.receive(0) is None
        assert fault(ask(car, two, question)) == "INSUFFICIENT_PRIVILEGES"
        assert one.receive(0) is None


def test_the_car_knows_how_many_phones_are_there(car: Bench, owner: Phone) -> None:
    question = messages.routable(messages.action("wake"), ADDRESS, UUID).SerializeToString()
    before = car.stats()["phones"][0]
    with car.connect() as one, car.connect() as two:
        ask(car, one, question)
        ask(car, two, question)
        assert car.stats()["phones"][0] == before + 2
    assert car.stats()["phones"][0] == before


def test_one_key_over_two_connections_is_one_session(car: Bench, owner: Phone) -> None:
    with car.connect() as other:
        second = Phone(other, owner.vin, owner.key, owner.cache)
        owner.wake()
        corrections = owner.resyncs
        second.wake()
        owner.wake()
        assert (owner.resyncs, second.resyncs) == (corrections, 0)
        assert second.session is not None and owner.session is not None
        assert second.session.epoch == owner.session.epoch


def test_a_change_of_state_is_told_to_every_phone(car: Bench, owner: Phone) -> None:
    with car.connect() as one, car.connect() as two:
        for connection in (one, two):  # a connection is there for the car once it has said something
            ask(car, connection, messages.routable(messages.action("wake"), ADDRESS, UUID).SerializeToString())
        owner.unlock()
        for connection in (one, two):
            data = connection.receive(ANSWER)  # the car tells it in its housekeeping
            assert data is not None
            told = decode.decode(data)
            assert told.kind == decode.BROADCAST and told.answer is not None
            assert told.answer.vehicleStatus.vehicleLockState == vcsec.VEHICLELOCKSTATE_UNLOCKED
        car.info()
        assert one.receive(0) is None and two.receive(0) is None  # once


def test_a_connection_that_guesses_tags_is_slowed_down_and_no_other(car: Bench, owner: Phone) -> None:
    def guess() -> bytes:
        return forge(owner, messages.action("unlock"), key=bytes(16)).SerializeToString()

    with nothing_changes(car, owner), car.connect() as attacker:
        seen = [fault(ask(car, attacker, guess())) for _ in range(20)]
        assert seen[:8] == ["INVALID_SIGNATURE"] * 8
        assert seen.count("BUSY") >= 8
        genuine = forge(owner, messages.action("wake")).SerializeToString()
        assert fault(ask(car, attacker, genuine)) == "BUSY"  # it has to wait, whatever it says
        with car.connect() as bystander:
            assert fault(ask(car, bystander, guess())) == "INVALID_SIGNATURE"
        owner.wake()


def test_reciting_public_keys_does_not_push_a_drivers_session_out(car: Bench, owner: Phone) -> None:
    """More keys than there are places for sessions: those that only claim to be somebody make way for each other."""
    others = [new_phone(car, "driver", by=owner) for _ in range(6)]
    owner.wake()
    corrections = owner.resyncs
    with car.connect() as attacker:
        for _ in range(3):
            for phone in others:
                request = messages.session_info_request(phone.key.public, ADDRESS, UUID).SerializeToString()
                assert ask(car, attacker, request) is not None
    owner.wake()
    assert owner.resyncs == corrections


def test_twelve_drivers_take_turns_though_fewer_sessions_live(car: Bench, owner: Phone) -> None:
    phones = []
    for _ in range(12):
        phone = new_phone(car, "driver", by=owner)
        phone.connection.close()  # type: ignore[attr-defined]
        phones.append(phone)
    for _ in range(2):
        for phone in phones:
            with car.connect() as phone.connection:
                phone.unlock()
    assert max(phone.resyncs for phone in phones) <= 1
    assert car.stats()["p256"] > 0  # of enrolling them; the commands took none, which test_cold_start shows


def test_a_phone_that_hangs_up_in_the_middle_of_pairing_may_still_be_approved(car: Bench, owner: Phone) -> None:
    phone = stranger(car)
    request = messages.routable(messages.add_key(phone.key.public, "driver"), ADDRESS, UUID).SerializeToString()
    with car.connect() as connection:
        assert ask(car, connection, request) is not None
    assert car.tap()["approved"] == phone.key.id
    car.wait_event("enrolled", key=phone.key.id)
    phone.unlock()


def test_a_lost_connection_leaves_no_trace_in_the_next_one(car: Bench, owner: Phone) -> None:
    for _ in range(20):
        with car.connect() as connection:
            connection.send(forge(owner, messages.action("wake"), epoch=bytes(16)).SerializeToString())
    with car.connect() as connection:
        owner_again = Phone(connection, owner.vin, owner.key, owner.cache)
        owner_again.wake()
        assert owner_again.resyncs == 0
