# SPDX-License-Identifier: Apache-2.0
"""Grants and revocations, row by row of the rules in docs/protocol.md ("Grants", "Revocation"), on a whole car."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Any

import pytest
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import Refused
from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from tests.bench import support
from tests.bench.authority import DOMAIN, deliver, install, remove
from tests.bench.grants import (
    DRIVER,
    GUEST,
    Maker,
    accepted,
    bring,
    brought,
    carried,
    drives,
    obeyed,
    present,
    revoke,
    sign_revocation,
    takes,
    told,
    visitor,
)
from tests.bench.support import Property, new_phone, nothing_changes, reboot, refusals, stranger, tap
from tests.host import rosters

pytestmark = pytest.mark.usefixtures("resting")

UNLOCK = ours.Permission.Value("PERMISSION_UNLOCK")
START = ours.Permission.Value("PERMISSION_START")
ADD_KEY = ours.Permission.Value("PERMISSION_ADD_KEY")
YEAR_2026 = 1_767_225_600
CARD_TAP, OWNER_COMMAND, GRANT = 1, 2, 4
BAD_TAGS = 8


@pytest.fixture
def maker(owner: Phone) -> Maker:
    """The owner's phone, which needs the car no more."""
    return Maker(owner)


@pytest.fixture
def second(car: Bench, owner: Phone) -> Iterator[Phone]:
    """Another owner."""
    yield new_phone(car, "owner", "second", by=owner)


def refused(car: Bench, owner: Phone, grant: ours.Grant) -> str:
    """The GrantFault that a stranger hears for it. Nothing has changed then."""
    with nothing_changes(car, owner), visitor(car) as phone:
        return bring(phone, ours.ToLatchkey(grant=grant))


def _until_busy(phone: Phone, request: ours.ToLatchkey) -> list[Any]:
    """What the car answers, until it has this connection wait: a bad tag is forgiven each second."""
    heard: list[Any] = []
    while len(heard) < 100:
        answer = brought(phone, request)
        if answer == universal.MESSAGEFAULT_ERROR_BUSY:
            return heard
        heard.append(answer)
    raise AssertionError("it does not wait")


def restart(car: Bench, *phones: Phone) -> None:
    """Reboot; these phones have a session again."""
    reboot(car, *phones)
    for phone in phones:
        phone.handshake()


def bound(grant: ours.Grant) -> ours.Grant:
    return grants.bind(grant, keyfile.generate().public)


def enrolled(car: Bench) -> list[dict[str, Any]]:
    return list(car.keys())


def entry(car: Bench, phone: Phone) -> dict[str, Any] | None:
    """How the bench lists its key."""
    return next((key for key in enrolled(car) if key["key"] == phone.key.id), None)


def raw(maker: Maker, *links: bytes, number: int = 0) -> ours.Grant:
    """A genuine grant with what no phone of ours would put into it."""
    if not number:
        maker.number += 1
    grant = ours.Grant(handle=maker.told.handle, number=number or maker.number)
    key = grants.grant_key(maker.shared, maker.told.salt)
    head = b"latchkey" + grant.handle.to_bytes(4, "big") + grant.number.to_bytes(4, "big")
    for link in links:
        key = hmac.digest(key, head + link, "sha256")[:16]
        head = b""
        grant.limits += bytes([len(link)]) + link
    grant.tag = key
    return grant


def limits(**said: Any) -> bytes:
    encoded: bytes = ours.Limits(**said).SerializeToString()
    return encoded


def test_a_guest_drives_whom_the_owner_never_met(car: Bench, owner: Phone, maker: Maker) -> None:
    guest = accepted(car, maker.grant(label=b"Bo"))
    guest.unlock()
    guest.start()
    assert entry(car, guest) is not None
    restart(car, guest, owner)
    guest.start()
    with pytest.raises(Refused):
        guest.change_keys(messages.add_key(keyfile.generate().public, "guest"))


def test_over_a_chain_of_holders_each_passes_on_less(car: Bench, maker: Maker) -> None:
    grant = maker.grant(role=DRIVER, label=b"Bo")
    grant = grants.narrow(grant, ours.Limits(role=GUEST))
    grant = grants.narrow(grant, ours.Limits(commands=UNLOCK, label=b"Cy"))
    guest = accepted(car, grant)
    guest.unlock()
    with pytest.raises(Refused):
        guest.start()
    known = entry(car, guest)
    assert known and (known["label"], known["role"]) == ("Cy", GUEST)


