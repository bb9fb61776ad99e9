# SPDX-License-Identifier: Apache-2.0
"""A key's view of its car: pages put together, and believed only where they go on and end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host_tools import words
from host_tools.faults import NoAnswer, Refused
from host_tools.phone import keyfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.contact import CarChanged
from host_tools.phone.view import BadPage, View
from tests.host.car_model import VIN, CarModel, ModelConnection

DOMAIN = 76
PUBLICS = [keyfile.generate().public for _ in range(5)]


@pytest.fixture
def car() -> CarModel:
    car = CarModel()
    car.domain = DOMAIN
    return car


def view_of(car: CarModel, key: keyfile.Key | None = None, timeout: float = 5.0) -> View:
    key = key or keyfile.generate()
    if key.public not in car.keys:
        car.enrol(key.public)
    return View(Phone(ModelConnection(car), VIN, key, timeout=timeout, pause=0.01))


def told(answer: Callable[[Any], Any]) -> Callable[[bytes], bytes]:
    """A car's answers: a FromLatchkey for each ToLatchkey."""
    return lambda plain: answer(ours.ToLatchkey.FromString(plain)).SerializeToString()


def keys_of(pages: dict[int, tuple[list[int], int]]) -> Callable[[bytes], bytes]:
    """Pages by where they start: their slots, and the next."""

    def answer(request: Any) -> Any:
        slots, following = pages[request.keys.start]
        keys = [ours.KeyEntry(slot=slot, public=PUBLICS[slot % 5], role=3) for slot in slots]
        return ours.FromLatchkey(keys=ours.KeysPage(keys=keys, next=following))

    return told(answer)


def log_of(pages: dict[int, tuple[list[int], int]]) -> Callable[[bytes], bytes]:
    """Pages by what they come after: their entries' numbers, and the next."""

    def answer(request: Any) -> Any:
        numbers, following = pages[request.log.since]
        entries = [ours.LogEntry(number=number, kind=2, link=2, key=b"keyA", command=1, count=1) for number in numbers]
        return ours.FromLatchkey(log=ours.LogPage(entries=entries, next=following))

    return told(answer)


def test_pages_are_put_together(car: CarModel) -> None:
    car.tell = keys_of({0: ([0, 1], 4), 4: ([], 8), 8: ([9], 0)})
    found = view_of(car).keys()
    assert [(key["slot"], key["public"]) for key in found] == [(slot, PUBLICS[slot % 5].hex()) for slot in (0, 1, 9)]
    assert found[0]["key"] == keyfile.key_id(PUBLICS[0])
    car.tell = log_of({3: ([4, 5], 11), 11: ([], 19), 19: ([20], 0)})
    entries = view_of(car).log(3)
    assert [entry["seq"] for entry in entries] == [4, 5, 20]
    assert entries[0] == {
        "seq": 4, "boot": 0, "at": 0, "kind": "command", "conn": "ble", "key": b"keyA".hex(), "command": 1,
        "outcome": 0, "detail": 0, "count": 1,
    }  # fmt: skip


@pytest.mark.parametrize("pages", [{0: ([1, 1], 0)}, {0: ([2, 1], 0)}, {0: ([0, 5], 5)}, {0: ([], 4), 4: ([3], 0)}])
def test_keys_that_do_not_go_on_are_no_list(car: CarModel, pages: dict[int, tuple[list[int], int]]) -> None:
    car.tell = keys_of(pages)
    with pytest.raises(BadPage):
        view_of(car).keys()


@pytest.mark.parametrize("pages", [{3: ([3], 0)}, {3: ([5, 4], 0)}, {3: ([4, 9], 8)}, {3: ([], 3)}, {3: ([], 2)}])
def test_entries_that_do_not_go_on_are_no_log(car: CarModel, pages: dict[int, tuple[list[int], int]]) -> None:
    car.tell = log_of(pages)
    with pytest.raises(BadPage):
        view_of(car).log(3)


