# SPDX-License-Identifier: Apache-2.0
"""The car writes down who did what and who was refused; it tells no secret there or anywhere else."""

from __future__ import annotations

import base64
import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from host_tools.faults import Refused
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench import flash_image
from tests.bench.cuts import settle
from tests.bench.support import ask, forge, new_phone, stranger

pytestmark = pytest.mark.usefixtures("resting")

UNLOCK, LOCK, START = 2, 4, 16  # latchkey.proto, Permission
RING = 512


def since(car: Bench) -> int:
    """The number of the newest entry."""
    return int(car.request("log", since=0, limit=1)["last"])


def written(car: Bench, after: int, **wanted: Any) -> list[dict[str, Any]]:
    return [entry for entry in car.log(after) if wanted.items() <= entry.items()]


def test_every_command_says_who_gave_it(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "guest", by=owner)
    after = since(car)
    owner.unlock()
    guest.start()
    entries = written(car, after, kind="command", outcome=0)
    assert [(entry["key"], entry["command"]) for entry in entries] == [
        (owner.key.id, UNLOCK), (guest.key.id, START)]  # fmt: skip
    assert all(entry["conn"].startswith("serial") for entry in entries)


def test_every_refusal_says_why_and_equal_ones_are_counted(car: Bench, owner: Phone) -> None:
    after = since(car)
    for _ in range(5):
        with pytest.raises(Refused):
            stranger(car).unlock()
        ask(car, owner.connection, forge(owner, messages.action("start"), epoch=bytes(16)).SerializeToString())
    wrong_epochs = written(car, after, kind="refused", outcome=15)
    assert sum(entry["count"] for entry in wrong_epochs) == 5 and len(wrong_epochs) <= 2
    assert {entry["key"] for entry in wrong_epochs} == {owner.key.id}


def test_changes_of_keys_say_which_key_and_by_whom(car: Bench, owner: Phone) -> None:
    after = since(car)
    guest = new_phone(car, "guest", by=owner)
    owner.change_keys(messages.update_key(guest.key.public, "driver"))
    owner.change_keys(messages.remove_key(guest.key.public))
    kinds = [entry["kind"] for entry in written(car, after, key=guest.key.id)]
    assert kinds == ["enrolled", "updated", "removed"]
    assert len(written(car, after, kind="command", key=owner.key.id)) == 3


@pytest.mark.parametrize("how", ["restart", "power cut"])
def test_the_log_outlives(car: Bench, owner: Phone, how: str, request: pytest.FixtureRequest) -> None:
    owner.unlock()
    time.sleep(0.3)  # the log is written after the answer
    before, boot = car.log()[-40:], car.boot
    if how == "restart":
        car.reboot()
    else:
        simulated: SimulatedBoard = request.getfixturevalue("simulated")
        simulated.power_cycle()
        car.wait_boot(boot)
    owner.connection = car.connect()
    after = car.log()
    assert [entry for entry in after if entry in before] == before
    assert any(entry["kind"] == "boot" and entry["seq"] > before[-1]["seq"] for entry in after)


def test_the_log_is_a_ring_and_numbers_go_on(car: Bench, owner: Phone, simulated: SimulatedBoard) -> None:
    """On a simulated flash: no need to wear a real one."""
    first = since(car)
    entries = car.log()
    while entries[-1]["seq"] < first + RING:  # commands that come faster than a flash writes are counted, and left out
        for _ in range(50):
            owner.wake()
        entries = car.log()
    numbers = [entry["seq"] for entry in entries]
    assert numbers == sorted(set(numbers))
    assert RING - 100 <= len(entries) <= RING + 16


@pytest.mark.parametrize("error", [5, 28])
def test_a_command_is_obeyed_though_its_entry_cannot_be_written_and_is_written_later(
    car: Bench, owner: Phone, simulated: SimulatedBoard, error: int
) -> None:
    """Each operation that a flush may fail at: tests/faults."""
    settle(car)
    after = since(car)
    for at in (1, 3):
        car.request("flash_error", after=at, error=error, forever=True)
        owner.unlock()
        settle(car)
        assert not car.state()["locked"]
        car.request("flash_error", after=0)
        owner.lock()
        settle(car)
    car.reboot()
    owner.connection = car.connect()
    done = written(car, after, kind="command")
    assert [entry["command"] for entry in done] == [UNLOCK, LOCK] * 2


def test_no_secret_leaves_the_car(car: Bench, owner: Phone, simulated: SimulatedBoard, tmp_path: Path) -> None:
    """The car's private key and the keys it shares with phones: in nothing that it says, however it is spelled."""
    guest = new_phone(car, "guest", by=owner)
    guest.unlock()
    image = tmp_path / "copy.img"
    shutil.copy(simulated.image, image)
    identity = next(content for path, content in flash_image.files(image).items() if path.endswith("identity"))
    assert owner.session is not None and guest.session is not None
    public = owner.session.car_public
    at = identity.index(public)
    secrets = [identity[at - 32 : at], owner.session.key, guest.session.key]
    assert len(secrets[0]) == 32 and flash_holds(image, owner.session.key)
    for action in ("start", "lock"):
        ask(car, owner.connection, forge(owner, messages.action(action), key=bytes(16)).SerializeToString())
        ask(car, owner.connection, forge(owner, messages.action(action), epoch=bytes(16)).SerializeToString())
    said: list[Any] = [car.events, car.log_text, simulated.text, car.log(), car.keys(), car.state(), car.hello]
    said += [car.request(op) for op in ("info", "stats", "heap", "pins")]
    spoken = json.dumps(said).lower()
    for secret in secrets:
        for spelled in (secret.hex(), base64.b64encode(secret).decode().lower(), str(int.from_bytes(secret, "big"))):
            assert spelled not in spoken


def flash_holds(image: Path, secret: bytes) -> bool:
    return any(secret in content for content in flash_image.files(image).values())