def test_g1_only_the_one_encoding_is_read(car: Bench, owner: Phone, maker: Maker) -> None:
    first, key = limits(role=GUEST), limits(key=keyfile.generate().public)
    for wrong in (first + b"\x48\x01", first + first, b"\x10\x00" + first, limits(role=GUEST, label=b"\x1b[2J")):
        assert refused(car, owner, raw(maker, wrong, key)) == "ENCODING"
    assert refused(car, owner, raw(maker, first, first, first, first, key)) == "ENCODING"
    good = bound(maker.grant())
    for number in (0, grants.ALL):
        assert refused(car, owner, ours.Grant(handle=1, number=number, limits=good.limits, tag=good.tag)) == "ENCODING"


def test_g2_its_maker_is_an_owner_whom_nothing_limits(car: Bench, owner: Phone, maker: Maker) -> None:
    driver = new_phone(car, "driver", by=owner)
    slot = entry(car, driver)
    assert slot is not None
    good = bound(maker.grant())
    for handle in (0, slot["slot"] + 1, 99, 4096, 4097, grants.ALL):
        good.handle = handle
        assert refused(car, owner, good) == "MAKER", handle


def test_g3_a_wrong_tag_is_refused_and_too_many_make_a_connection_wait(car: Bench, owner: Phone, maker: Maker) -> None:
    phone, good = stranger(car), bound(maker.grant())
    wrong = ours.ToLatchkey(grant=good)
    wrong.grant.tag = bytes(16)
    with nothing_changes(car, owner):
        heard = _until_busy(phone, wrong)
        assert len(heard) >= BAD_TAGS and {told.grant.fault for told in heard} == {
            ours.GrantFault.Value("GRANT_FAULT_TAG")
        }
    assert bring(stranger(car), ours.ToLatchkey(grant=good)) == "NONE", "nobody else waits"
    assert len(refusals(car, 0)) >= BAD_TAGS


def test_g4_checking_costs_no_public_key_work_and_a_guest_one_agreement_for_ever(
    car: Bench, owner: Phone, maker: Maker, record_property: Property
) -> None:
    before = car.stats()["p256"]
    good = bound(maker.grant())
    wrong = ours.Grant.FromString(good.SerializeToString())
    wrong.tag = bytes(16)
    dates = bound(maker.grant(not_after=YEAR_2026))
    for grant, why in ((wrong, "TAG"), (dates, "LIMITS")):
        assert bring(stranger(car), ours.ToLatchkey(grant=grant)) == why
    assert car.stats()["p256"] == before
    guest = accepted(car, maker.grant())
    assert car.stats()["p256"] == before + 1
    guest.start()
    assert present(guest, maker.grant(number=maker.number)) == "NONE"
    assert takes(car, maker.grant(number=maker.number)) == "SPENT"
    restart(car, guest, owner)
    guest.start()
    assert car.stats()["p256"] == 0, "since this start"
    record_property("note", "public-key operations: 0 to check a grant, 1 for its guest, 0 from then on")


def test_g5_nothing_that_is_added_makes_it_wider(car: Bench, owner: Phone, maker: Maker) -> None:
    key = limits(key=keyfile.generate().public)
    for role in (messages.ROLES["owner"], messages.ROLES["service"], DRIVER):
        assert refused(car, owner, raw(maker, limits(role=GUEST), limits(role=role), key)) == "LIMITS"
    assert refused(car, owner, raw(maker, limits(role=messages.ROLES["owner"]), key)) == "LIMITS"
    wider = raw(maker, limits(role=GUEST, commands=UNLOCK), limits(commands=0xFFF, label=b"wider"), key)
    assert bring(stranger(car), ours.ToLatchkey(grant=wider)) == "NONE"
    known = next(key for key in enrolled(car) if key["label"] == "wider")
    assert known["role"] == GUEST
    alone = keyfile.generate()
    narrow = raw(maker, limits(role=GUEST, commands=UNLOCK), limits(commands=UNLOCK | START), limits(key=alone.public))
    assert bring(stranger(car), ours.ToLatchkey(grant=narrow)) == "NONE"
    phone = stranger(car, alone)
    phone.unlock()
    with pytest.raises(Refused):
        phone.start()


