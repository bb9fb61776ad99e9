# SPDX-License-Identifier: Apache-2.0
"""A guest who hears that the grant is to be taken back: presents it again, keeps a session open, cuts the power, keeps
the courier's record for when it hits somebody else, or the owner who wrote it is gone.
"""

from __future__ import annotations

import pytest

from host_tools.faults import LatchkeyError, Refused
from host_tools.phone import grants, keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import settle
from tests.bench.grants import Maker, carried, drives, revoke, sign_revocation, takes, visitor
from tests.bench.support import Property, new_phone, stranger


def test_a_guest_in_the_middle_of_driving_is_stopped_at_the_next_command(car: Bench, owner: Phone) -> None:
    maker, key = Maker(owner), keyfile.generate()
    assert takes(car, maker.grant(), key) == "NONE"
    with visitor(car, key) as guest:
        guest.unlock()
        assert carried(car, maker.revocation(maker.number)) == "NONE"
        with pytest.raises(Refused):
            guest.start()
        assert takes(car, maker.grant(number=maker.number), key) == "SPENT"
        with pytest.raises(Refused):
            guest.start()
    assert car.state()["start_enabled"] is False
    owner.lock()


def test_a_record_that_was_kept_takes_nothing_of_who_comes_after(car: Bench, owner: Phone) -> None:
    """Not of the heir of a handle, not of the same maker enrolled anew, and not in the name of who is gone."""
    other = new_phone(car, "owner", "other", by=owner)
    maker, others = Maker(owner), Maker(other)
    kept = maker.revocation(below=grants.ALL, of=others)
    theirs = others.revocation(below=grants.ALL)
    assert carried(car, kept) == "NONE"
    owner.change_keys(messages.remove_key(other.key.public))
    heir = new_phone(car, "owner", "heir", by=owner)
    inherited, guest = Maker(heir), keyfile.generate()
    assert inherited.told.handle == others.told.handle
    assert takes(car, inherited.grant(), guest) == "NONE"
    for record in (kept, theirs):
        assert carried(car, record) == "TAG" and drives(car, guest)
    owner.change_keys(messages.remove_key(heir.key.public))
    owner.change_keys(messages.add_key(other.key.public, "owner"))
    again = Maker(other)
    later = keyfile.generate()
    assert takes(car, again.grant(), later) == "NONE"
    for record in (kept, theirs):
        assert carried(car, record) == "TAG" and drives(car, later)
    for key in (guest, later):
        owner.change_keys(messages.remove_key(key.public))
    owner.change_keys(messages.remove_key(other.key.public))
    owner.lock()


def test_no_cut_of_the_power_brings_a_revoked_grant_back(
    car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property
) -> None:
    """The guest has the plug: at every operation of the courier's act, until it has been heard."""
    maker, heard, cuts = Maker(owner), 0, 0
    for after in range(1, 60):
        key, open_one = keyfile.generate(), maker.grant()
        assert takes(car, maker.grant(), key) == "NONE"
        record = maker.revocation(open_one.number, maker.number)
        settle(car)
        boot = car.boot
        car.request("power_cut", after=after)
        try:
            done = carried(car, record) == "NONE"
            settle(car)
            car.request("power_cut", after=0)
        except LatchkeyError:
            car.wait_boot(boot)
            owner.connection = car.connect()
            cuts += 1
            done = False
        spent = takes(car, open_one) == "SPENT"
        assert spent or drives(car, key), "the key went before its number"
        assert spent or not done, "heard, and not done"
        with visitor(car) as courier:
            assert revoke(courier, record) == "NONE"
        assert not drives(car, key)
        assert takes(car, open_one) == takes(car, maker.grant(number=maker.number), key) == "SPENT"
        for entry in car.request("keys")["keys"]:
            if entry["key"] != owner.key.id:
                owner.change_keys(messages.remove_key(bytes.fromhex(entry["public"])))
        if car.boot == boot:
            heard += 1
            break
    assert heard and cuts > 3
    record_property("note", f"revoking: the power cut at each of {cuts} flash operations; nothing came back")
    owner.lock()


def test_a_thief_of_one_owners_phone_is_stopped_by_another_owner(car: Bench, owner: Phone) -> None:
    """He has made grants without end, and some are in use."""
    stolen = new_phone(car, "owner", "stolen", by=owner)
    thief = Maker(stolen)
    keys = [keyfile.generate() for _ in range(3)]
    assert [takes(car, thief.grant(), key) for key in keys] == ["NONE"] * 3
    open_ones = [thief.grant(number=number) for number in (50, 900, 5_000_000)]
    assert sign_revocation(owner, below=grants.ALL, maker=thief.told.handle) == "NONE"
    owner.change_keys(messages.remove_key(stolen.key.public))
    assert not any(drives(car, key) for key in keys)
    assert {takes(car, grant) for grant in open_ones} == {"MAKER"}
    assert {entry["key"] for entry in car.request("keys")["keys"]} == {owner.key.id}
    assert stranger(car)
    owner.lock()
