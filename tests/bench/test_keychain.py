# SPDX-License-Identifier: Apache-2.0
"""Owners add, change and remove keys, with no card and no server; the last owner key stays."""

from __future__ import annotations

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Refused
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from tests.bench.support import new_phone, nothing_changes, reboot, stranger, tap
from tests.bench.timing import pass_by

pytestmark = pytest.mark.usefixtures("resting")


def refused(phone: Phone, operation: vcsec.UnsignedMessage) -> str:
    with pytest.raises(Refused) as caught:
        phone.change_keys(operation)
    return caught.value.name


def operation(**content: object) -> vcsec.UnsignedMessage:
    return vcsec.UnsignedMessage(WhitelistOperation=vcsec.WhitelistOperation(**content))  # type: ignore[arg-type]


def replacement(old: bytes, new: bytes) -> vcsec.UnsignedMessage:
    """A driver's key in the place of another."""
    replace = vcsec.ReplaceKey(keyRole=messages.role_number("driver"))
    replace.publicKeyToReplace.PublicKeyRaw = old
    replace.keyToAdd.PublicKeyRaw = new
    return operation(replaceKey=replace)


def labels(car: Bench) -> dict[str, str]:
    keys = car.keys()
    return {key["label"]: messages.role_name(key["role"]) for key in keys if key["label"]}


def test_an_owner_adds_changes_and_removes_a_key(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "guest", "Bo", by=owner)
    assert labels(car) == {"Ann's phone": "owner", "Bo": "guest"}
    owner.change_keys(messages.update_key(guest.key.public, "driver", "Bo's phone"))
    assert labels(car) == {"Ann's phone": "owner", "Bo's phone": "driver"}
    guest.unlock()
    owner.change_keys(messages.remove_key(guest.key.public))
    assert labels(car) == {"Ann's phone": "owner"}
    with pytest.raises(Refused, match="does not know this key"):
        guest.unlock()


@pytest.mark.parametrize("method", ["gcm", "hmac"])
def test_both_kinds_of_signature_change_keys(car: Bench, owner: Phone, method: str) -> None:
    public = keyfile.generate().public
    owner.change_keys(messages.add_key(public, "driver"), method)
    owner.change_keys(messages.remove_key(public), method)
    assert len(car.keys()) == 1


def test_a_key_that_was_added_by_an_owner_says_so_and_outlives_a_restart(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "driver", "Bo", by=owner)
    before = car.keys()
    assert [(key["key"], key["origin"]) for key in before] == [(owner.key.id, 1), (guest.key.id, 2)]
    reboot(car, owner, guest)
    assert car.keys() == before
    guest.unlock()


def test_an_owner_that_was_made_by_an_owner_may_remove_the_first_when_a_card_has_made_another(
    car: Bench, owner: Phone
) -> None:
    """What a card enrolled, only what a card enrolled takes the place of."""
    second = new_phone(car, "owner", by=owner)
    public = owner.key.public
    assert refused(second, messages.remove_key(public)) == "NO_PERMISSION_TO_REMOVE"
    assert refused(second, messages.remove_key(second.key.public)) == "NO_PERMISSION_TO_REMOVE_ONESELF"
    third = new_phone(car, "owner")
    second.change_keys(messages.remove_key(public))
    left = car.keys()
    assert {key["key"] for key in left} == {second.key.id, third.key.id}
    assert refused(second, messages.remove_key(third.key.public)) == "NO_PERMISSION_TO_REMOVE"
    again = Phone(owner.connection, owner.vin, owner.key)
    pair(again, "owner", "Ann's phone", on_wait=lambda: tap(car, again))  # as it was
    owner.wake()


def test_nobody_removes_or_lowers_the_last_owner_key(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "driver", by=owner)
    alike = keyfile.generate().public
    before = car.keys()
    mine = owner.key.public
    own = replacement(mine, alike)
    assert refused(owner, messages.remove_key(mine)) == "NO_PERMISSION_TO_REMOVE_ONESELF"
    assert refused(owner, messages.update_key(mine, "driver")) == "ATTEMPTING_TO_REMOVE_OWN_PERMISSIONS"
    assert refused(owner, own) == "NO_PERMISSION_TO_REMOVE"
    assert refused(guest, messages.remove_key(mine)) == "NO_PERMISSION_TO_REMOVE"
    assert car.keys() == before