def test_g6_of_which_nothing_is_left_is_refused(car: Bench, owner: Phone, maker: Maker) -> None:
    key = limits(key=keyfile.generate().public)
    for said in (
        {"commands": ADD_KEY},
        {"not_before": 2_000_000_001, "not_after": 2_000_000_000},
        {"not_after": YEAR_2026},
    ):
        assert refused(car, owner, raw(maker, limits(role=GUEST, **said), key)) == "LIMITS", said
    assert refused(car, owner, raw(maker, limits(role=GUEST, commands=UNLOCK), limits(commands=START), key)) == "LIMITS"


def test_g7_it_is_one_keys_and_who_overhears_it_can_add_nothing(car: Bench, owner: Phone, maker: Maker) -> None:
    first, key = limits(role=GUEST), limits(key=keyfile.generate().public)
    for links in ((first,), (first, key, limits(uses=1)), (first, key, key), (first, limits(key=b"\4" + bytes(64)))):
        assert refused(car, owner, raw(maker, *links)) == "KEY"
    guest = keyfile.generate()
    heard = grants.bind(maker.grant(), guest.public)
    less = ours.Limits(uses=1).SerializeToString()
    heard.limits += bytes([len(less)]) + less
    heard.tag = hmac.digest(heard.tag, less, "sha256")[:16]
    assert refused(car, owner, heard) == "KEY"
    assert present(stranger(car, guest), maker.grant(number=maker.number)) == "NONE", "the number is as it was"


def test_g8_a_key_that_others_have_enrolled_stays_what_it_is(car: Bench, owner: Phone, maker: Maker) -> None:
    driver = new_phone(car, "driver", by=owner)
    for key in (owner.key, driver.key):
        assert refused(car, owner, grants.bind(maker.grant(), key.public)) == "KEY"
    guest = accepted(car, maker.grant())
    assert refused(car, owner, grants.bind(maker.grant(), guest.key.public)) == "KEY"
    assert obeyed(driver) and obeyed(guest)


def test_g8_a_key_that_a_roster_lists_is_the_rosters(car: Bench, owner: Phone, maker: Maker) -> None:
    install(car, owner)
    try:
        assert deliver(stranger(car), rosters.roster_file(rosters.entries(3))).why == "taken"
        listed = keyfile.Key(rosters.private(2))
        assert refused(car, owner, grants.bind(maker.grant(), listed.public)) == "KEY"
        assert stranger(car, listed).handshake()
        assert refused(car, owner, grants.bind(maker.grant(), listed.public)) == "KEY"
    finally:
        remove(owner)


def test_g9_a_number_works_once_whatever_becomes_of_its_key(car: Bench, owner: Phone, maker: Maker) -> None:
    grant = maker.grant()
    guest = accepted(car, grant)
    assert refused(car, owner, bound(grant)) == "SPENT"
    restart(car, owner)
    assert refused(car, owner, bound(grant)) == "SPENT"
    owner.change_keys(messages.remove_key(guest.key.public))
    assert refused(car, owner, bound(grant)) == "SPENT"
    assert refused(car, owner, grants.bind(grant, guest.key.public)) == "SPENT"
    restart(car, owner)
    assert refused(car, owner, grants.bind(grant, guest.key.public)) == "SPENT"
    assert accepted(car, maker.grant(), guest.key), "another grant is another matter"


def test_g10_presented_again_by_its_key_it_is_done_already(car: Bench, owner: Phone, maker: Maker) -> None:
    grant = maker.grant()
    guest = accepted(car, grant)
    before = car.request("flash_ops")["count"]
    with nothing_changes(car, owner):
        assert present(guest, grant) == "NONE"
    restart(car, guest, owner)
    assert present(guest, grant) == "NONE" and obeyed(guest)
    assert before


def test_g11_a_dead_key_may_present_another_one(car: Bench, owner: Phone, maker: Maker) -> None:
    first, second = maker.grant(seconds=20), maker.grant(label=b"again")
    guest = accepted(car, first)
    assert refused(car, owner, grants.bind(second, guest.key.public)) == "KEY"
    car.clock(30)
    assert not obeyed(guest)
    assert present(guest, second) == "NONE" and obeyed(guest)
    known = entry(car, guest)
    assert known and known["label"] == "again" and sum(key["key"] == guest.key.id for key in enrolled(car)) == 1
    assert present(guest, first) == "SPENT"


