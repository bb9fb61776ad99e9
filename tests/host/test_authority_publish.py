# SPDX-License-Identifier: Apache-2.0
"""Publishing: only what changed, each car's file the old or the new one, and what was refused is completed."""

from __future__ import annotations

import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from host_tools.authority import desk
from host_tools.authority.database import Busy, Database
from host_tools.authority.keys import WrongKey
from host_tools.authority.models import Car
from host_tools.authority.plan import DAY, Why
from host_tools.authority.store import BadStore, open_store
from host_tools.faults import Misuse
from host_tools.phone import keyfile, parcelfile
from tests.host.desks import DRIVER, Desk, vins
from tests.host.rosters import public

NOW = 1_900_000_000


class Refusing:
    """A store in memory that refuses some files."""

    def __init__(self, refuse: int = 0) -> None:
        self.files: dict[str, bytes] = {}
        self.refused = refuse  # this many, every second one
        self.asked = 0
        self._lock = threading.Lock()

    def put(self, name: str, data: bytes) -> None:
        with self._lock:
            self.asked += 1
            if self.refused and self.asked % 2:
                self.refused -= 1
                raise PermissionError("not now")
            self.files[name] = data

    def remove(self, name: str) -> None:
        with self._lock:
            if self.refused:
                self.refused -= 1
                raise PermissionError("not now")
            del self.files[name]

    def settle(self) -> None:
        """Nothing gets lost."""


class Folderless(Refusing):
    """A store that takes everything, and gives nothing away."""

    def __init__(self, at_desk: Desk) -> None:
        super().__init__(refuse=1)

    def put(self, name: str, data: bytes) -> None:
        self.files[name] = data


@pytest.fixture
def at_desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_car_reads_its_own_keys_and_those_of_all_cars(at_desk: Desk) -> None:
    one, other = vins(2)
    cars = at_desk.cars([one, other])
    desk.add_key(at_desk.database, public(1), "Ann", 2)
    desk.add_key(at_desk.database, public(2), "Bo", DRIVER, 0b11, [one])
    desk.add_key(at_desk.database, public(1), "", 8, 0, [other])  # this car's own line about Ann outranks the other
    at_desk.publish(now=NOW)
    listed = {it.public: (it.role, it.permissions, it.label) for it in at_desk.roster(cars[one]).entries}
    assert listed == {public(1): (2, 0, b"Ann"), public(2): (DRIVER, 0b11, b"Bo")}
    [ann] = at_desk.roster(cars[other]).entries
    assert (ann.public, ann.role) == (public(1), 8)


def test_only_what_changed_is_written(at_desk: Desk) -> None:
    cars = at_desk.cars(vins(300))
    assert at_desk.publish(now=NOW).written == {Why.NEW: 300}
    before = {vin: at_desk.file(car).read_bytes() for vin, car in cars.items()}
    assert not at_desk.publish(now=NOW + DAY).written
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER, 0, vins(3))
    assert at_desk.publish(now=NOW + DAY).written == {Why.CHANGED: 3}
    changed = {vin for vin, car in cars.items() if at_desk.file(car).read_bytes() != before[vin]}
    assert changed == set(vins(3))
    desk.revoke(at_desk.database, public(1), vins(1))
    assert at_desk.publish(now=NOW + DAY).written == {Why.CHANGED: 1}
    assert [len(at_desk.roster(cars[vin]).entries) for vin in vins(4)] == [0, 1, 1, 0]
    assert [at_desk.roster(cars[vin]).version for vin in vins(4)] == [3, 2, 2, 1]


def test_a_roster_is_renewed_before_it_expires(at_desk: Desk) -> None:
    car = at_desk.cars(vins(1))[vins(1)[0]]
    at_desk.publish(now=NOW)
    assert not at_desk.publish(now=NOW + 15 * DAY).written
    assert at_desk.publish(now=NOW + 15 * DAY + 1).written == {Why.AGED: 1}
    assert at_desk.roster(car).expires == NOW + 45 * DAY + 1


