# SPDX-License-Identifier: Apache-2.0
"""A roster, row by row of the rules in docs/protocol.md ("The authority"), on a whole car."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from host_tools.authority import parcels
from host_tools.authority.parcels import Entry, Seal
from host_tools.faults import Refused
from host_tools.phone import keyfile, messages, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.authority import PAUSE, Told, bring, deliver, install, listed, remove, status
from tests.bench.support import ADDRESS, UUID, VIN, new_phone, reboot, stranger, tap
from tests.bench.timing import set_time
from tests.host import rosters
from tests.host.rosters import NEXT_ROOT, NEXT_SIGNER, ROOT, SIGNER, entries, private, public

pytestmark = pytest.mark.usefixtures("resting")

OWNER, DRIVER, GUEST, SERVICE = 2, 3, 8, 1
YEAR = 366 * 86400


@dataclass
class Desk:
    """An authority that this car has, and its files."""

    car: Bench
    owner: Phone
    courier: Phone
    seal: Seal

    def file(self, keys: Sequence[Entry], version: int = 1, generation: int = 1, **said: int) -> bytes:
        return rosters.roster_file(keys, version, generation, self.seal, **said)

    def publish(self, keys: Sequence[Entry], version: int = 1, generation: int = 1, **said: int) -> Told:
        """Bring it, and see that it is in force."""
        told = deliver(self.courier, self.file(keys, version, generation, **said))
        assert (told.why, told.generation, told.version, told.wanted) == ("taken", generation, version, 0)
        return told


@pytest.fixture
def desk(car: Bench, owner: Phone) -> Iterator[Desk]:
    """A car whose owner has installed an authority that it never had before, and that goes by no later time."""
    set_time(car, owner, rosters.ISSUED)
    seal = Seal(os.urandom(16))
    assert install(car, owner, seal=seal.secret) == 0
    yield Desk(car, owner, stranger(car), seal)
    remove(owner)  # what it listed would stay out for good, if it were tidied up first


def drives(car: Bench, number: int) -> bool:
    """Whether the phone with that key, which comes anew, can unlock."""
    car.clock(PAUSE)
    with contextlib.closing(car.connect()) as connection:
        return obeyed(Phone(connection, VIN, keyfile.Key(private(number))))


def obeyed(phone: Phone) -> bool:
    """Whether its unlock is done."""
    try:
        phone.unlock()
    except Refused:
        return False
    return True


def keys_of(car: Bench) -> list[dict[str, Any]]:
    """All that the bench tells."""
    return list(car.keys())


def logged(car: Bench, kind: str, key: str | None = None) -> int:
    """How many entries of that kind, about that key, the log has."""
    return sum(entry["count"] for entry in car.log() if entry["kind"] == kind and key in (None, entry["key"]))


def declined(desk: Desk, parcel: ours.Parcel | bytes) -> str:
    """The Decline that a stranger hears for it. Nothing has changed then, and the owner drives."""
    before = status(desk.owner)
    told = bring(desk.courier, parcel if isinstance(parcel, ours.Parcel) else ours.Parcel.FromString(parcel))
    after = status(desk.owner)
    assert (after.version, after.keys, after.time // 60) == (before.version, before.keys, before.time // 60)
    desk.owner.unlock()
    return told.why


def first(file: bytes, version: int = 1) -> ours.Parcel:
    """The head in a file."""
    return next(parcel for parcel in parcelfile.split(file) if parcel.version == version and not parcel.part)


def test_a_roster_comes_and_its_keys_drive(desk: Desk) -> None:
    desk.publish(entries(20))
    assert status(desk.owner).keys == 20
    assert all(drives(desk.car, number) for number in (1, 7, 20))
    assert not drives(desk.car, 21)


def test_r1_without_an_authority_nothing_is_taken(desk: Desk) -> None:
    remove(desk.owner)
    assert declined(desk, first(desk.file(entries(1)))) == "NO_AUTHORITY"


def test_r2_another_cars_parcels_cost_nothing(desk: Desk) -> None:
    before = desk.car.stats()["p256"]
    other = rosters.roster_file(entries(1), seal=Seal(os.urandom(16)))
    assert declined(desk, first(other)) == "ADDRESS"
    assert desk.car.stats()["p256"] == before


def test_r3_rosters_are_ordered_by_generation_and_version(desk: Desk) -> None:
    desk.publish(entries(2), version=5)
    before = desk.car.stats()["p256"]
    for version in (1, 4):
        assert declined(desk, first(desk.file(entries(1), version), version)) == "OLD"
    assert desk.car.stats()["p256"] == before
    desk.publish(entries(3), version=1, generation=2)
    assert declined(desk, first(desk.file(entries(4), 2**32 - 1), 2**32 - 1)) == "OLD"
    desk.publish(entries(1), version=2**32 - 1, generation=2)
    assert drives(desk.car, 1)


def test_r4_the_seal_is_opened_first_and_a_wrong_one_costs_no_public_key_work(desk: Desk) -> None:
    deliver(desk.courier, desk.file(entries(1)))
    before = desk.car.stats()["p256"]
    for bit in (0, 100, 200):
        bent = first(desk.file(entries(2), 2), 2)
        sealed = bytearray(bent.sealed)
        sealed[bit % len(sealed)] ^= 1
        bent.sealed = bytes(sealed)
        assert declined(desk, bent) == "SEAL"
    moved = first(desk.file(entries(2), 2), 2)
    moved.version = 3
    assert declined(desk, moved) == "SEAL"
    moved.ClearField("sealed")
    assert declined(desk, moved) == "SEAL"
    assert desk.car.stats()["p256"] == before
    phone = stranger(desk.car)
    with pytest.raises(Refused) as refusal:  # the connection's allowance of bad tags
        for _ in range(20):
            bring(phone, bent)
    assert refusal.value.name == "MESSAGEFAULT_ERROR_BUSY"


@pytest.mark.parametrize("how", ["field order", "unknown field", "zero field", "cut", "empty", "inside the body"])
def test_r5_there_is_one_encoding(desk: Desk, how: str) -> None:
    desk.publish(entries(1))
    signed = parcels.head(rosters.roster([], 2), b"", SIGNER)
    parsed = ours.Signed.FromString(signed)
    body = ours.Head.FromString(parsed.body)
    size = len(parsed.body) + (3 if len(parsed.body) > 127 else 2)
    bent = {
        "field order": signed[size:] + signed[:size],
        "unknown field": signed + b"\x7a\x01\x00",
        "zero field": signed + b"\x20\x00",
        "cut": signed[:-1],
        "empty": b"",
    }
    if how in bent:
        text = bent[how]
    else:
        twice = body.SerializeToString() + b"\x18\x02"
        text = ours.Signed(body=twice, signature=parcels.signature(SIGNER, parcels.ROSTER, twice)).SerializeToString()
    assert declined(desk, desk.seal.close(1, 2, 0, text)) == "ENCODING"


def test_r6_another_cars_head_is_refused(desk: Desk) -> None:
    desk.publish(entries(1))
    other = replace(rosters.roster([], 2), vin="5YJ30123456789ABD")
    assert declined(desk, desk.seal.close(1, 2, 0, parcels.head(other, b"", SIGNER))) == "VIN"


def test_r7_a_root_delegates_and_names_its_successor(desk: Desk) -> None:
    desk.publish(entries(1))
    thief = rosters.private(666)
    close = desk.seal.close
    assert declined(desk, close(2, 0, 0, parcels.delegation(2, [public(666)], thief))) == "SIGNATURE"
    alone = ours.Signed.FromString(parcels.delegation(2, [public(202)], ROOT, NEXT_ROOT))
    alone.successor = alone.signature
    assert declined(desk, close(2, 0, 0, parcels.encoded(alone))) == "SIGNATURE"
    alone.ClearField("successor")
    assert declined(desk, close(2, 0, 0, parcels.encoded(alone))) == "SIGNATURE"
    assert declined(desk, close(1, 0, 0, parcels.delegation(1, [public(202)], ROOT))) == "CONTENT"
    desk.publish(entries(2), generation=3)
    assert declined(desk, close(1, 0, 0, parcels.delegation(1, [public(201)], ROOT))) == "OLD"
    assert declined(desk, close(4, 0, 0, parcels.delegation(4, [public(201)], ROOT))) == "SIGNATURE"
    reboot(desk.car, desk.owner, desk.courier)
    assert declined(desk, close(4, 0, 0, parcels.delegation(4, [public(201)], ROOT))) == "SIGNATURE"


def test_r8_only_a_delegated_signer_counts(desk: Desk) -> None:
    desk.publish(entries(1))
    close = desk.seal.close
    assert declined(desk, close(2, 1, 0, parcels.head(rosters.roster([], 1, 2), b"", NEXT_SIGNER))) == "GENERATION"
    assert declined(desk, close(1, 2, 0, parcels.head(rosters.roster([], 2), b"", NEXT_SIGNER))) == "SIGNATURE"
    assert declined(desk, close(1, 2, 0, parcels.head(rosters.roster([], 2), b"", SIGNER, 3))) == "SIGNATURE"
    desk.publish(entries(1), generation=2)
    assert declined(desk, close(2, 2, 0, parcels.head(rosters.roster([], 2, 2), b"", SIGNER))) == "SIGNATURE"


def test_r9_the_same_version_with_other_content_is_reported(desk: Desk) -> None:
    desk.publish(entries(2))
    before = logged(desk.car, "declined")
    assert declined(desk, first(desk.file(entries(3)))) == "CONTENT"
    assert logged(desk.car, "declined") == before + 1
    again = bring(desk.courier, first(desk.file(entries(2))))
    assert (again.why, again.wanted) == ("taken", 0)
    assert not drives(desk.car, 3) and drives(desk.car, 2)


def test_r10_parts_come_in_order_from_whoever_has_them(desk: Desk) -> None:
    desk.publish(entries(1))
    file = parcelfile.split(desk.file(entries(30), 2))
    head, parts = file[1], file[2:]
    assert declined(desk, parts[0]) == "PART", "no head yet"
    assert bring(desk.courier, head).wanted == 1
    assert declined(desk, parts[1]) == "PART"
    assert bring(desk.courier, parts[0]).wanted == 2
    assert declined(desk, parts[0]) == "PART", "it has that"
    mixed = parcelfile.split(desk.file(entries(30, first=40), 2))[3]
    assert declined(desk, mixed) == "PART", "of another roster of that version"
    assert not drives(desk.car, 30), "the roster before it is in force until the last part"
    assert bring(desk.courier, head).wanted == 2, "another courier goes on"
    assert [bring(desk.courier, part).wanted for part in parts[1:]] == [3, 4, 0]
    assert drives(desk.car, 30)


def test_r10_a_newer_head_takes_the_place_of_one_under_way(desk: Desk) -> None:
    desk.publish([])
    older = parcelfile.split(desk.file(entries(9), 2))
    newer = parcelfile.split(desk.file(entries(9, first=50), 3))
    assert bring(desk.courier, older[1]).wanted == 1
    assert bring(desk.courier, older[2]).wanted == 2
    assert bring(desk.courier, newer[1]).wanted == 1
    assert declined(desk, older[3]) == "PART"
    assert declined(desk, older[1]) == "OLD"
    assert bring(desk.courier, newer[2]).wanted == 2
    assert bring(desk.courier, newer[3]).wanted == 0
    assert drives(desk.car, 58) and not drives(desk.car, 9)


@pytest.mark.parametrize(
    "how",
    ["twice", "unsorted", "no role", "service", "unknown role", "reserved", "label", "cut label", "count", "more"],
)
def test_r11_one_bad_entry_refuses_all_of_it(desk: Desk, how: str) -> None:
    desk.publish(entries(1))
    packed = sorted(entry.packed() for entry in entries(3))
    bad = bytearray(packed[1])
    at, value = {
        "no role": (64, 0), "service": (64, SERVICE), "unknown role": (64, 9), "reserved": (67, 1), "label": (72, 10),
        "cut label": (95, 65),
    }.get(how, (64, DRIVER))  # fmt: skip
    bad[at] = value
    packed[1] = bytes(bad)
    if how == "twice":
        packed[2] = packed[1]
    if how == "unsorted":
        packed.reverse()
    part = parcels.encoded(ours.Part(entries=b"".join(packed)))
    said = rosters.roster(entries({"count": 4, "more": 2}.get(how, 3)), 2)
    head = desk.seal.close(1, 2, 0, parcels.head(said, part, SIGNER))
    assert bring(desk.courier, ours.Parcel.FromString(head)).wanted == 1
    assert declined(desk, desk.seal.close(1, 2, 1, part)) == "ENTRIES"
    assert drives(desk.car, 1) and not drives(desk.car, 2)
    desk.publish(entries(3), 3)


def test_r11_a_point_off_the_curve_is_nobodys_key_and_the_others_hold(desk: Desk) -> None:
    desk.publish([*entries(3), Entry(b"\x04" + b"\x01" * 64, DRIVER)])
    assert all(drives(desk.car, number) for number in (1, 2, 3))


def test_r12_until_its_last_part_a_roster_is_not_there_and_a_restart_forgets_what_came_of_it(desk: Desk) -> None:
    desk.publish(entries(2))
    file = parcelfile.split(desk.file(entries(9, first=30), 2))
    assert [bring(desk.courier, parcel).wanted for parcel in file[1:3]] == [1, 2]
    assert (status(desk.owner).version, status(desk.owner).keys) == (1, 2)
    reboot(desk.car, desk.owner, desk.courier)
    assert (status(desk.owner).version, status(desk.owner).keys) == (1, 2)
    assert drives(desk.car, 2) and not drives(desk.car, 30)
    assert bring(desk.courier, file[3]).why == "PART"
    assert deliver(desk.courier, desk.file(entries(9, first=30), 2)).version == 2
    assert drives(desk.car, 38) and not drives(desk.car, 2)


@pytest.mark.parametrize(("generation", "version"), [(1, 7), (3, 1)], ids=["a later version", "another root's"])
def test_r13_files_from_before_enrol_nobody_until_as_high_a_roster_comes(
    generation: int, version: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    image, key = tmp_path / "flash.img", keyfile.generate()

    @contextlib.contextmanager
    def powered() -> Iterator[Desk]:
        with SimulatedBoard(image, micropython=request.config.getoption("--micropython")) as board:
            car = Bench.open(board.port, Bench.restart_timeout)
            if not car.info()["provisioned"]:
                car.provision(VIN)
            yield Desk(car, stranger(car, key), stranger(car), rosters.SEAL)
            car.close()

    with powered() as desk:
        pair(desk.owner, "owner", "", on_wait=lambda: tap(desk.car, desk.owner))
        assert install(desk.car, desk.owner) == 0
        desk.publish(entries(2), 1)
        assert drives(desk.car, 1)
        desk.car.reboot()
    before = image.read_bytes()
    with powered() as desk:
        desk.publish(entries(3), version, generation)
    image.write_bytes(before)
    with powered() as desk:
        assert status(desk.owner).version == 1
        assert drives(desk.car, 1), "who was enrolled still is"
        assert not drives(desk.car, 2), "but nobody else, from a roster that is not the last"
        assert declined(desk, first(desk.file(entries(2), 6), 6)) == "OLD"
        desk.publish(entries(3), version, generation)
        assert drives(desk.car, 2) and drives(desk.car, 3)


def test_r14_a_roster_never_touches_what_others_gave(desk: Desk) -> None:
    friend = new_phone(desk.car, "driver", "Bo", by=desk.owner)
    listing = [Entry(desk.owner.key.public, GUEST), Entry(friend.key.public, GUEST), *entries(1)]
    before = {key["key"]: key["role"] for key in keys_of(desk.car)}
    desk.publish(listing)
    assert status(desk.owner).wishes == 2
    assert logged(desk.car, "wish", desk.owner.key.id) == 1 and logged(desk.car, "wish", friend.key.id) == 1
    assert {key["key"]: key["role"] for key in keys_of(desk.car)} == before
    desk.owner.start()
    friend.start()
    desk.publish(entries(1), 2)
    assert status(desk.owner).wishes == 2, "it leaves them out now"
    desk.publish([], 3)
    assert status(desk.owner).wishes == 0
    desk.owner.start()
    friend.start()


def test_r15_no_more_than_the_owner_allowed(desk: Desk) -> None:
    desk.publish(entries(1, role=OWNER))
    phone = listed(desk.car, 1)
    phone.unlock()
    with pytest.raises(Refused):
        new_phone(desk.car, "driver", by=phone)
    assert [key["role"] for key in keys_of(desk.car) if key["key"] == phone.key.id] == [DRIVER]
    assert install(desk.car, desk.owner, seal=desk.seal.secret, role=OWNER) == 0
    desk.publish(entries(1, role=OWNER))
    new_phone(desk.car, "driver", by=listed(desk.car, 1))


def test_r15_an_entry_may_name_less_than_its_role_may(desk: Desk) -> None:
    read_and_lock = 1 | 4
    desk.publish([Entry(public(1), DRIVER, permissions=read_and_lock)])
    phone = listed(desk.car, 1)
    phone.lock()
    with pytest.raises(Refused):
        phone.unlock()


def test_r16_k_is_agreed_once_at_the_first_hello(desk: Desk) -> None:
    desk.publish(entries(3, first=4))
    before = desk.car.stats()["p256"]
    assert drives(desk.car, 5)
    assert desk.car.stats()["p256"] == before + 1
    assert logged(desk.car, "enrolled", keyfile.key_id(public(5))) == 1
    reboot(desk.car, desk.owner, desk.courier)
    assert drives(desk.car, 5)
    assert desk.car.stats()["p256"] == 0


def test_r17_who_is_withdrawn_is_out_at_once(desk: Desk) -> None:
    desk.publish(entries(2))
    phone = listed(desk.car, 1)
    phone.unlock()
    desk.publish(entries(1, first=2), 2)
    with pytest.raises(Refused):
        phone.lock()
    assert not drives(desk.car, 1) and drives(desk.car, 2)
    before = desk.car.stats()["p256"]
    desk.publish(entries(2), 3)
    assert drives(desk.car, 1)
    assert desk.car.stats()["p256"] == before + 1, "a head to verify: the delegation is known, and K was kept"


def test_r18_expired_a_roster_enrols_nobody_and_its_guests_may_only_look(desk: Desk) -> None:
    desk.publish([*entries(2), *entries(2, first=3, role=GUEST)])
    driver = listed(desk.car, 1)
    driver.unlock()
    guest = listed(desk.car, 3)
    guest.unlock()
    desk.car.clock(rosters.LIFE + 1)
    time.sleep(1.2)  # housekeeping, twice a second, ends their sessions
    driver.unlock()
    with pytest.raises(Refused):
        guest.lock()
    assert not drives(desk.car, 2) and not drives(desk.car, 4)
    desk.publish(
        [*entries(2), *entries(2, first=3, role=GUEST)], 2, issued=rosters.ISSUED + rosters.LIFE + 60, expires=2**32 - 1
    )
    assert drives(desk.car, 2) and drives(desk.car, 4)
    guest.lock()


def test_r19_owners_govern_a_rosters_keys(desk: Desk) -> None:
    desk.publish(entries(4))
    assert drives(desk.car, 1)
    for number in (1, 2):  # one that has been here, and one that has not
        desk.owner.change_keys(messages.remove_key(public(number)))
        assert not drives(desk.car, number)
    desk.publish(entries(4), 2)
    assert not drives(desk.car, 1) and not drives(desk.car, 2), "they stay out though a roster lists them"
    desk.owner.change_keys(messages.add_key(public(1), "driver", "back"))
    desk.publish([], 3)
    assert drives(desk.car, 1), "it is the owner's now"
    reboot(desk.car, desk.owner, desk.courier)
    assert drives(desk.car, 1) and not drives(desk.car, 3)


def test_r19_a_removed_key_is_forgotten_once_it_is_removed_while_nobody_lists_it(desk: Desk) -> None:
    desk.publish(entries(2))
    for _ in range(2):
        desk.owner.change_keys(messages.remove_key(public(1)))
        desk.publish(entries(2), status(desk.owner).version + 1)
        assert not drives(desk.car, 1)
    assert keyfile.key_id(public(1)) in [key["key"] for key in keys_of(desk.car)], "its owner sees what is kept of it"
    desk.publish(entries(1, first=2), 9)
    desk.owner.change_keys(messages.remove_key(public(1)))
    assert keyfile.key_id(public(1)) not in [key["key"] for key in keys_of(desk.car)]
    desk.publish(entries(2), 10)
    assert drives(desk.car, 1)


def test_r19_a_tap_enrols_a_listed_key_for_good(desk: Desk) -> None:
    desk.publish(entries(1))
    phone = listed(desk.car, 1)
    phone.unlock()
    request = messages.routable(messages.add_key(phone.key.public, "driver", "for good"), ADDRESS, UUID)
    phone.connection.send(request.SerializeToString())  # pair() asks nothing of a car that knows its key
    tap(desk.car, phone)
    desk.car.clock(4)
    desk.publish([], 2)
    phone.unlock()


def test_r21_a_rosters_owner_is_none_to_rely_on(desk: Desk) -> None:
    assert install(desk.car, desk.owner, seal=desk.seal.secret, role=OWNER) == 0
    desk.publish(entries(1, role=OWNER))
    phone = listed(desk.car, 1)
    phone.unlock()
    with pytest.raises(Refused):
        phone.change_keys(messages.remove_key(desk.owner.key.public))
    desk.owner.unlock()


def test_r22_installing_takes_an_owner_and_a_tap(car: Bench, owner: Phone) -> None:
    driver = new_phone(car, "driver", by=owner)
    with pytest.raises(Refused, match="role does not allow"):
        install(car, driver)
    seal = Seal(os.urandom(16))
    remove(owner)
    view = View(owner)
    request = ours.ToLatchkey(install=ours.Authority(root=public(101), seal=seal.secret))
    waited = view.exchange(request, lambda plain: ours.FromLatchkey.FromString(plain).install)
    assert waited.waiting and not status(owner).address
    pending = car.state()["pending"]
    assert (pending["key"], pending["role"]) == (keyfile.key_id(public(101)), DRIVER)
    car.clock(31)
    assert car.tap()["approved"] is None and not status(owner).address, "too late"
    assert install(car, owner, seal=seal.secret) == 0
    assert status(owner).address == seal.address
    reboot(car, owner)
    assert status(owner).address == seal.address


def test_r22_another_authority_takes_the_place_of_the_one_before(desk: Desk) -> None:
    desk.publish(entries(2), 9)
    phone = listed(desk.car, 1)
    phone.unlock()
    other = Seal(os.urandom(16))
    assert install(desk.car, desk.owner, seal=other.secret, root=public(102)) == 0
    with pytest.raises(Refused):
        phone.lock()
    assert declined(desk, first(desk.file(entries(2), 10), 10)) == "ADDRESS"
    reboot(desk.car, desk.owner, desk.courier)
    assert not drives(desk.car, 1) and status(desk.owner).version == 0


def test_r22_the_same_authority_installed_anew_takes_no_roster_from_before(desk: Desk) -> None:
    desk.publish(entries(2), 3)
    desk.publish(entries(1), 5)
    assert remove(desk.owner) == 0
    assert install(desk.car, desk.owner, seal=desk.seal.secret) == 0
    told = deliver(desk.courier, desk.file(entries(2), 3))
    assert (told.why, told.version) == ("OLD", 0)
    reboot(desk.car, desk.owner, desk.courier)
    assert deliver(desk.courier, desk.file(entries(2), 3)).why == "OLD"
    desk.publish(entries(1), 5)
    assert drives(desk.car, 1) and not drives(desk.car, 2)


@pytest.mark.parametrize(
    "bad",
    [{"root": b"\x04" + b"\x01" * 64}, {"seal": b"short"}, {"role": SERVICE}, {"role": 77}, {"url": b"httpx://a"}],
)
def test_r22_what_is_no_authority_is_refused_at_once(desk: Desk, bad: dict[str, Any]) -> None:
    desk.publish(entries(1))
    assert install(desk.car, desk.owner, tap=False, **bad) != 0
    assert drives(desk.car, 1) and desk.car.state()["pending"] is None


def test_r23_removing_takes_its_keys_and_nobody_elses(desk: Desk) -> None:
    friend = new_phone(desk.car, "driver", by=desk.owner)
    desk.publish(entries(1))
    phone = listed(desk.car, 1)
    phone.unlock()
    driver = View(friend)
    with pytest.raises(Refused, match="role does not allow"):
        driver.exchange(ours.ToLatchkey(remove=ours.RemoveAuthority()), lambda plain: plain)
    assert remove(desk.owner) == 0
    with pytest.raises(Refused):
        phone.lock()
    friend.unlock()
    reboot(desk.car, desk.owner, friend)
    friend.unlock()
    desk.owner.unlock()
    assert not drives(desk.car, 1) and not status(desk.owner).address


def test_r24_time_is_at_least_what_was_told_and_never_goes_back(desk: Desk) -> None:
    desk.publish(entries(1))
    assert rosters.ISSUED <= status(desk.owner).time < rosters.ISSUED + 100
    desk.car.clock(1000)
    assert status(desk.owner).time >= rosters.ISSUED + 1000
    desk.publish(entries(1), 2, issued=rosters.ISSUED - YEAR)
    assert status(desk.owner).time >= rosters.ISSUED + 1000
    reboot(desk.car, desk.owner, desk.courier)
    assert status(desk.owner).time >= rosters.ISSUED + 1000


def test_r24_a_new_signer_takes_no_time_back(desk: Desk) -> None:
    """What had expired was good again."""
    desk.publish(entries(2))
    assert drives(desk.car, 1)
    desk.car.clock(rosters.LIFE)
    assert not drives(desk.car, 2)
    for generation, signed in rosters.delegations(2):
        assert bring(desk.courier, ours.Parcel.FromString(desk.seal.close(generation, 0, 0, signed))).why == "taken"
    assert status(desk.owner).time >= rosters.ISSUED + rosters.LIFE
    assert not drives(desk.car, 2)


def test_r24_a_thiefs_time_ends_with_his_key(desk: Desk) -> None:
    """Far ahead, it would expire every roster after it, for ever."""
    desk.publish(entries(1), issued=2**32 - YEAR)
    desk.publish(entries(1), 2)
    assert not drives(desk.car, 1), "in the same generation time does not go back"
    desk.publish(entries(1), generation=2)
    assert rosters.ISSUED <= status(desk.owner).time < rosters.ISSUED + 100
    assert drives(desk.car, 1)


def test_r24_time_stops_at_the_last_second_that_can_be_kept(desk: Desk) -> None:
    desk.publish(entries(1), issued=2**32 - 1)
    desk.car.clock(5)
    assert status(desk.owner).time == 2**32 - 1
    desk.publish(entries(1), 2)
    reboot(desk.car, desk.owner, desk.courier)
    assert not drives(desk.car, 1), "it is expired, and does not begin anew"


def test_r25_the_same_again_is_counted_and_not_written_again(desk: Desk) -> None:
    desk.publish(entries(1))
    before = logged(desk.car, "declined")
    phone = desk.courier
    for _ in range(5):
        assert bring(phone, first(desk.file(entries(2)))).why == "CONTENT"
    entries_of = [entry for entry in desk.car.log() if entry["kind"] == "declined"]
    assert logged(desk.car, "declined") == before + 5
    assert entries_of[-1]["count"] >= 4
    assert entries_of[-1]["detail"] == ours.Decline.Value("DECLINE_CONTENT")
