# SPDX-License-Identifier: Apache-2.0
"""A crowd presents grants that nobody made, and what it heard others present, as fast as it can.

Each costs the car a look-up and some hashes, and its connection a bad tag; nothing is loaded for it but what looks at
it, nothing is written, nobody is evicted, and a guest whose grant is genuine comes in meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
import time
from pathlib import Path

import pytest

from host_tools.faults import LatchkeyError
from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.flash_image import fill
from tests.bench.grants import DOMAIN, Maker, bring, carried, drives, takes, visitor
from tests.bench.support import VIN, Property, new_phone, stranger

CROWD = 5
SECONDS = 5.0


def wrong(maker: Maker, heard: ours.Grant) -> list[bytes]:
    """What a stranger can send: guesses for every handle, junk, and a recording."""
    found = []
    for handle in (1, 2, 3, 9):
        guess = grants.bind(maker.grant(number=77), keyfile.generate().public)
        guess.handle, guess.tag = handle, bytes(16)
        found.append(ours.ToLatchkey(grant=guess))
        found.append(ours.ToLatchkey(revoke=ours.Revocation(handle=handle, below=grants.ALL, tag=bytes(16))))
    found.append(ours.ToLatchkey(grant=ours.Grant(handle=1, number=1, limits=bytes(900), tag=bytes(16))))
    found.append(ours.ToLatchkey(grant=heard))
    return [messages.routable(one, b"\7" * 16, b"\7" * 16, DOMAIN).SerializeToString() for one in found]


def flood(car: Bench, until: float, sent: list[bytes], count: list[int], lost: list[str]) -> None:
    try:
        with contextlib.closing(car.connect()) as connection:
            while time.monotonic() < until:
                for message in sent:
                    connection.send(message)
                    count[0] += 1
                    while connection.receive(0) is not None:
                        pass
    except LatchkeyError as error:
        lost.append(error.text)


@pytest.mark.parametrize("heap", ["124K", "167K"])
def test_a_crowd_of_forgers_costs_nobody_anything(
    request: pytest.FixtureRequest, tmp_path: Path, heap: str, record_property: Property
) -> None:
    if request.config.getoption("--port"):
        pytest.skip("a board's heap has the size it has")
    image = tmp_path / "flash.img"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        maker, guest = Maker(owner), keyfile.generate()
        first = maker.grant()
        heard = grants.bind(first, guest.public)
        assert takes(car, first, guest) == "NONE"
    with SimulatedBoard(image, heap=heap) as board, Bench.open(board.port, 30) as car:
        boot, count = car.boot, [0]
        lost: list[str] = []
        sent = wrong(maker, heard)
        until = time.monotonic() + SECONDS
        crowd = [threading.Thread(target=flood, args=(car, until, sent, count, lost)) for _ in range(CROWD)]
        for one in crowd:
            one.start()
        owner = stranger(car, owner.key)
        commands, before = 0, car.request("flash_ops")["count"]
        while time.monotonic() < until:
            owner.unlock()
            owner.lock()
            commands += 2
        for one in crowd:
            one.join()
        assert (car.boot, lost, board.boots) == (boot, [], 1), board.text
        assert car.stats()["p256"] == 0 and commands
        assert drives(car, guest) and {key["key"] for key in car.request("keys")["keys"]} == {owner.key.id, guest.id}
        late = keyfile.generate()
        if heap == "167K":
            assert takes(car, maker.grant(), late) == "NONE", "and who has a genuine one comes in"
        written = car.request("flash_ops")["count"] - before
    record_property(
        "note",
        f"{heap}: {count[0]} grants of strangers in {SECONDS:.0f} s, {commands} commands of the owner's meanwhile, "
        f"{written} flash operations, 0 public-key operations",
    )


@pytest.mark.parametrize("free", [0, 1, 2])
def test_on_a_full_flash_a_grant_is_refused_whole_and_a_revocation_is_done_or_refused_whole(
    request: pytest.FixtureRequest, tmp_path: Path, free: int
) -> None:
    if request.config.getoption("--port"):
        pytest.skip("a board's flash has the size it has")
    image = tmp_path / "flash.img"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        maker, guest = Maker(owner), keyfile.generate()
        assert takes(car, maker.grant(), guest) == "NONE"
        presented = maker.number
    fill(image, free)
    with SimulatedBoard(image) as board, Bench.open(board.port, 30) as car:
        late, link = keyfile.generate(), maker.grant()
        said = takes(car, link, late)
        assert said in ("FLASH", "NONE")
        for _ in range(2):
            assert drives(car, late) == (said == "NONE"), "its key without its number, or the other way round"
            with visitor(car) as thief:
                other = grants.bind(link, keyfile.generate().public)
                answer = "SPENT" if said == "NONE" else "FLASH"
                assert bring(thief, ours.ToLatchkey(grant=other)) == answer
            boot = car.boot
            board.power_cycle()
            car.wait_boot(boot)
        done = carried(car, maker.revocation(presented, link.number))
        assert done == "NONE", "what has been decided has its room kept"
        for _ in range(2):
            assert not drives(car, guest) and not drives(car, late)
            assert takes(car, link) == takes(car, maker.grant(number=presented)) == "SPENT"
            boot = car.boot
            board.power_cycle()
            car.wait_boot(boot)
        with contextlib.closing(car.connect()) as connection:
            Phone(connection, VIN, owner.key).unlock()