def test_a_car_that_was_removed_is_told_that_nobody_is_listed_and_then_its_file_goes(at_desk: Desk) -> None:
    one, other, unheard = vins(3)
    cars = at_desk.cars([one, other])
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER)
    desk.add_key(at_desk.database, public(2), "Bo", DRIVER, 0, [one])
    at_desk.publish(now=NOW)
    at_desk.cars([unheard])
    assert desk.remove_cars(at_desk.database, [one, unheard]) == 1, "the other was told nothing, and is just gone"
    assert at_desk.publish(now=NOW + DAY).written == {Why.CHANGED: 1}
    assert (at_desk.roster(cars[one]).version, at_desk.roster(cars[one]).entries) == (2, [])
    assert len(at_desk.roster(cars[other]).entries) == 1
    assert not desk.publics(at_desk.database, keyfile.key_id(public(2))), "nobody else had it"

    for after in (2, 30):
        at_desk.publish(now=NOW + after * DAY)
    assert at_desk.roster(cars[one]).expires == NOW + 31 * DAY, "it is not renewed"
    store = Folderless(at_desk)
    assert at_desk.publish(store, now=NOW + 31 * DAY).refused == 1
    assert at_desk.file(cars[one]).exists()
    done = at_desk.publish(now=NOW + 31 * DAY)
    assert done.written[Why.GONE] == 1 and done.cars == 2
    assert not at_desk.file(cars[one]).exists() and at_desk.file(cars[other]).exists()
    assert at_desk.publish(now=NOW + 31 * DAY).cars == 1
    assert at_desk.cars([one])[one].seal != cars[one].seal


def test_a_car_that_was_removed_can_come_back_until_its_file_is_gone(at_desk: Desk) -> None:
    [vin] = vins(1)
    car = at_desk.cars([vin])[vin]
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER)
    at_desk.publish(now=NOW)
    desk.remove_cars(at_desk.database, [vin])
    at_desk.publish(now=NOW)
    with pytest.raises(Misuse, match="no car"):
        desk.add_key(at_desk.database, public(2), "Bo", DRIVER, 0, [vin])
    with pytest.raises(Misuse, match="no car"):
        desk.remove_cars(at_desk.database, [vin])
    assert at_desk.cars([vin])[vin] == car
    assert at_desk.publish(now=NOW + 40 * DAY).written == {Why.CHANGED: 1}
    assert len(at_desk.roster(car).entries) == 1


def test_of_several_cars_all_are_removed_or_none(at_desk: Desk) -> None:
    one, other = vins(2)
    at_desk.cars([one])
    at_desk.publish(now=NOW)
    with pytest.raises(Misuse, match=other):
        desk.remove_cars(at_desk.database, [one, other])
    assert not at_desk.publish(now=NOW).written


def test_a_store_that_has_lost_the_file_already_is_no_failure(at_desk: Desk) -> None:
    [vin] = vins(1)
    car = at_desk.cars([vin])[vin]
    at_desk.publish(now=NOW)
    desk.remove_cars(at_desk.database, [vin])
    at_desk.file(car).unlink()
    assert at_desk.publish(now=NOW + 30 * DAY).written == {Why.GONE: 1}


def test_times_never_go_back_when_this_computers_clock_does(at_desk: Desk) -> None:
    car = at_desk.cars(vins(1))[vins(1)[0]]
    at_desk.publish(now=NOW)
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER)
    at_desk.publish(now=NOW - 400 * DAY)
    assert (at_desk.roster(car).version, at_desk.roster(car).issued) == (2, NOW)


def test_what_a_store_refused_is_completed_with_the_same_bytes(at_desk: Desk) -> None:
    at_desk.cars(vins(50))
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER)
    store, whole = Refusing(refuse=15), Refusing()
    done = at_desk.publish(store, now=NOW)
    assert (done.refused, sum(done.written.values()), done.reason) == (15, 35, "PermissionError: not now")
    again = at_desk.publish(store, now=NOW + 60)
    assert again.written == {Why.UNFINISHED: 15}
    assert len(store.files) == 50
    # A store that took a file and could not say so gets the very same file once more: no version has two contents.
    with at_desk.database.writing() as session:
        session.execute(sa.update(Car).values(stored=False))
    assert at_desk.publish(whole, now=NOW + 120).written == {Why.UNFINISHED: 50}
    assert whole.files == store.files


def test_what_was_refused_and_changed_meanwhile_is_a_new_version(at_desk: Desk) -> None:
    car = at_desk.cars(vins(1))[vins(1)[0]]
    at_desk.publish(Refusing(refuse=1), now=NOW)
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER)
    assert at_desk.publish(now=NOW).written == {Why.CHANGED: 1}
    assert at_desk.roster(car).version == 2


def test_a_store_that_refuses_everything_is_given_up(at_desk: Desk) -> None:
    at_desk.cars(vins(400))

    class Never(Refusing):
        def put(self, name: str, data: bytes) -> None:
            self.asked += 1
            raise ConnectionError("nobody there")

    store = Never()
    done = at_desk.publish(store, now=NOW)
    assert done.given_up
    assert store.asked < 100
    assert at_desk.publish(now=NOW).cars == 400