def test_g12_a_thousand_that_nobody_presents_cost_nothing_and_the_1025th_spends_the_first(
    car: Bench, owner: Phone, maker: Maker, record_property: Property
) -> None:
    made = [maker.grant() for _ in range(1_000)]
    first = made[0].number
    assert takes(car, made[-1]) == "NONE"
    assert takes(car, made[0]) == "NONE", "any of them can still come"
    assert takes(car, maker.grant(number=first + 1 + 1024)) == "NONE"
    assert refused(car, owner, bound(made[1])) == "SPENT"
    assert takes(car, made[2]) == "NONE"
    about = told(owner)
    assert about.below == first + 3 and about.spent
    record_property("note", f"of {len(made)} grants of one maker the car knows {4 + len(about.spent)} bytes")


def test_g13_sixteen_makers_and_then_who_is_enrolled_no_more_makes_room(car: Bench, owner: Phone, maker: Maker) -> None:
    makers = [maker]
    assert takes(car, maker.grant()) == "NONE"
    while len(makers) < 17:
        key = keyfile.generate()
        owner.change_keys(messages.add_key(key.public, "owner", f"owner {len(makers)}"))
        with visitor(car, key) as phone:
            makers.append(Maker(phone))
        assert takes(car, makers[-1].grant()) == ("NONE" if len(makers) < 17 else "FULL")
    owner.change_keys(messages.remove_key(makers[5].public))
    assert takes(car, makers[-1].grant()) == "NONE"
    assert takes(car, makers[6].grant()) == "NONE"


def test_g14_what_nobody_has_presented_goes_with_its_maker(car: Bench, owner: Phone, second: Phone) -> None:
    maker = Maker(second)
    guest = accepted(car, maker.grant())
    open_one = maker.grant()
    owner.change_keys(messages.update_key(second.key.public, "driver"))
    assert refused(car, owner, bound(open_one)) == "MAKER"
    owner.change_keys(messages.update_key(second.key.public, "owner"))
    assert refused(car, owner, bound(open_one)) == "TAG", "it is enrolled anew"
    assert accepted(car, Maker(second).grant())
    again = Maker(second).grant()
    owner.change_keys(messages.remove_key(second.key.public))
    assert refused(car, owner, bound(again)) == "MAKER"
    new_phone(car, "owner", "in its slot", by=owner)
    assert refused(car, owner, bound(again)) == "TAG"
    assert obeyed(guest), "what was presented stays"


def test_g15_a_flash_that_fails_is_told_and_all_is_as_before(car: Bench, owner: Phone, maker: Maker) -> None:
    grant = maker.grant()
    key = keyfile.generate()
    car.request("flash_error", after=1, error=28, forever=True)
    with nothing_changes(car, owner):
        assert takes(car, grant, key) == "FLASH"
        assert carried(car, maker.revocation(grant.number)) == "FLASH"
    car.request("flash_error", after=0)
    assert told(owner).below <= grant.number
    assert accepted(car, grant, key)


def test_g16_a_strangers_flood_costs_nobody_else_anything(car: Bench, owner: Phone, maker: Maker) -> None:
    phones = [stranger(car) for _ in range(4)]
    good = maker.grant()
    wrong = ours.ToLatchkey(grant=bound(good))
    wrong.grant.tag = bytes(16)
    message = messages.routable(wrong, b"\7" * 16, b"\7" * 16, DOMAIN).SerializeToString()
    before = car.stats()
    for _ in range(10):
        for phone in phones:
            phone.connection.send(message)
        owner.unlock()
        owner.lock()
    guest = accepted(car, good)
    assert obeyed(guest)
    after = car.stats()
    assert after["p256"] == before["p256"] + 1


def test_g16_only_one_is_looked_at_at_a_time(car: Bench, maker: Maker) -> None:
    """The other hears BUSY, and has its turn when it asks again."""
    phones = [stranger(car) for _ in range(3)]
    for phone in phones:
        request = ours.ToLatchkey(grant=grants.bind(maker.grant(), phone.key.public))
        phone.connection.send(messages.routable(request, b"\7" * 16, b"\7" * 16, DOMAIN).SerializeToString())
    heard = {}
    for number, phone in enumerate(phones):
        while (data := phone.connection.receive(5)) is not None:
            reply = universal.RoutableMessage.FromString(data)
            if reply.to_destination.routing_address == b"\7" * 16:
                heard[number] = reply.signedMessageStatus.signed_message_fault
                break
    assert sorted(heard.values())[0] == 0 and set(heard.values()) <= {0, universal.MESSAGEFAULT_ERROR_BUSY}