def test_what_never_ends_is_given_up(car: CarModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host_tools.phone.view._MOST_PAGES", 20)
    car.tell = told(lambda asked: ours.FromLatchkey(keys=ours.KeysPage(next=asked.keys.start + 1)))
    with pytest.raises(BadPage):
        view_of(car).keys()
    car.tell = told(lambda asked: ours.FromLatchkey(log=ours.LogPage(next=asked.log.since + 1)))
    with pytest.raises(BadPage):
        view_of(car).log()


def test_a_key_that_is_none_is_no_key(car: CarModel) -> None:
    car.tell = told(lambda asked: ours.FromLatchkey(keys=ours.KeysPage(keys=[ours.KeyEntry(public=b"\x04" * 65)])))
    with pytest.raises(BadPage):
        view_of(car).keys()


@pytest.mark.parametrize("plain", [b"", b"\xff", ours.FromLatchkey(log=ours.LogPage()).SerializeToString()])
def test_what_answers_something_else_is_no_answer(car: CarModel, plain: bytes) -> None:
    car.tell = lambda _: plain
    view = view_of(car, timeout=0.3)
    with pytest.raises(NoAnswer) as caught:
        view.status()
    assert view.ignored and "may have run" not in caught.value.hint


def test_a_state_has_the_benchs_names(car: CarModel) -> None:
    pending = ours.PendingKey(id=b"\x01\x02\x03\x04", role=3, left=20)
    status = ours.CarStatus(locked=True, open=0b100001, pending=pending, board="B", development=True, boot="b0")
    car.tell = told(lambda asked: ours.FromLatchkey(status=status))
    state = view_of(car).status()
    assert state["pending"] == {"key": "01020304", "role": 3, "left": 20}
    assert [name for name, position in state["closures"].items() if position == "open"] == [
        "front_driver_door", "front_trunk",
    ]  # fmt: skip
    assert (state["locked"], state["build"], state["collision"], state["vin"]) == (True, "development", None, VIN)


def test_a_kind_that_a_newer_car_has_is_told_by_its_number(car: CarModel) -> None:
    car.tell = told(
        lambda asked: ours.FromLatchkey(log=ours.LogPage(entries=[ours.LogEntry(number=1, kind=99, link=9)]))
    )
    entry = view_of(car).log()[0]
    assert (entry["kind"], entry["conn"], entry["key"]) == ("99", "9", None)


def test_a_label_that_would_steer_a_terminal_is_shown_by_its_numbers(car: CarModel) -> None:
    key = ours.KeyEntry(public=PUBLICS[0], label=b"\x1b[2J\xff")
    car.tell = told(lambda asked: ours.FromLatchkey(keys=ours.KeysPage(keys=[key])))
    assert words.plain(view_of(car).keys()[0]["label"]) == "\\x1b[2J\\xff"


def test_a_car_of_an_older_firmware_says_that_it_has_no_such_part() -> None:
    with pytest.raises(Refused) as caught:
        view_of(CarModel()).status()
    assert caught.value.name == "INVALID_DOMAINS" and "firmware" in caught.value.hint


def test_another_car_in_its_place_is_noticed(tmp_path: Path) -> None:
    key = keyfile.create(tmp_path / "key.pem")
    known = CarModel()
    known.enrol(key.public)
    phone = Phone(ModelConnection(known), VIN, key)
    phone.unlock()
    impostor = CarModel()
    impostor.domain = DOMAIN
    impostor.enrol(key.public)
    phone.connection = ModelConnection(impostor)
    with pytest.raises(CarChanged):
        View(phone).log()


def test_a_look_leaves_the_phones_own_session_as_it_is(tmp_path: Path) -> None:
    car = CarModel()
    key = keyfile.create(tmp_path / "key.pem")
    car.enrol(key.public)
    phone = Phone(ModelConnection(car), VIN, key)
    phone.unlock()
    kept = phone.cache.path and phone.cache.path.read_bytes()
    car.domain, car.tell = DOMAIN, keys_of({0: ([0], 0)})
    View(phone).keys()
    assert kept == (phone.cache.path and phone.cache.path.read_bytes())
    car.domain, car.tell = 2, None
    car.keys[key.public].counter = 1
    phone.lock()
    assert phone.resyncs == 0
