# SPDX-License-Identifier: Apache-2.0
"""A car that starts cold knows its people, and needs nobody and no public-key work to obey them."""

from __future__ import annotations

import pytest

from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import Property, ask, fault, forge, new_phone, reboot, stranger

pytestmark = pytest.mark.usefixtures("resting")


def test_the_board_says_who_it_is(car: Bench, record_property: Property) -> None:
    info = car.info()
    record_property("board", info)
    assert info["vin"] == car.hello["vin"] and info["provisioned"] and info["boot"] == car.boot


def test_after_pairing_and_a_cold_restart_a_start_costs_no_public_key_operation(
    car: Bench, owner: Phone, record_property: Property
) -> None:
    paired = new_phone(car, "owner", by=owner)
    assert car.stats()["p256"] > 0  # it is counted: enrolling a key takes one
    reboot(car, owner)
    for phone in (owner, paired):
        again = stranger(car, phone.key)  # a phone that has forgotten everything, too
        again.start()
        assert car.pins()["start"] == 1
        again.lock()
    stats = car.stats()
    record_property("note", f"{stats['p256']} public-key operations, {stats['verified']} commands since a cold restart")
    assert (stats["p256"], stats["verified"]) == (0, 4)


def test_a_restarted_car_is_locked_and_off_with_its_keys_and_its_clock_at_zero(car: Bench, owner: Phone) -> None:
    owner.unlock()
    owner.start()
    car.clock(100)
    keys = car.keys()
    reboot(car, owner)
    assert (car.state()["locked"], car.state()["start_enabled"]) == (True, False)
    assert (car.pins()["start"], car.pins()["lock"]) == (0, 1)
    assert car.keys() == keys
    assert car.info()["uptime"] < 100


def test_a_session_ends_with_the_restart_and_one_correction_mends_it(car: Bench, owner: Phone) -> None:
    owner.unlock()
    before = owner.session
    assert before is not None
    epoch = before.epoch
    reboot(car, owner)
    corrections = owner.resyncs
    owner.unlock()
    assert owner.resyncs == corrections + 1
    assert owner.session is not None and owner.session.epoch != epoch


def test_a_phone_connection_does_not_outlive_a_restart(car: Bench, owner: Phone) -> None:
    with car.connect() as connection:
        phone = Phone(connection, owner.vin, owner.key)
        phone.unlock()
        reboot(car, owner)
        with pytest.raises(Exception, match="ended") as caught:
            phone.unlock()
        assert getattr(caught.value, "exit_code", None) == 3


def test_a_command_of_before_the_restart_is_answered_with_what_it_takes_to_sign_the_next(
    car: Bench, owner: Phone
) -> None:
    command = forge(owner, messages.action("unlock")).SerializeToString()
    reboot(car, owner)
    reply = ask(car, owner.connection, command)
    assert fault(reply) == "INCORRECT_EPOCH"
    assert reply is not None and reply.session_info is not None and len(reply.session_info.epoch) == 16