def test_a_file_is_never_half_there(at_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    car = at_desk.cars(vins(1))[vins(1)[0]]
    at_desk.publish(now=NOW)
    before = at_desk.file(car).read_bytes()
    desk.add_key(at_desk.database, public(1), "Ann", DRIVER)

    def half(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    assert "No space left" in at_desk.publish(now=NOW).reason
    assert at_desk.file(car).read_bytes() == before
    assert [it.name for it in at_desk.file(car).parent.iterdir()] == [at_desk.file(car).name]
    monkeypatch.undo()
    at_desk.publish(now=NOW)
    assert len(at_desk.roster(car).entries) == 1


def test_a_new_signing_key_reaches_every_car(at_desk: Desk) -> None:
    car = at_desk.cars(vins(1))[vins(1)[0]]
    at_desk.publish(now=NOW)
    signer = keyfile.create(at_desk.folder / "signer-2.pem")
    assert desk.rotate(at_desk.database, at_desk.root, signer=signer.public) == 2
    assert at_desk.publish(now=NOW).written == {Why.CHANGED: 1}
    assert (at_desk.roster(car).generation, at_desk.roster(car).version) == (2, 2)


def test_new_roots_reach_cars_of_every_age(at_desk: Desk) -> None:
    cars = at_desk.cars(vins(1))
    roots = [at_desk.root, *(keyfile.generate().private for _ in range(3))]
    for number, (old, new) in enumerate(pairwise(roots), 1):
        desk.rotate(at_desk.database, old, successor=new)
        cars |= at_desk.cars([f"5YJSX{number:012d}"])
    at_desk.publish(now=NOW)
    assert len({car.root for car in cars.values()}) == 4
    for car in cars.values():
        assert at_desk.roster(car).generation == 7
    sizes = [len(parcelfile.split(at_desk.file(car).read_bytes())) for car in cars.values()]
    assert sizes == [5, 4, 3, 2]  # the roots since the car was added, the newest delegation, a head


def test_a_root_that_was_given_up_signs_no_more(at_desk: Desk) -> None:
    new = keyfile.generate()
    desk.rotate(at_desk.database, at_desk.root, successor=new.private)
    with pytest.raises(WrongKey):
        desk.rotate(at_desk.database, at_desk.root, signer=public(1))


def test_a_car_file_is_written_again_as_it_was(at_desk: Desk) -> None:
    [vin] = vins(1)
    first = at_desk.cars([vin])
    desk.rotate(at_desk.database, at_desk.root, successor=keyfile.generate().private)
    assert at_desk.cars([vin]) == first


def test_one_publishes_at_a_time(at_desk: Desk) -> None:
    other = Database(str(at_desk.database.url))
    with other.alone(), pytest.raises(Busy):
        at_desk.publish()
    assert at_desk.publish().cars == 0


def test_memory_does_not_grow_with_the_cars(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        (tmp_path / str(count)).mkdir()
        a_desk = Desk(tmp_path / str(count))
        a_desk.cars(vins(count))
        desk.add_key(a_desk.database, public(1), "Ann", DRIVER)
        tracemalloc.start()
        a_desk.publish(now=NOW)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)  # what is loaded once
    assert peak(2000) < 1.5 * peak(400)


@pytest.mark.parametrize("place", ["nosuch://x/y", "ftp://h/x", "http://h/x"])
def test_a_place_that_cannot_take_a_file_whole_is_no_store(place: str) -> None:
    with pytest.raises(BadStore, match="neither a folder nor an object store"):
        open_store(place)


def test_a_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadStore, match="cannot write to"):
        open_store(str(tmp_path / "file"))


def test_files_go_to_an_object_store_of_fsspec(at_desk: Desk) -> None:
    import fsspec

    car = at_desk.cars(vins(1))[vins(1)[0]]
    at_desk.publish(open_store("memory://keys/of/cars"), now=NOW)
    at_desk.publish(now=NOW)
    name = at_desk.file(car).relative_to(at_desk.public)
    store = fsspec.filesystem("memory")
    assert len(parcelfile.split(store.cat_file(f"/keys/of/cars/{name}"))) == 2
    for _ in range(2):
        open_store("memory://keys/of/cars").remove(str(name))
        assert not store.exists(f"/keys/of/cars/{name}")
