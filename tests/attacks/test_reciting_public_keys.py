# SPDX-License-Identifier: Apache-2.0
"""Somebody who reads four public keys from the whitelist and recites them kept the owner out after a cold boot: the
sessions that were opened for them evicted the owner's between its handshake and its command. A handshake opens nothing
now: an epoch is computed, not kept.
"""

from __future__ import annotations

from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench, VehicleConnection
from tests.bench.support import ADDRESS, UUID, Property, new_phone, reboot

RECITED = 4


def recite(connection: VehicleConnection, public: bytes) -> None:
    connection.send(messages.session_info_request(public, ADDRESS, UUID).SerializeToString())
    answer = connection.receive(5)
    assert answer, "the whitelist is public: anybody may ask"


def test_the_owners_command_needs_no_correction_whoever_recites_public_keys_in_between(
    car: Bench, owner: Phone, record_property: Property
) -> None:
    public = [new_phone(car, "driver", by=owner).key.public for _ in range(RECITED)]
    reboot(car, owner)
    corrections = recited = 0
    with car.connect() as stranger:
        for command in ("unlock", "start", "lock") * 3:
            owner.forget()
            owner.handshake()
            for key in public * 5:
                recite(stranger, key)
                recited += 1
            owner.command(messages.action(command))
            corrections += owner.resyncs
    assert car.state()["locked"] and corrections == 0
    record_property("note", f"{recited} recited handshakes between handshake and command of the owner: 0 corrections")


def test_reciting_does_not_wear_out_a_session_that_works(car: Bench, owner: Phone) -> None:
    owner.wake()
    corrections, before = owner.resyncs, owner.session
    with car.connect() as stranger:
        for _ in range(50):
            recite(stranger, owner.key.public)
    owner.wake()
    assert owner.resyncs == corrections
    assert before is not None and owner.session is not None and owner.session.epoch == before.epoch