def test_g17_the_log_and_the_owners_view_tell_of_it(car: Bench, owner: Phone, maker: Maker) -> None:
    guest = accepted(car, maker.grant(label=b"Bo"))
    written = [it for it in car.log() if it["kind"] == "enrolled" and it["key"] == guest.key.id]
    assert [it["detail"] for it in written] == [maker.number]
    listed = View(owner).keys()
    seen = next(it for it in listed if it["key"] == guest.key.id)
    assert (seen["label"], seen["origin"]) == ("Bo", GRANT)
    assert {"event": "enrolled", "by": "grant", "key": guest.key.id} in car.events


def test_g18_an_owner_is_told_what_its_phone_needs(car: Bench, owner: Phone, second: Phone, maker: Maker) -> None:
    about = told(owner)
    assert about.handle == 1 and 0 < about.below <= about.next and about.time > YEAR_2026
    slot = entry(car, second)
    assert slot is not None
    other = told(owner, slot["slot"] + 1)
    assert (other.handle, other.salt) == (slot["slot"] + 1, told(second).salt) != (about.handle, about.salt)
    number = about.next + 9
    assert takes(car, maker.grant(number=number)) == "NONE"
    later = told(owner)
    spent = int.from_bytes(later.spent, "little") >> number - 1 - later.below
    assert later.next > number and spent == 0b10
    driver = new_phone(car, "driver", by=owner)
    with pytest.raises(Refused, match="role") as denied:
        told(driver)
    assert denied.value.name == "INSUFFICIENT_PRIVILEGES"
    with pytest.raises(Refused) as none:
        told(owner, 99)
    assert none.value.name == "INVALID_KEY_HANDLE"
    assert brought(stranger(car), ours.ToLatchkey(maker=ours.MakerRequest())) == (
        universal.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES
    )


def test_g19_owners_and_the_card_govern_it(car: Bench, owner: Phone, maker: Maker) -> None:
    grants_of = [maker.grant() for _ in range(3)]
    removed, taken, tapped = (accepted(car, grant) for grant in grants_of)
    owner.change_keys(messages.remove_key(removed.key.public))
    assert not obeyed(removed)
    owner.change_keys(messages.add_key(taken.key.public, "driver", "mine"))
    asked = messages.routable(messages.add_key(tapped.key.public, "owner"), b"\7" * 16, b"\7" * 16)
    tapped.connection.send(asked.SerializeToString())
    tap(car, tapped)
    support.answer(tapped.connection)
    assert carried(car, maker.revocation(*(grant.number for grant in grants_of))) == "NONE"
    assert obeyed(taken) and obeyed(tapped), "the grant has no say any more"
    known = entry(car, taken)
    assert known and (known["origin"], known["label"]) == (OWNER_COMMAND, "mine")


def test_v1_an_owners_tag_is_needed(car: Bench, owner: Phone, maker: Maker) -> None:
    guest = accepted(car, maker.grant())
    good = maker.revocation(maker.number)
    with nothing_changes(car, owner):
        for change in ({"tag": bytes(16)}, {"handle": 99}, {"handle": 0}, {"below": 9}, {"numbers": b"\0\0\0\x63"}):
            wrong = ours.Revocation.FromString(good.SerializeToString())
            for name, value in change.items():
                setattr(wrong, name, value)
            with visitor(car) as phone:
                assert revoke(phone, wrong) in ("TAG", "MAKER"), change
    assert obeyed(guest)
    assert sign_revocation(guest, [maker.number]) == "MAKER" and obeyed(guest)
    assert carried(car, good) == "NONE" and not obeyed(guest)


def test_v1_signed_by_an_owner_it_needs_no_tag(car: Bench, owner: Phone, second: Phone, maker: Maker) -> None:
    first, other = accepted(car, maker.grant()), accepted(car, maker.grant())
    assert sign_revocation(owner, [maker.number - 1]) == "NONE"
    assert not obeyed(first) and obeyed(other)
    assert sign_revocation(second, [maker.number], maker=maker.told.handle) == "NONE"
    assert not obeyed(other)


