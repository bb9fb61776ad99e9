# SPDX-License-Identifier: Apache-2.0
"""The story of a car that is lent: by a link, with no server and no network anywhere, and taken back by a phone that
knows nothing of it. What a guest may do does not grow by power cuts."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from host_tools.explain import logbook
from host_tools.faults import Refused
from host_tools.phone import chain, gossip, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import link as links
from host_tools.phone.client import Phone
from host_tools.phone.given import GivenFile
from host_tools.phone.keyfile import Key
from host_tools.phone.owner import learn
from host_tools.phone.pairing import pair
from host_tools.phone.present import present
from host_tools.phone.revocations import Revocations
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.demo import VIN, Story

_DAY = 86400
_PATIENCE = 10.0
_TOLD = ("enrolled", "command", "revoked", "removed")  # what the log says of a loan
_GUEST = messages.ROLES["guest"]


class Loan(Story):
    """An owner, a neighbour who drives the car too, and two friends."""

    def __init__(self, board: SimulatedBoard, car: Bench, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(board, car, folder, say)
        self.owner, self.neighbour, self.bo, self.cy = map(self.key, ("owner", "neighbour", "bo", "cy"))
        self.given = GivenFile(self.owner)

    def share(self, label: str) -> str:
        """A link for two starts within four days. Nothing and nobody is asked."""
        now = int(time.time())
        limits = ours.Limits(role=_GUEST, uses=2, not_after=now + 4 * _DAY, seconds=5 * _DAY, label=label.encode())
        return self.given.give(VIN, limits, now).url()

    def taken_back(self, number: int) -> str:
        """Take one back, far from the car: what any phone may carry to it."""
        return self.given.unheard(VIN, self.given.revoke(VIN, [number]))[0].url()

    def accepted(self, key: Key, url: str) -> str:
        """Take a link up at the car. The name under which the car refuses it, or DONE."""
        with self.phone(key) as phone:
            try:
                present(phone, links.read(url))
            except Refused as refused:
                return refused.name
        return "DONE"

    def logged(self, deed: str) -> None:
        """Wait until the newest of such entries is in flash, which takes as long as an answer has to leave."""
        newest = max(it["seq"] for it in map(logbook.described, self.car.log()) if it.get("did") == deed)
        deadline = time.monotonic() + _PATIENCE
        with self.phone(self.owner) as phone:
            while View(phone).raw_log()[1].number < newest and time.monotonic() < deadline:
                time.sleep(0.02)

    def cold(self) -> None:
        """Take the car's power away, and give it back."""
        boot = self.car.boot
        self.board.power_cycle()
        self.car.wait_boot(boot)


def tell(say: Callable[[str], None], show: Callable[[RenderableType], None]) -> dict[str, Any]:
    """Tell the whole story. Raises DemoFailed at the first step that did not do what it says."""
    began = time.monotonic()
    say("A car is lent and taken back: a simulated car, four phones, and no server and no network for any of them.")
    with tempfile.TemporaryDirectory(prefix="latchkey-loan-") as name:
        folder = Path(name)
        with SimulatedBoard(folder / "flash.img", port=folder / "car") as board, Bench.open(board.port, 30.0) as car:
            loan = Loan(board, car, folder, say)
            _own(loan)
            _lend(loan)
            _take_back(loan)
            entries = _log(loan)
            show(logbook.table([entry for entry in entries if entry["kind"] in _TOLD], {}))
    seconds = round(time.monotonic() - began, 2)
    say(f"All {len(loan.steps)} steps did what they say, in {seconds} s.")
    return {"did": "loan", "seconds": seconds, "steps": loan.results(), "log": entries}


def _own(loan: Loan) -> None:
    car = loan.car
    with loan.step(
        "A board becomes a car; an owner pairs with the card, and her phone asks how it makes grants"
    ) as step:
        loan.car_public = bytes.fromhex(car.provision(VIN)["public_key"])
        with loan.phone(loan.owner) as phone:
            pair(phone, "owner", "Owner's phone", on_wait=car.tap)
            phone.change_keys(messages.add_key(loan.neighbour.public, "driver", "Neighbour's phone"))
            account, _ = learn(phone, loan.given)
        loan.expect("the owner's handle", 1, account.handle)
        car.clock(4)  # a tap is over
        step.seen.append("from now on the phone makes them alone")
    with loan.step("There is an outage: the car has no network, and the owner is out of its reach"):
        car.network(False)


