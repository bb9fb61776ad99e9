# SPDX-License-Identifier: Apache-2.0
"""The outage drill: a simulated car whose authority dies, and comes back lying. Whatever it does, the owner starts."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from host_tools.authority import desk, parcels
from host_tools.authority.database import Database
from host_tools.authority.parcels import Entry, Roster, Seal
from host_tools.authority.plan import DAY
from host_tools.authority.publish import Publication
from host_tools.authority.serve import server
from host_tools.authority.store import Folder
from host_tools.explain import logbook
from host_tools.phone import messages, parcelfile
from host_tools.phone.client import Phone
from host_tools.phone.courier import Courier
from host_tools.phone.keyfile import Key
from host_tools.phone.pairing import pair
from host_tools.phone.trust import Trust
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.demo import VIN, DemoFailed, Story
from host_tools.sim.liar import OK, Liar, serving, trickle

_DRIVER, _GUEST = 3, 8  # roles of the protocol
_WIFI = {"ssid": "Garage", "password": "correct horse"}
_HOUR = 3600  # between two polls, so that none is planned as late as the next day
_UNDER_WAY = 1400  # minutes: while a poll is made, the next one is in a day
_TRIED = ("roster", "declined", "wish")  # what the access log says of an authority
_PATIENCE = 60.0
_TEN_YEARS = 3653 * DAY


class Drill(Story):
    """A story with an authority in it: its keys, its server, and how far its car's clock is ahead."""

    def __init__(self, board: SimulatedBoard, car: Bench, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(board, car, folder, say)
        self.ahead = 0
        self.root, self.signer, self.owner = self.key("root"), self.key("signer"), self.key("owner")
        self.driver, self.renter, self.other = self.key("driver"), self.key("renter"), self.key("other")
        self.public = folder / "public"
        self.database = Database(f"sqlite:///{folder / 'authority.db'}")
        self.seal = Seal(b"")

    @property
    def now(self) -> int:
        """The time that it is in the story."""
        return int(time.time()) + self.ahead

    @property
    def file(self) -> Path:
        """What the authority has published for the car."""
        return self.public / parcelfile.name_of(self.seal.address)

    def publish(self) -> bytes:
        """Have the authority publish; the car's file."""
        Publication(self.database, Folder(self.public), lambda _: self.signer.private).run(self.now)
        return self.file.read_bytes()

    def forged(self, version: int, entries: list[Entry], generation: int, signer: Key) -> bytes:
        """A whole file for the car, by that signer."""
        roster = Roster(VIN, generation, version, self.now, self.now + 30 * DAY, entries, _HOUR)
        return parcels.roster_file(self.seal, [], roster, signer.private)

    def skip(self, seconds: int) -> None:
        """Let time pass."""
        self.ahead += seconds
        self.car.clock(seconds)

    def planned(self) -> str:
        """Wait until no poll is being made. What the car says of the last one."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            told, _, rest = str(self.car.info()["sync"]).partition("; next poll in ")
            if rest and 0 <= int(rest.split()[0]) < _UNDER_WAY:
                return told
            time.sleep(0.1)
        raise DemoFailed(f"{self.steps[-1].title}: no poll has ended", self.board.text[-500:])

    def poll(self) -> str:
        """Let time pass until the car has polled. What it says of that."""
        self.planned()
        self.skip(5 * DAY)
        return self.planned()

    def drives(self, key: Key) -> None:
        """Let a phone unlock the car, start it and drive off."""
        with self.phone(key) as phone:
            phone.unlock()
            phone.start()
            self.expect("the start relay", 1, self.car.pins()["start"])
        self.car.brake(True)
        self.car.brake(False)

    def roster(self) -> tuple[int, int]:
        """Generation and version of the roster that the car has, as its owner sees it."""
        with self.phone(self.owner) as phone:
            seen = View(phone).roster() or {}
        return seen.get("generation", 0), seen.get("version", 0)


def tell(say: Callable[[str], None], show: Callable[[RenderableType], None]) -> dict[str, Any]:
    """Tell the whole story. Raises DemoFailed at the first step that did not do what it says."""
    began = time.monotonic()
    say("The outage drill: a simulated car, four phones, and an authority that dies and comes back lying.")
    with tempfile.TemporaryDirectory(prefix="latchkey-drill-") as name:
        folder = Path(name)
        simulated = SimulatedBoard(folder / "flash.img", port=folder / "car")
        with simulated as board, Bench.open(board.port, 30.0) as car:
            drill = Drill(board, car, folder, say)
            _own(drill)
            quiet = contextlib.redirect_stderr(io.StringIO())  # the file server's own log
            with quiet, serving(server(drill.public, "127.0.0.1", 0)) as port:
                first = _keys_arrive(drill, port)
            _outage(drill)
            with Liar(port) as liar, serving(liar):
                _lies(drill, liar, first)
            entries = _log(drill)
            show(logbook.table([entry for entry in entries if entry["kind"] in _TRIED], {}))
    seconds = round(time.monotonic() - began, 2)
    say(f"All {len(drill.steps)} steps did what they say, in {seconds} s.")
    return {"did": "drill", "seconds": seconds, "steps": drill.results(), "log": entries}


def _own(drill: Drill) -> None:
    car = drill.car
    with drill.step("A board becomes a car with Wi-Fi; an owner pairs with the card and adds a driver") as step:
        car.provision(VIN, {"wifi": _WIFI})
        with drill.phone(drill.owner) as phone:
            pair(phone, "owner", "Owner's phone", on_wait=car.tap)
            phone.change_keys(messages.add_key(drill.driver.public, "driver", "Driver's phone"))
        drill.expect("the number of keys", 2, len(car.keys()))
        car.clock(4)  # a tap is over
        step.seen.append("no server has been asked")


def _keys_arrive(drill: Drill, port: int) -> bytes:
    """By Wi-Fi and by a phone. The first file that was published."""
    car = drill.car
    with drill.step("An authority opens, and the owner lets the car take its keys, with the card") as step:
        drill.database.make()
        url = f"http://127.0.0.1:{port}"
        desk.begin(drill.database, drill.root.private, drill.signer.public, str(drill.public), url, 30, _HOUR)
        file = desk.add_cars(drill.database, [VIN], _DRIVER)[0]
        drill.seal = Seal(file.seal)
        with drill.phone(drill.owner) as phone:
            Trust(phone).install(file, on_wait=car.tap)
        car.clock(4)
        step.seen.append("the most that it may give: driver")
    with drill.step("The car fetches its roster over Wi-Fi, and a key on it starts the car") as step:
        desk.add_key(drill.database, drill.renter.public, "Renter", _DRIVER)
        first = drill.publish()
        drill.expect("the poll", "fetched", drill.poll())
        drill.drives(drill.renter)
        step.seen.append(f"{len(first)} bytes from a plain file server")
    with drill.step("Without Wi-Fi a stranger's phone brings the next roster") as step:
        car.network(False)
        desk.add_key(drill.database, drill.other.public, "Another renter", _DRIVER)
        with contextlib.closing(car.connect()) as connection:
            told = Courier(connection).deliver(parcelfile.split(drill.publish()))
        drill.expect("the roster's version", 2, told.version)
        drill.drives(drill.other)
        car.network(True)
        step.seen.append("no key and no login: what it carries is signed and sealed")
    return first


def _outage(drill: Drill) -> None:
    car = drill.car
    people = {"owner": drill.owner, "driver": drill.driver, "roster key": drill.renter}
    with drill.step("The authority dies; the car starts cold, and everybody starts it") as step:
        boot = car.boot
        drill.board.power_cycle()
        car.wait_boot(boot)
        step.seen.append(f"the car's poll: {drill.poll()}")
        for key in people.values():
            drill.drives(key)
        step.seen.append(", ".join(people) + ": each unlocked and started")
    with drill.step("Ten years pass without an answer, and the owner starts it") as step:
        drill.skip(_TEN_YEARS)
        drill.drives(drill.owner)
        step.seen.append(f"the roster is expired since {(_TEN_YEARS - 30 * DAY) // DAY} days")


def _lies(drill: Drill, liar: Liar, first: bytes) -> None:
    """After each the owner starts."""
    entry = Entry(drill.key("thief").public, _DRIVER)
    demoted = Entry(drill.owner.public, _GUEST)
    stolen = drill.signer

    def lie(title: str, data: bytes, has: tuple[int, int]) -> None:
        def answer(stream: BufferedIOBase) -> None:
            stream.write(OK + data)

        liar.lie = answer
        with drill.step(title) as step:
            step.seen.append(f"the car's poll: {drill.poll()}")
            drill.expect("generation and version", has, drill.roster())
            drill.drives(drill.owner)
            step.seen.append(f"generation {has[0]}, version {has[1]} is in force; the owner starts")

    lie("The server is back, with a web page", b"<!DOCTYPE html><html>Welcome to CafeNet", (1, 2))
    lie("It has an older roster", first, (1, 2))
    lie("It has other keys under the same version", drill.forged(2, [entry], 1, stolen), (1, 2))
    with drill.step("It trickles and never ends; the owner starts meanwhile") as step:
        liar.lie = trickle
        drill.planned()
        drill.skip(5 * DAY)
        drill.drives(drill.owner)
        step.seen.append(f"the car's poll: {drill.planned()}")
        drill.drives(drill.owner)
    drill.signer = drill.key("next signer")
    desk.rotate(drill.database, drill.root.private, drill.signer.public)
    lie("The signing key was stolen: the authority names another", drill.publish(), (2, 3))
    lie("The thief signs with the old one", drill.forged(9, [entry], 1, stolen), (2, 3))
    lie("The thief claims to be of the new generation", drill.forged(9, [entry], 2, stolen), (2, 3))
    lie("The authority itself makes the owner a guest", drill.forged(10, [demoted], 2, drill.signer), (2, 10))
    lie("It leaves everybody out", drill.forged(11, [], 2, drill.signer), (2, 11))
    with drill.step("What the authority gave it has taken back, and nothing else") as step:
        name = drill.refused(drill.renter, Phone.unlock)
        drill.expect("the refusal of its key", "UNKNOWN_KEY_ID", name)
        drill.drives(drill.driver)
        drill.drives(drill.owner)
        step.seen.append(f"the renter: {name}; driver and owner start")


def _log(drill: Drill) -> list[dict[str, Any]]:
    with drill.step("The car has written down what was tried") as step:
        entries = [logbook.described(entry) for entry in drill.car.log()]
        counts = Counter(entry["kind"] for entry in entries)
        for kind in _TRIED:
            drill.expect(f"that the log has {kind!r}", True, counts[kind] > 0)
            step.seen.append(f"{kind}: {counts[kind]} entries")
    return entries