def test_an_owner_for_a_while_does_not_make_the_lasting_one_removable(car: Bench, owner: Phone) -> None:
    """An owner key that goes with the next reset, or with the impermanent ones, is no owner to rely on."""
    for name, seconds in (("addImpermanentKey", 0), ("addKeyToWhitelistAndAddPermissions", 3600)):
        passing = stranger(car)
        change = messages.permission_change(passing.key.public, "owner")
        change.secondsToBeActive = seconds
        owner.change_keys(operation(**{name: change}))
        assert refused(passing, messages.remove_key(owner.key.public)) == "NO_PERMISSION_TO_REMOVE"
        assert refused(passing, messages.update_key(owner.key.public, "monitor")).startswith("NO_PERMISSION_TO_CHANGE")


def test_impermanent_keys_go_together_and_the_others_stay(car: Bench, owner: Phone) -> None:
    stay = new_phone(car, "driver", "stays", by=owner)
    gone = [new_phone(car, "guest", f"goes {number}", by=owner, impermanent=True) for number in range(3)]
    for phone in gone:
        phone.unlock()
    enrolled = car.keys()
    assert sum(key["impermanent"] for key in enrolled) == 3
    owner.change_keys(messages.remove_impermanent_keys())
    assert labels(car) == {"Ann's phone": "owner", "stays": "driver"}
    stay.unlock()
    for phone in gone:
        with pytest.raises(Refused, match="does not know this key"):
            phone.unlock()


def test_an_impermanent_key_can_take_the_place_of_the_others(car: Bench, owner: Phone) -> None:
    new_phone(car, "guest", "first", by=owner, impermanent=True)
    change = messages.permission_change(keyfile.generate().public, "guest", "second")
    owner.change_keys(operation(addImpermanentKeyAndRemoveExisting=change))
    assert labels(car) == {"Ann's phone": "owner", "second": "guest"}


def test_a_key_takes_the_place_of_another(car: Bench, owner: Phone) -> None:
    old, new = new_phone(car, "driver", "old", by=owner), stranger(car)
    owner.change_keys(replacement(old.key.public, new.key.public))
    new.unlock()
    with pytest.raises(Refused, match="does not know this key"):
        old.unlock()


def test_a_key_for_a_time_works_for_that_time(car: Bench, owner: Phone) -> None:
    key = keyfile.generate()
    change = messages.permission_change(key.public, "guest")
    change.secondsToBeActive = 600
    owner.change_keys(operation(addKeyToWhitelistAndAddPermissions=change))
    guest = stranger(car, key)
    guest.unlock()
    pass_by(car, 540)  # and a minute for the test itself: to the second, tests/unit/test_limits.py has it
    guest.lock()
    car.clock(60)
    owner.wake()
    with nothing_changes(car, owner), pytest.raises(Refused, match="used up its limits"):
        guest.unlock()
    owner.change_keys(messages.update_key(key.public, "guest"))  # for good
    guest.unlock()


def test_the_same_key_twice_is_refused_and_stays_as_it_was(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "guest", "Bo", by=owner)
    before = car.keys()
    refusal = "ATTEMPTING_TO_ADD_KEY_THAT_IS_ALREADY_ON_THE_WHITELIST"
    assert refused(owner, messages.add_key(guest.key.public, "owner")) == refusal
    assert car.keys() == before


def test_forty_keys_are_enrolled_listed_and_removed(car: Bench, owner: Phone) -> None:
    """More than a slot mask has bits."""
    phones = [keyfile.generate() for _ in range(40)]
    for key in phones:
        owner.change_keys(messages.add_key(key.public, "guest"))
    enrolled = car.keys()
    assert {key["key"] for key in enrolled} == {key.id for key in phones} | {owner.key.id}
    told = owner.keychain()
    assert told.numberOfEntries == 41 and told.slotMask == 0xFFFFFFFF
    last = stranger(car, phones[-1])
    last.unlock()