def test_v2_anothers_are_those_of_one_enrolment(car: Bench, owner: Phone, second: Phone, maker: Maker) -> None:
    others = Maker(second)
    guest = accepted(car, others.grant())
    good = maker.revocation(below=grants.ALL, of=others)
    assert carried(car, maker.revocation(1)) == "NONE" and obeyed(guest), "one's own"
    owner.change_keys(messages.remove_key(second.key.public))
    heir = new_phone(car, "owner", "in its slot", by=owner)
    assert Maker(heir).told.handle == others.told.handle
    fresh = accepted(car, Maker(heir).grant())
    assert carried(car, good) == "TAG"
    assert obeyed(fresh) and obeyed(guest)
    assert carried(car, maker.revocation(below=grants.ALL, of=Maker(heir))) == "NONE"
    assert not obeyed(fresh)


def test_v3_many_keys_go_and_their_sessions_with_them(car: Bench, owner: Phone, maker: Maker) -> None:
    keys = [keyfile.generate() for _ in range(11)]
    assert {takes(car, maker.grant(), key) for key in keys} == {"NONE"}
    *gone, kept = keys
    with visitor(car, gone[0]) as guest:
        guest.unlock()
        assert carried(car, maker.revocation(below=maker.number)) == "NONE"
        assert not obeyed(guest)
    assert {key["key"] for key in enrolled(car)} == {owner.key.id, kept.id}
    assert not any(drives(car, key) for key in gone) and drives(car, kept)


def test_v4_revoked_before_or_after_it_is_presented_is_the_same(car: Bench, owner: Phone, maker: Maker) -> None:
    before, after = maker.grant(), maker.grant()
    guest = accepted(car, after)
    for _ in range(2):
        assert carried(car, maker.revocation(before.number, after.number)) == "NONE"
        assert not drives(car, guest.key)
        assert refused(car, owner, bound(before)) == refused(car, owner, bound(after)) == "SPENT"
        restart(car, owner)


def test_v5_again_it_is_done_and_nothing_changes(car: Bench, owner: Phone, maker: Maker) -> None:
    accepted(car, maker.grant())
    good = maker.revocation(maker.number)
    assert carried(car, good) == "NONE"
    car.clock(40)  # enrolment is dropped
    before = car.request("flash_ops")["count"]
    phone = stranger(car)
    heard = _until_busy(phone, ours.ToLatchkey(revoke=good))
    assert len(heard) >= BAD_TAGS and {told.revoke.fault for told in heard} == {0}
    assert car.request("flash_ops")["count"] == before


def test_v6_all_of_a_makers_go_for_good(car: Bench, owner: Phone, second: Phone, maker: Maker) -> None:
    other = Maker(second)
    guest, mine = accepted(car, other.grant()), accepted(car, maker.grant())
    assert sign_revocation(owner, below=grants.ALL, maker=other.told.handle) == "NONE"
    assert not obeyed(guest) and obeyed(mine)
    assert refused(car, owner, bound(other.grant(number=grants.ALL - 1))) == "SPENT"
    assert told(second).next == 0
    owner.change_keys(messages.remove_key(second.key.public))
    assert obeyed(mine)


def test_v7_what_cannot_be_written_is_not_done(car: Bench, owner: Phone, maker: Maker) -> None:
    guest, open_one = accepted(car, maker.grant()), maker.grant()
    car.request("flash_error", after=1, error=5, forever=True)
    assert carried(car, maker.revocation(maker.number - 1, maker.number)) == "FLASH"
    car.request("flash_error", after=0)
    assert obeyed(guest)
    assert accepted(car, open_one)
    assert carried(car, maker.revocation(maker.number - 1, maker.number)) == "NONE"
    assert not obeyed(guest)


def test_v8_the_log_tells_whose_were_revoked_and_which_keys_went(car: Bench, owner: Phone, maker: Maker) -> None:
    guest = accepted(car, maker.grant())
    assert carried(car, maker.revocation(maker.number, maker.number + 3)) == "NONE"
    last = [(it["kind"], it["key"], it["detail"]) for it in car.log()[-2:]]
    assert last == [("revoked", owner.key.id, maker.number + 3), ("removed", guest.key.id, 0)]
