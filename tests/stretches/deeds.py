# SPDX-License-Identifier: Apache-2.0
"""The deeds of a car's life, done on a simulated car that counts what it does: the longest stretch of each.

The worst of a deed's rounds is what Python, loading and native code take, with a flash that is read for nothing: it is
the same every time. With the flash counted it is the best: how much littlefs reads goes up with each change of a
folder, until it writes it anew, which no program can interrupt.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tesla_protocol.command import car_server_pb2 as car_server
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.authority.parcels import Seal
from host_tools.build.staging import staged
from host_tools.faults import Refused
from host_tools.phone import keyfile, messages, parcelfile, receipt
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from host_tools.phone.exchange import Exchange
from host_tools.phone.pairing import pair
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.interpreter import ask, find_micropython
from tests.bench import authority, flash_image, grants, support
from tests.bench.cuts import settle
from tests.host import rosters
from tests.stretches import counting

_ROUNDS = 3
_OVER = 40  # seconds after which enrolment is dropped, and what it loaded
_KEYS = 1000
_FILL = """
import sys
sys.path += [{stage!r}, ".frozen"]
import asyncio
from hashlib import sha256
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import Record
async def fill(keys):
    for i in range({keys}):
        public = b"\\x04" + sha256(b"x%d" % i).digest() + sha256(b"y%d" % i).digest()
        await keys.apply(Record(public, bytes(16), 3, 6, 1, label="key %d" % i))
keys = Keychain("/data")
keys.open()
asyncio.run(fill(keys))
"""


_PING = car_server.Action(vehicleAction=car_server.VehicleAction(ping=car_server.Ping(ping_id=7)))


class Infotainment(Exchange):
    """What official clients ask of the car's other computer."""

    domain = universal.DOMAIN_INFOTAINMENT


@dataclass(frozen=True)
class Stretch:
    """Million instructions of an ESP32, and who took them."""

    millions: float
    who: str

    @property
    def ms(self) -> float:
        """On one at 240 MHz."""
        return 1000 * self.millions / counting.MHZ


class Car:
    """A car that counts; deeds by name, with their stretches of each round."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.found: dict[str, list[Stretch]] = {}

    def deed(self, name: str, do: Callable[[], object]) -> None:
        """Do it, and note its longest stretch."""
        self.bench.stretch()
        do()
        told = self.bench.stretch()
        self.found.setdefault(name, []).append(Stretch(told["us"] * counting.MHZ / 1e6, told["who"]))


@dataclass(frozen=True)
class Full:
    """The flash of a car with many keys, and its owner's key."""

    image: Path
    owner: keyfile.Key


def full(folder: Path) -> Full:
    """Fill one: it takes as long as all the rest."""
    image, owner = folder / "full.img", keyfile.generate()
    with SimulatedBoard(image, "256K", support.VIN) as board, Bench.open(board.port) as bench:
        phone = Phone(bench.connect(), support.VIN, owner)
        pair(phone, "owner", on_wait=lambda: support.tap(bench, phone))
    flash_image.change(image, _FILL.format(stage=str(staged()), keys=_KEYS))
    return Full(image, owner)


def computed(folder: Path, full: Full) -> dict[str, Stretch]:
    """Each deed's longest stretch, but for the flash."""
    return {deed: max(found, key=_millions) for deed, found in measured(folder, full, read=0, write=0).items()}


def with_flash(folder: Path, full: Full) -> dict[str, Stretch]:
    """Each deed's longest stretch, with the flash, of the round in which littlefs had least to do."""
    return {deed: min(found, key=_millions) for deed, found in measured(folder, full).items()}


def _millions(stretch: Stretch) -> float:
    return stretch.millions


def measured(folder: Path, full: Full, **weights: int) -> dict[str, list[Stretch]]:
    """Every deed's stretches, as they are with these weights in place of counting's own."""
    folder.mkdir(exist_ok=True)
    firmware = counting.build(folder, ask(find_micropython())[0], **weights)
    new, image = folder / "new.img", folder / "flash.img"
    new.unlink(missing_ok=True)
    with SimulatedBoard(new, "256K", support.VIN, firmware_dir=firmware) as board, Bench.open(board.port) as bench:
        car = Car(bench)
        _life(car, keyfile.generate())
    shutil.copy(full.image, image)
    with SimulatedBoard(image, "256K", firmware_dir=firmware) as board, Bench.open(board.port) as bench:
        car.bench = bench
        _many_keys(car, full.owner)
    return car.found


def _life(car: Car, key: keyfile.Key) -> None:
    bench = car.bench
    owner = Phone(bench.connect(), support.VIN, key)
    car.deed("pairing with a tap", lambda: pair(owner, "owner", on_wait=lambda: support.tap(bench, owner)))
    for number in range(_ROUNDS):
        for _ in range(number):  # so that littlefs has its turns of work in other deeds
            owner = Phone(car.bench.connect(), support.VIN, key)
            owner.lock()
        _day(car, key)


