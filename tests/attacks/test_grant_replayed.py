# SPDX-License-Identifier: Apache-2.0
"""A recorded grant is brought again: after its use, its key's removal, a restart, much else written, another life.

Its number is spent with the change that enrols its key, so it never works twice: not for its own phone, nor for
anybody who has the link.
"""

from __future__ import annotations

from pathlib import Path

from host_tools.faults import Refused
from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.grants import Maker, bring, drives, takes, told, visitor
from tests.bench.support import VIN, new_phone, stranger

WINDOW = 1024


class Thief:
    """Has the link, and heard it being presented."""

    def __init__(self, car: Bench, link: ours.Grant, key: Key) -> None:
        self.car = car
        self.link = link
        self.heard = ours.ToLatchkey(grant=grants.bind(link, key.public))
        self.key = key

    def gets(self) -> tuple[str, str]:
        """What he hears for the recording, and with a key of his own."""
        with visitor(self.car) as phone:
            return bring(phone, self.heard), takes(self.car, self.link)


def test_a_recorded_grant_never_works_twice(tmp_path: Path) -> None:
    image = tmp_path / "flash.img"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        lender = new_phone(car, "owner", by=owner)
        maker, key = Maker(lender), keyfile.generate()
        thief = Thief(car, maker.grant(uses=1, label=b"Bo"), key)
        assert takes(car, thief.link, key) == "NONE"
        assert drives(car, key) and started(car, key)

        assert not started(car, key), "used up"
        assert thief.gets() == ("NONE", "SPENT") and not started(car, key), "enrolled it is, and gains nothing"

        owner.change_keys(messages.remove_key(key.public))
        assert thief.gets() == ("SPENT", "SPENT") and not drives(car, key)

        boot = car.boot
        board.power_cycle()
        car.wait_boot(boot)
        owner = stranger(car, owner.key)
        assert thief.gets() == ("SPENT", "SPENT")

        for _ in range(12):  # its bucket and its maker's file are written over and over
            other = keyfile.generate()
            assert takes(car, maker.grant(), other) == "NONE"
            owner.change_keys(messages.remove_key(other.public))
        assert thief.gets() == ("SPENT", "SPENT")
        assert takes(car, maker.grant(number=maker.number + 2 * WINDOW)) == "NONE", "the window is far above it"
        assert told(stranger(car, lender.key)).below > thief.link.number
        assert thief.gets() == ("SPENT", "SPENT")

        owner.change_keys(messages.remove_key(lender.key.public))
        assert thief.gets() == ("MAKER", "MAKER")
        owner.change_keys(messages.add_key(lender.key.public, "owner"))
        assert thief.gets() == ("TAG", "TAG"), "the same maker, enrolled anew"

    with SimulatedBoard(image) as board, Bench.open(board.port, 30) as car:
        car.provision(VIN, force=True)
        thief.car = car
        assert thief.gets() == ("MAKER", "MAKER")
        owner = new_phone(car, "owner")
        owner.change_keys(messages.add_key(lender.key.public, "owner"))
        assert thief.gets() == ("TAG", "TAG"), "the same maker and handle in another life"
        assert {entry["key"] for entry in car.request("keys")["keys"]} == {owner.key.id, lender.key.id}


def started(car: Bench, key: Key) -> bool:
    with visitor(car, key) as phone:
        try:
            phone.start()
        except Refused:
            return False
        phone.lock()
        return True


def test_a_session_of_its_key_does_not_outlive_it(car: Bench, owner: Phone) -> None:
    """What was recorded of the guest's own commands neither."""
    maker, key = Maker(owner), keyfile.generate()
    assert takes(car, maker.grant(), key) == "NONE"
    with visitor(car, key) as phone:
        phone.unlock()
        owner.change_keys(messages.remove_key(key.public))
        assert takes(car, maker.grant(), key) == "NONE"
        before = car.state()
        phone.lock()
        assert phone.resyncs == 1 and before["locked"] is False
    owner.change_keys(messages.remove_key(key.public))
    owner.lock()
