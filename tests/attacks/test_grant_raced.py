# SPDX-License-Identifier: Apache-2.0
"""Two phones race for one link that its owner has sent to a group: both were to get in, or none.

One at a time is looked at, and what a grant comes to is planned anew when nothing else can change the keys: one is
enrolled, all others hear that it is spent.
"""

from __future__ import annotations

import contextlib
import random

from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.serial.bench import Bench, VehicleConnection
from tests.bench.grants import DOMAIN, Maker, drives, revoke, takes, visitor
from tests.bench.support import Property

ROUNDS = 12
RACERS = 3
ADDRESS = b"\x07" * 16
BUSY = universal.MESSAGEFAULT_ERROR_BUSY


def message(request: ours.ToLatchkey) -> bytes:
    return bytes(messages.routable(request, ADDRESS, ADDRESS, DOMAIN).SerializeToString())


def heard(connection: VehicleConnection) -> str:
    """The GrantFault that it is answered with, or "BUSY"."""
    while (data := connection.receive(10)) is not None:
        reply = universal.RoutableMessage.FromString(data)
        if reply.to_destination.routing_address != ADDRESS:
            continue
        if reply.signedMessageStatus.signed_message_fault == BUSY:
            return "BUSY"
        told = ours.FromLatchkey.FromString(reply.protobuf_message_as_bytes)
        return str(ours.GrantFault.Name(told.grant.fault)).removeprefix("GRANT_FAULT_")
    return "silence"


def test_of_all_who_race_for_a_link_one_is_enrolled(car: Bench, owner: Phone, record_property: Property) -> None:
    maker = Maker(owner)
    random.seed(7)
    busy = 0
    for number in range(ROUNDS):
        if number % 3 == 0:
            car.clock(40)  # enrolment has to be loaded
            owner.handshake()
        link = maker.grant(label=b"the first")
        keys = [keyfile.generate() for _ in range(RACERS)]
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(contextlib.closing(car.connect())) for _ in keys]
            for line, key in random.sample([*zip(lines, keys, strict=True)], RACERS):
                line.send(message(ours.ToLatchkey(grant=grants.bind(link, key.public))))
            said = [heard(line) for line in lines]
        assert said.count("NONE") == 1 and set(said) <= {"NONE", "BUSY", "SPENT"}, said
        busy += said.count("BUSY")
        winner = keys[said.index("NONE")]
        assert enrolled(car) == {owner.key.id, winner.id} and drives(car, winner)
        for key in keys:  # who was told to wait asks again
            assert takes(car, link, key) == ("NONE" if key is winner else "SPENT")
        owner.change_keys(messages.remove_key(winner.public))
    record_property("note", f"{ROUNDS} races of {RACERS}: one enrolled in each; {busy} were told to wait")
    owner.lock()


def enrolled(car: Bench) -> set[str]:
    return {str(entry["key"]) for entry in car.request("keys")["keys"]}


def test_a_revocation_that_races_a_presentation_wins_in_the_end(car: Bench, owner: Phone) -> None:
    maker = Maker(owner)
    for first in ("grant", "revoke") * 3:
        link, key = maker.grant(), keyfile.generate()
        revocation = maker.revocation(link.number)
        asked = {
            "grant": ours.ToLatchkey(grant=grants.bind(link, key.public)),
            "revoke": ours.ToLatchkey(revoke=revocation),
        }
        with contextlib.closing(car.connect()) as one, contextlib.closing(car.connect()) as other:
            for line, name in ((one, first), (other, "revoke" if first == "grant" else "grant")):
                line.send(message(asked[name]))
            heard(one), heard(other)
        with visitor(car) as courier:
            assert revoke(courier, revocation) == "NONE"  # whoever heard BUSY carries it on
        assert not drives(car, key) and enrolled(car) == {owner.key.id}
        assert takes(car, link, Key(key.private)) == "SPENT"