def _day(car: Car, key: keyfile.Key) -> None:
    bench = car.bench
    bench.reboot()
    owner, stranger = Phone(bench.connect(), support.VIN, key), support.stranger(bench)
    view = View(owner)
    car.deed("handshake of a stranger", lambda: _refused(stranger.handshake))
    car.deed("handshake", owner.handshake)
    car.deed("the first command", owner.unlock)
    car.deed("start", owner.start)
    car.deed("lock", owner.lock)
    car.deed("the owner's view: state", view.status)
    car.deed("the owner's view: keys", view.keys)
    car.deed("the owner's view: log", view.log)
    car.deed("a receipt", lambda: receipt.ask(owner, owner.last_sent))
    car.deed("the log as it is in flash", view.raw_log)
    car.deed("the log's head, signed", view.head)
    infotainment = Infotainment(bench.connect(), support.VIN, key, SessionCache())
    car.deed("infotainment: a ping", lambda: infotainment.exchange(_PING, lambda answer: answer))
    guest, friend = keyfile.generate(), support.stranger(bench)
    car.deed("an owner adds the first key", lambda: owner.change_keys(messages.add_key(guest.public, "driver")))
    car.deed("an owner changes a role", lambda: owner.change_keys(messages.update_key(guest.public, "guest")))
    car.deed("an owner removes a key", lambda: owner.change_keys(messages.remove_key(guest.public)))
    car.deed("pairing with a tap", lambda: pair(friend, "driver", on_wait=lambda: support.tap(bench, friend)))
    car.deed("many ask to be paired", lambda: _flood(bench))
    bench.clock(_OVER)
    _roster(car, owner)
    bench.clock(_OVER)
    car.deed("bench: info", bench.info)
    car.deed("bench: state", bench.state)
    car.deed("bench: stats", bench.stats)
    car.deed("bench: heap", bench.heap)
    car.deed("bench: keys", bench.keys)
    car.deed("bench: log", bench.log)
    _lend(car, key)


def _again(bench: Bench, key: keyfile.Key) -> None:
    """Restart, with the first write behind it: littlefs looks for free blocks then."""
    bench.reboot()
    with contextlib.closing(bench.connect()) as connection:
        Phone(connection, support.VIN, key).lock()
    settle(bench)


def _lend(car: Car, key: keyfile.Key) -> None:
    bench = car.bench
    bench.reboot()
    owner, guest = Phone(bench.connect(), support.VIN, key), keyfile.generate()
    owner.handshake()
    car.deed("what a maker is told", lambda: grants.told(owner))
    maker = grants.Maker(owner)
    open_one, wrong = maker.grant(), maker.grant()
    wrong.tag = bytes(16)
    _again(bench, key)
    car.deed("a grant that nobody made", lambda: grants.takes(bench, wrong))
    car.deed("a grant", lambda: grants.takes(bench, open_one, guest))
    car.deed("the same again", lambda: grants.takes(bench, open_one, guest))
    _again(bench, key)
    car.deed("a revocation", lambda: grants.carried(bench, maker.revocation(open_one.number)))


def _roster(car: Car, owner: Phone) -> None:
    """An authority comes, hands over keys, and goes again."""
    bench, courier, seal = car.bench, support.stranger(car.bench), Seal(os.urandom(16))
    *_, delegation, head, part = parcelfile.split(rosters.roster_file(rosters.entries(8), seal=seal))
    others = parcelfile.head(parcelfile.split(rosters.roster_file([])))
    car.deed("an authority: installed", lambda: authority.install(bench, owner, seal=seal.secret))
    car.deed("an authority: another car's parcel", lambda: authority.bring(courier, others))
    car.deed("an authority: a delegation", lambda: authority.bring(courier, delegation))
    car.deed("an authority: a head", lambda: authority.bring(courier, head))
    car.deed("an authority: a part", lambda: authority.bring(courier, part))
    car.deed("an authority: a head that is there", lambda: authority.bring(courier, head))
    car.deed("an authority: a key's first hello", authority.listed(bench, 1).handshake)
    car.deed("an authority: its roster's age", lambda: authority.status(owner))
    car.deed("an authority: removed", lambda: authority.remove(owner))


def _many_keys(car: Car, key: keyfile.Key) -> None:
    guest = keyfile.generate()
    for _ in range(_ROUNDS):
        car.bench.reboot()
        owner = Phone(car.bench.connect(), support.VIN, key)
        add, remove = messages.add_key(guest.public, "driver"), messages.remove_key(guest.public)
        car.deed(f"{_KEYS} keys: handshake", owner.handshake)
        car.deed(f"{_KEYS} keys: the first command", owner.unlock)
        car.deed(f"{_KEYS} keys: the first write after a restart", partial(settle, car.bench))  # the log's
        car.deed(f"{_KEYS} keys: adding one", partial(owner.change_keys, add))
        car.deed(f"{_KEYS} keys: removing it", partial(owner.change_keys, remove))
        car.deed(f"{_KEYS} keys: bench: keys", partial(car.bench.request, "keys", start=0, limit=16))


def _refused(do: Callable[[], object]) -> None:
    with contextlib.suppress(Refused):
        do()


def _flood(bench: Bench) -> None:
    """Four strangers, each of whom asks three times."""
    with contextlib.ExitStack() as stack:
        phones = [stack.enter_context(bench.connect()) for _ in range(4)]
        for _ in range(3):
            for phone in phones:
                operation = messages.add_key(keyfile.generate().public, "owner")
                phone.send(messages.routable(operation, support.ADDRESS, support.UUID).SerializeToString())
        bench.info()
