# SPDX-License-Identifier: Apache-2.0
"""Couriers: whole files come through, others go on where one left, and a command is never the worse for it."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from host_tools.authority.serve import server
from host_tools.faults import DECLINES, NoAnswer, Refused
from host_tools.phone import carfile, gossip, keyfile, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.carfile import CarFile
from host_tools.phone.client import Phone
from host_tools.phone.courier import Courier
from host_tools.phone.fetch import NotFetched, fetch
from host_tools.phone.keyfile import Key
from host_tools.phone.parcelfile import BadParcels
from host_tools.phone.pouch import Met, Pouch
from host_tools.phone.trust import Trust
from host_tools.phone.view import View
from tests.host.car_model import ModelConnection
from tests.host.command import run
from tests.host.fake_bench import FakeBench
from tests.host.rosters import SEAL, VIN, entries, public, roster_file
from tests.host.trusting_car import TrustingCar

AUTHORITY = CarFile(VIN, public(101), SEAL.secret, 3, "https://keys.example/cars")


@pytest.fixture
def car() -> TrustingCar:
    car = TrustingCar()
    car.authority = AUTHORITY.request().install
    return car


@pytest.fixture
def owner(car: TrustingCar, tmp_path: Path) -> Key:
    key = keyfile.create(tmp_path / "owner.pem")
    car.enrol(key.public)
    return key


@pytest.fixture
def phone(car: TrustingCar, owner: Key) -> Phone:
    return Phone(ModelConnection(car), VIN, owner, timeout=5, pause=0.01)


@pytest.fixture
def pouch(owner: Key) -> Pouch:
    assert owner.path
    return Pouch(owner.path)


@pytest.fixture
def commands(
    bench: FakeBench, car: TrustingCar, owner: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> FakeBench:
    """The command line, at this car's port and in a folder with the owner's key."""
    bench.car = car
    monkeypatch.chdir(tmp_path)
    return bench


def courier(car: TrustingCar, timeout: float = 5) -> Courier:
    return Courier(ModelConnection(car), timeout, pause=0.01)


def parcels(*arguments: Any, **named: Any) -> list[ours.Parcel]:
    return parcelfile.split(roster_file(*arguments, **named))


def command(*arguments: str, code: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    assert len(result.stdout.splitlines()) == 1
    said: dict[str, Any] = json.loads(result.stdout)
    return said


def test_a_whole_file_comes_through(car: TrustingCar) -> None:
    told = courier(car).deliver(parcels(entries(20), version=3))
    assert (told.generation, told.version, told.wanted, len(car.listed)) == (1, 3, 0, 20)
    assert [it.part for it in car.brought] == [0, 0, 1, 2, 3]


def test_what_the_car_has_is_not_brought_again(car: TrustingCar) -> None:
    courier(car).deliver(parcels(entries(20)))
    del car.brought[:]
    courier(car).deliver(parcels(entries(20)))
    assert [it.part for it in car.brought] == [0, 0]


def test_a_newer_one_in_the_car_is_no_fault(car: TrustingCar) -> None:
    courier(car).deliver(parcels(entries(1), version=5))
    assert courier(car).deliver(parcels(entries(9), version=4)).version == 5
    assert len(car.listed) == 1


def test_another_courier_goes_on_where_one_left(car: TrustingCar) -> None:
    file = parcels(entries(30))
    car.deaf_after = 4
    with pytest.raises(NoAnswer):
        courier(car, 0.1).deliver(file)
    car.deaf_after = None
    del car.brought[:]
    assert courier(car).deliver(file).version == 1
    assert [it.part for it in car.brought] == [0, 0, 3, 4]


def test_a_busy_car_is_asked_again(car: TrustingCar) -> None:
    car.refuse = ["BUSY", "BUSY"]
    assert courier(car).deliver(parcels(entries(9))).version == 1
    assert [it.part for it in car.brought] == [0, 0, 0, 0, 1, 2]


def test_a_part_that_another_courier_was_quicker_with_is_passed(car: TrustingCar) -> None:
    file = parcels(entries(30))
    other = iter([it for it in file if it.part == 1])
    take = car._take

    def quicker(parcel: ours.Parcel) -> str:
        for mine in other:
            if parcel.part == 1:
                take(mine)
        return take(parcel)

    car._take = quicker  # type: ignore[method-assign]
    assert courier(car).deliver(file).version == 1
    assert len(car.listed) == 30


@pytest.mark.parametrize("why", ["NO_AUTHORITY", "ADDRESS", "SEAL", "SIGNATURE", "CONTENT", "ENTRIES", "FLASH", "VIN"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_the_car_declines_is_told_by_name(car: TrustingCar, why: str, at: int) -> None:
    took = iter(["NONE"] * at + [why])
    take = car._take
    car._take = lambda parcel: why if next(took) == why else take(parcel)  # type: ignore[method-assign]
    with pytest.raises(Refused) as refused:
        courier(car).deliver(parcels(entries(9)))
    assert refused.value.name == why
    assert refused.value.hint == DECLINES[why][1]


def test_every_decline_has_words() -> None:
    names = {name.removeprefix("DECLINE_") for name, number in ours.Decline.items() if number}
    assert names - {"BUSY"} == set(DECLINES)


def test_a_car_that_never_takes_a_part_is_given_up(car: TrustingCar) -> None:
    take = car._take
    car._take = lambda parcel: "PART" if parcel.part else take(parcel)  # type: ignore[method-assign]
    with pytest.raises(Refused, match="part is missing"):
        courier(car).deliver(parcels(entries(9)))


def test_a_car_that_is_busy_for_ever_or_says_nothing_is_given_up(car: TrustingCar) -> None:
    car.refuse = ["BUSY"] * 10_000
    with pytest.raises(NoAnswer, match="in time"):
        courier(car, 0.1).deliver(parcels(entries(9)))
    car.deaf_after = 0
    with pytest.raises(NoAnswer, match="in time"):
        courier(car, 0.1).deliver(parcels(entries(9)))


def test_the_newest_file_of_each_car_is_carried(pouch: Pouch) -> None:
    assert pouch.empty()
    address = SEAL.address.hex()
    assert pouch.keep(roster_file(entries(3), version=2))[1]
    assert not pouch.keep(roster_file(entries(9), version=1))[1]
    assert pouch.keep(roster_file(entries(1), version=1, generation=2))[1]
    carried = pouch.carried(address)
    assert carried and parcelfile.head(carried).generation == 2
    with pytest.raises(BadParcels):
        pouch.keep(b"no file")
    assert not pouch.empty()


def test_a_phone_gives_its_car_what_it_carries_and_then_is_quiet(car: TrustingCar, phone: Phone, pouch: Pouch) -> None:
    pouch.keep(roster_file(entries(9), version=4))
    phone.unlock()
    assert gossip.hand_over(phone)
    assert car.version == 4
    assert pouch.cars()[VIN] == Met(SEAL.address.hex(), AUTHORITY.url, 1, 4)
    requests = len(car.requests) + len(car.brought)
    assert not gossip.hand_over(phone)
    assert requests == len(car.requests) + len(car.brought)
    pouch.keep(roster_file(entries(2), version=5))
    assert gossip.hand_over(phone)
    assert (car.version, len(car.listed)) == (5, 2)


def test_a_car_with_a_newer_one_is_left_alone(car: TrustingCar, phone: Phone, pouch: Pouch) -> None:
    courier(car).deliver(parcels(entries(1), version=9))
    del car.brought[:]
    pouch.keep(roster_file(entries(9), version=4))
    assert not gossip.hand_over(phone)
    assert not car.brought


def test_a_car_without_an_authority_is_asked_once_for_each_new_file(
    car: TrustingCar, phone: Phone, pouch: Pouch
) -> None:
    pouch.keep(roster_file(entries(9)))
    car.authority = None
    assert not gossip.hand_over(phone)
    asked = len(car.requests)
    assert not gossip.hand_over(phone)
    assert len(car.requests) == asked
    car.authority = AUTHORITY.request().install
    pouch.keep(roster_file(entries(9), version=2))
    assert gossip.hand_over(phone)


@pytest.mark.parametrize("trouble", ["deaf", "declines", "no such part", "pouch"])
def test_a_command_is_never_the_worse_for_it(
    commands: FakeBench, car: TrustingCar, pouch: Pouch, owner: Key, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gossip, "_PATIENCE", 0.2)
    pouch.keep(roster_file(entries(9)))
    assert owner.path
    if trouble == "deaf":
        car.deaf_after = 0
    elif trouble == "declines":
        car.refuse = ["SEAL"]
    elif trouble == "pouch":
        folder = owner.path.with_name("owner.pem.parcels")
        shutil.rmtree(folder)
        folder.write_text("not a folder")
    else:
        monkeypatch.setattr(TrustingCar, "_told", lambda *_: b"\xff")
    said = command("unlock", "--key", "owner.pem")
    assert said["ok"] and car.done == ["UNLOCK"]
    assert not car.listed


def test_a_phone_hands_over_after_its_command(commands: FakeBench, car: TrustingCar) -> None:
    Path("file").write_bytes(roster_file(entries(9), version=7))
    [carried] = command("carry", "file", "--key", "owner.pem")["files"]
    assert (carried["address"], carried["version"], carried["kept"]) == (SEAL.address.hex(), 7, True)
    assert command("unlock", "--key", "owner.pem")["did"] == "unlock"
    assert (car.done, car.version) == (["UNLOCK"], 7)


def test_a_refused_command_hands_nothing_over(commands: FakeBench, car: TrustingCar, pouch: Pouch) -> None:
    pouch.keep(roster_file(entries(9)))
    car.nominal = 1
    command("unlock", "--key", "owner.pem", code=1)
    assert not car.brought


def test_an_owner_says_whose_rosters_the_car_takes(commands: FakeBench, car: TrustingCar) -> None:
    car.authority = None
    Path("car.json").write_text(AUTHORITY.text())
    assert command("roster", "--key", "owner.pem")["roster"] is None
    assert command("trust", "car.json", "--key", "owner.pem", "--tap")["role"] == "driver"
    assert car.authority == AUTHORITY.request().install
    told = command("roster", "--key", "owner.pem")["roster"]
    assert (told["address"], told["url"], told["role"], told["version"]) == (
        SEAL.address.hex(),
        AUTHORITY.url,
        "driver",
        0,
    )
    assert command("trust", "--remove", "--key", "owner.pem")["did"] == "trust"
    assert car.authority is None
    assert command("trust", "--remove", "--key", "owner.pem", code=1)["error"]["name"] == "PUBLIC_KEY_NOT_ON_WHITELIST"


def test_a_roster_is_shown_in_words(commands: FakeBench, car: TrustingCar) -> None:
    shown = run("roster", "--key", "owner.pem").stdout
    for words in (
        "none yet",
        "driver at most",
        "2027-02-14",
        "not known",
        "1 keys",
        DECLINES["VIN"][0],
        "couriers only",
    ):
        assert words in shown, words


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"vin": 1}', AUTHORITY.text().replace("driver", "king"), "x" * 9000,
                                  AUTHORITY.text().replace(SEAL.secret.hex(), "00")])  # fmt: skip
def test_a_file_that_is_no_car_file_is_told(commands: FakeBench, text: str) -> None:
    Path("car.json").write_text(text)
    assert command("trust", "car.json", "--key", "owner.pem", code=2)["error"]["name"] == "CAR_FILE"


def test_another_cars_file_is_not_installed(commands: FakeBench, car: TrustingCar) -> None:
    before = car.authority
    other = CarFile("5YJS0000000000001", public(102), bytes(16), 3, "")
    Path("car.json").write_text(other.text())
    assert command("trust", "car.json", "--key", "owner.pem", "--tap", code=2)["error"]["name"] == "USAGE"
    assert car.authority == before


def test_a_car_file_is_read_as_it_was_written_and_shows_no_secret(tmp_path: Path) -> None:
    (tmp_path / "car.json").write_text(AUTHORITY.text())
    assert carfile.load(tmp_path / "car.json") == AUTHORITY
    assert SEAL.secret.hex() not in repr(AUTHORITY) and repr(SEAL.secret) not in repr(AUTHORITY)


def test_a_person_is_told_once_to_tap(phone: Phone, car: TrustingCar) -> None:
    waits: list[int] = []
    connection = phone.connection
    assert isinstance(connection, ModelConnection)
    connection.on_idle = lambda: connection.inbox.extend(car.tap())
    Trust(phone).install(AUTHORITY, lambda: waits.append(1))
    assert waits == [1]


def test_anybody_delivers_now(commands: FakeBench, car: TrustingCar) -> None:
    Path("file").write_bytes(roster_file(entries(9), version=7))
    assert command("deliver", "file")["taken"]
    assert command("deliver", "file", "--vin", VIN)["version"] == 7
    Path("old").write_bytes(roster_file(entries(1), version=6))
    assert command("deliver", "old") == {
        "ok": True,
        "did": "deliver",
        "vin": VIN,
        "generation": 1,
        "version": 7,
        "taken": False,
    }
    Path("junk").write_bytes(b"junk")
    assert command("deliver", "junk", code=1)["error"]["name"] == "BAD_PARCELS"
    assert command("deliver", "nosuch", code=2)["error"]["name"] == "USAGE"
    assert command("deliver", "file", "--ble", code=2)["error"]["name"] == "USAGE"


def test_files_come_from_where_cars_say(commands: FakeBench, car: TrustingCar, pouch: Pouch, tmp_path: Path) -> None:
    name = parcelfile.name_of(SEAL.address)
    (tmp_path / "public" / name).parent.mkdir(parents=True)
    (tmp_path / "public" / name).write_bytes(roster_file(entries(9), version=8))
    assert command("carry", "--key", "owner.pem", code=2)["error"]["name"] == "USAGE"
    with server(tmp_path / "public", "127.0.0.1", 0) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{listening.server_address[1]}"
        pouch.met(VIN, Met(SEAL.address.hex(), url, 1, 1))
        [carried] = command("carry", "--key", "owner.pem")["files"]
        assert carried["version"] == 8
        with pytest.raises(NotFetched, match="HTTP 404"):
            fetch(f"{url}/elsewhere")
        listening.shutdown()
    with pytest.raises(NotFetched):
        fetch(url)


def test_what_is_known_of_cars_survives_nonsense(pouch: Pouch, owner: Key) -> None:
    assert owner.path
    pouch.met(VIN, Met("00"))
    cars = owner.path.with_name("owner.pem.parcels") / "cars.json"
    for text in ("", "[]", '{"a": 1}', '{"a": {"address": "x", "more": 1}}', "[" * 100_000):
        cars.write_text(text)
        assert pouch.cars() == {}
    pouch.met(VIN, Met("11"))
    assert pouch.cars() == {VIN: Met("11")}


def test_a_view_tells_what_the_car_has(phone: Phone, car: TrustingCar) -> None:
    courier(car).deliver(parcels(entries(3), version=2))
    told = View(phone).roster()
    assert told and (told["version"], told["keys"], told["declined"]) == (2, 3, "VIN")
