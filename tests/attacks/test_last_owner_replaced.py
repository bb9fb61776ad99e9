# SPDX-License-Identifier: Apache-2.0
"""REPLACE_KEY put a key that nobody holds in the place of the only owner; an impermanent owner replaced the last one.

Now one rule is asked for every change: is there, afterwards, an owner of before that a card enrolled?
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Refused
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from tests.bench.support import new_phone, nothing_changes, stranger, tap

pytestmark = pytest.mark.usefixtures("resting")

GONE, LESS = "NO_PERMISSION_TO_REMOVE", "NO_PERMISSION_TO_CHANGE_PERMISSIONS"
ONESELF = ("NO_PERMISSION_TO_REMOVE_ONESELF", "ATTEMPTING_TO_REMOVE_OWN_PERMISSIONS")


def operation(**content: object) -> vcsec.UnsignedMessage:
    return vcsec.UnsignedMessage(WhitelistOperation=vcsec.WhitelistOperation(**content))  # type: ignore[arg-type]


def replacement(role: str, public: bytes | None = None, slot: int = 0, impermanent: bool = False) -> vcsec.ReplaceKey:
    replace = vcsec.ReplaceKey(keyRole=messages.role_number(role), impermanent=impermanent)
    replace.keyToAdd.PublicKeyRaw = keyfile.generate().public
    if public is None:
        replace.slotToReplace = slot
    else:
        replace.publicKeyToReplace.PublicKeyRaw = public
    return replace


def attempts(public: bytes, slot: int) -> Iterator[tuple[vcsec.UnsignedMessage, str]]:
    """Every operation that would leave the car without that owner, or with less of it, and how it is refused."""
    for role in ("owner", "driver"):
        for impermanent in (False, True):
            yield operation(replaceKey=replacement(role, public, impermanent=impermanent)), GONE
            yield operation(replaceKey=replacement(role, None, slot, impermanent)), GONE
    yield messages.remove_key(public), GONE
    yield messages.update_key(public, "driver"), LESS
    timed = messages.permission_change(public, "owner")
    timed.secondsToBeActive = 5
    yield operation(updateKeyAndPermissions=timed), LESS
    yield operation(addPermissionsToPublicKey=timed), LESS


def made(car: Bench, owner: Phone, how: str) -> Phone:
    """Another owner: none that a card enrolled for good."""
    if how == "oneself":
        return owner
    phone = stranger(car)
    change = messages.permission_change(phone.key.public, "owner")
    if how == "timed":
        change.secondsToBeActive = 3600
    if how == "raised by an owner":
        phone = new_phone(car, "driver")  # with a tap
        owner.change_keys(messages.update_key(phone.key.public, "owner"))
    elif how == "impermanent":
        owner.change_keys(operation(addImpermanentKey=change))
    else:
        owner.change_keys(operation(addKeyToWhitelistAndAddPermissions=change))
    return phone


@pytest.mark.parametrize("how", ["oneself", "impermanent", "timed", "enrolled by an owner", "raised by an owner"])
def test_the_last_owner_that_a_card_enrolled_stays_whatever_is_asked_by_whomever(
    car: Bench, owner: Phone, how: str
) -> None:
    actor = made(car, owner, how)
    keys = car.keys()
    slot = next(key["slot"] for key in keys if key["key"] == owner.key.id)
    tried = 0
    for asked, refusal in attempts(owner.key.public, slot):
        with nothing_changes(car, owner), pytest.raises(Refused) as caught:
            actor.change_keys(asked)
        assert caught.value.name == refusal or (how == "oneself" and caught.value.name in ONESELF)
        tried += 1
    assert tried == 12
    owner.unlock()
    owner.lock()


def test_a_card_makes_way(car: Bench, owner: Phone) -> None:
    second = new_phone(car, "owner")
    second.change_keys(operation(replaceKey=replacement("driver", owner.key.public)))
    with pytest.raises(Refused):
        owner.wake()
    again = Phone(owner.connection, owner.vin, owner.key)
    second.change_keys(messages.add_key(owner.key.public, "owner", "Ann's phone"))
    again.wake()
    for asked, refusal in attempts(second.key.public, 99):
        if not asked.WhitelistOperation.HasField("replaceKey"):
            with pytest.raises(Refused) as caught:
                again.change_keys(asked)
            assert caught.value.name == refusal
    second.change_keys(messages.remove_key(owner.key.public))
    pair(again, "owner", "Ann's phone", on_wait=lambda: tap(car, again))  # as it was