def _lend(loan: Loan) -> None:
    car = loan.car
    with loan.step("At home the owner makes a link for Bo: a guest, two starts, four days") as step:
        url = loan.share("Bo")
        step.seen.append(f"{url[:50]}…, {len(url)} characters")
    with loan.step("Bo's phone takes it up at the car; another that has the link, too, comes too late") as step:
        before = car.stats()["p256"]
        loan.expect("the outcome", "DONE", loan.accepted(loan.bo, url))
        operations = car.stats()["p256"] - before
        name = loan.accepted(loan.cy, url)
        loan.expect("the refusal of the second phone", "GRANT_FAULT_SPENT", name)
        loan.expect("the number of public-key operations", 1, operations)
        step.seen.append(f"{operations} public-key operation; the second phone: {name}")
    with loan.step("Bo unlocks and starts; the power is cut; he starts again") as step:
        loan.expect("unlocking", "DONE", loan.refused(loan.bo, Phone.unlock))
        for _ in range(2):
            loan.expect("starting", "DONE", loan.refused(loan.bo, Phone.start))
            loan.expect("the start relay", 1, car.pins()["start"])
            loan.logged("start")
            loan.cold()
            loan.expect("the start relay", 0, car.pins()["start"])
        step.seen.append("two starts, and a power cut after each")
    with loan.step("A third start is refused, after a power cut and when the link is taken up again, too") as step:
        name = loan.refused(loan.bo, Phone.start)
        loan.cold()
        again = loan.refused(loan.bo, Phone.start)
        loan.expect("taking up the link again", "DONE", loan.accepted(loan.bo, url))
        names = {name, again, loan.refused(loan.bo, Phone.start)}
        loan.expect("the start relay", 0, car.pins()["start"])
        loan.expect("the number of refusals' names", 1, len(names))
        loan.expect("that he was refused", False, "DONE" in names)
        step.seen.append(f"refused: {name}; he may still lock")
        loan.expect("locking", "DONE", loan.refused(loan.bo, Phone.lock))


def _take_back(loan: Loan) -> None:
    car = loan.car
    with loan.step("Cy takes up another link, and unlocks"):
        url = loan.share("Cy")
        loan.expect("the outcome", "DONE", loan.accepted(loan.cy, url))
        loan.expect("unlocking", "DONE", loan.refused(loan.cy, Phone.unlock))
    with loan.step(
        "Far away the owner takes Cy's back; the neighbour's phone carries that, and knows nothing of it"
    ) as step:
        carried = loan.taken_back(2)
        if loan.neighbour.path is not None:
            Revocations(loan.neighbour.path).keep(links.read(carried))
        with loan.phone(loan.neighbour) as phone:
            phone.lock()
            gossip.hand_over(phone)
        name = loan.refused(loan.cy, Phone.unlock)
        loan.expect("the refusal of Cy", "UNKNOWN_KEY_ID", name)
        loan.expect("taking up the link again", "GRANT_FAULT_SPENT", loan.accepted(loan.cy, url))
        loan.expect("the car to be locked", True, car.state()["locked"])
        step.seen.append(f"no secret in it: {carried[:40]}…; Cy: {name}")
    with loan.step("One that nobody has taken up is taken back at the car, and never works"):
        url = loan.share("Di")
        with loan.phone(loan.owner) as phone:
            loan.given.revoke(VIN, [3])
            gossip.hand_over(phone)
        loan.expect("taking up the link", "GRANT_FAULT_SPENT", loan.accepted(loan.cy, url))


def _log(loan: Loan) -> list[dict[str, Any]]:
    with loan.step("The log says who drove, and the owner's phone verifies it; a byte of it changed does not") as step:
        entries = [logbook.described(entry) for entry in loan.car.log()]
        starts = [entry for entry in entries if entry.get("did") == "start"]
        loan.expect("who started", [loan.bo.id] * 2, [entry["key"] for entry in starts])
        with loan.phone(loan.owner) as phone:
            view = View(phone)
            raws, _ = view.raw_log()
            head = view.head()
            loan.expect("what is wrong with it", [], _wrong(raws, head))
            loan.expect("that the car signed its head", True, chain.is_signed(loan.car_public, VIN, head))
        at = next(at for at, raw in enumerate(raws) if chain.number(raw) == starts[0]["seq"])
        changed = bytearray(raws[at])
        changed[8] ^= 1  # when it was
        name = _wrong([*raws[:at], bytes(changed), *raws[at + 1 :]], head)
        loan.expect("that a byte of it can be changed", False, not name)
        step.seen.append(
            f"both starts are Bo's, {loan.bo.id}; {len(raws)} entries in a chain, whose end the car signed"
        )
        step.seen.append(f"with one bit of the first start changed: {', '.join(name)}")
    return entries


def _wrong(raws: Sequence[bytes], head: chain.Head) -> list[str]:
    """What is wrong with a log that ends there."""
    return sorted({it.name for it in chain.check(raws, head)} - chain.NOTES)
