# SPDX-License-Identifier: Apache-2.0
"""The story, told on a simulated board: every step says what it does, checks that it happened, and is timed."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.explain import logbook
from host_tools.faults import LatchkeyError, Refused
from host_tools.phone import keyfile, messages, session
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.phone.pairing import pair
from host_tools.phone.refusals import message_fault
from host_tools.radio.phone_side import BleConnection, local_name
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard

VIN = "LATCHKEYDEM000001"
_ANSWER = 5.0


class DemoFailed(LatchkeyError):
    """A step did not do what it says."""

    name = "DEMO_FAILED"


@dataclass
class Step:
    """One step of the story, and what was seen."""

    title: str
    seconds: float = 0.0
    seen: list[str] = field(default_factory=list)


class Story:
    """The car, the people's phones, and the steps told so far."""

    def __init__(self, board: SimulatedBoard, car: Bench, folder: Path, say: Callable[[str], None]) -> None:
        self.board = board
        self.car = car
        self.folder = folder
        self.steps: list[Step] = []
        self.car_public = b""  # anybody may know it
        self._say = say

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tell a step. What goes wrong in it ends the story, with what was expected and what was seen."""
        step = Step(title)
        self.steps.append(step)
        began = time.monotonic()
        try:
            yield step
        except LatchkeyError as error:
            failed = error if isinstance(error, DemoFailed) else DemoFailed(f"{title}: {error.line()}")
            failed.details = {"steps": self.results(), "failed": title}
            raise failed from error
        step.seconds = round(time.monotonic() - began, 3)
        self._say(f"{len(self.steps):2}. {title}  ({step.seconds:.2f} s)")
        for line in step.seen:
            self._say(f"      {line}")

    def expect(self, what: str, expected: object, seen: object) -> None:
        """End the story unless what was seen is what was expected."""
        if seen != expected:
            raise DemoFailed(f"{self.steps[-1].title}: expected {what} to be {expected!r}, saw {seen!r}")

    @contextlib.contextmanager
    def phone(self, key: Key) -> Iterator[Phone]:
        """A phone that comes up to the car."""
        with contextlib.closing(self.car.connect()) as connection:
            yield Phone(connection, VIN, key)

    def key(self, name: str) -> Key:
        """A phone's new key."""
        return keyfile.create(self.folder / f"{name}.pem")

    def refused(self, key: Key, deed: Callable[[Phone], None]) -> str:
        """Let a phone try something. The name under which the car refuses it, or DONE."""
        with self.phone(key) as phone:
            try:
                deed(phone)
            except Refused as refused:
                return refused.name
        return "DONE"

    def replay(self, recorded: bytes) -> str:
        """Send a recorded message again, byte by byte the same. The name of the car's fault."""
        with contextlib.closing(self.car.connect()) as connection:
            connection.send(recorded)
            deadline = time.monotonic() + _ANSWER
            while (left := deadline - time.monotonic()) > 0:
                data = connection.receive(left)
                answer = universal.RoutableMessage.FromString(data or b"")
                if answer.HasField("from_destination"):
                    return message_fault(answer.signedMessageStatus.signed_message_fault)
        return "no answer"

    def guess(self, phone: Phone) -> None:
        """Sign a command without the car's help: all it takes but an enrolled key can be guessed or is public."""
        shared = session.shared_key(phone.key.private, self.car_public)
        phone.session = session.Session(VIN, self.car_public, shared, bytes(16), 0, time.time())
        phone.unlock()

    def results(self) -> list[dict[str, Any]]:
        """The steps, for JSON."""
        return [vars(step) for step in self.steps]


def tell(say: Callable[[str], None], show: Callable[[RenderableType], None]) -> dict[str, Any]:
    """Tell the whole story. Raises DemoFailed at the first step that did not do what it says."""
    began = time.monotonic()
    say("No server, no network, no login: a simulated board and three phones.")
    with tempfile.TemporaryDirectory(prefix="latchkey-demo-") as name:
        folder = Path(name)
        simulated = SimulatedBoard(folder / "flash.img", port=folder / "car", radio="virtual")
        with simulated as board, Bench.open(board.port, 30.0) as car:
            story = Story(board, car, folder, say)
            entries = _play(story)
            show(logbook.table(entries, {}))
    seconds = round(time.monotonic() - began, 2)
    say(f"All {len(story.steps)} steps did what they say, in {seconds} s.")
    return {"did": "demo", "seconds": seconds, "steps": story.results(), "log": entries}


def _play(story: Story) -> list[dict[str, Any]]:
    car = story.car
    with story.step("A board fresh from the factory becomes a car") as step:
        story.expect("the board's VIN", None, car.info()["vin"])
        story.car_public = bytes.fromhex(car.provision(VIN)["public_key"])
        story.expect("the board's VIN", VIN, car.info()["vin"])
        step.seen.append(f"VIN {VIN}, {len(car.keys())} keys")
    owner, recorded = _own(story)
    _replays(story, recorded)
    _others(story, owner)
    _on_the_air(story, owner)
    with story.step("The owner locks it"), story.phone(owner) as phone:
        phone.lock()
        story.expect("the car to be locked", True, car.state()["locked"])
    with story.step("The car has written down who did what") as step:
        entries = [logbook.described(entry) for entry in car.log()]
        starts = [entry for entry in entries if entry.get("did") == "start"]
        story.expect("the number of starts in the log", 1, len(starts))
        refusals = sum(entry.get("count", 1) for entry in entries if entry["kind"] == "refused")
        step.seen.append(f"{len(entries)} entries, {refusals} refusals among them, and one start")
    return entries


def _own(story: Story) -> tuple[Key, bytes]:
    """From pairing to driving. Returns the owner's key and the start command as it was on the air."""
    car = story.car
    owner = story.key("owner")
    with story.step("The owner's phone asks to be a key, and a card is tapped on the reader") as step:
        with story.phone(owner) as phone:
            pair(phone, "owner", "Owner's phone", on_wait=lambda: _tap(story, owner))
        enrolled = car.keys()
        found = [(key["key"], messages.role_name(key["role"])) for key in enrolled]
        story.expect("the keychain", [(owner.id, "owner")], found)
        step.seen.append(f"key {owner.id} is the owner's")
    with story.step("The power goes and comes back: the car starts cold") as step:
        boot = car.boot
        story.board.power_cycle()
        car.wait_boot(boot)
        state = car.state()
        story.expect("the car to be locked", True, state["locked"])
        story.expect("the start relay", 0, car.pins()["start"])
        story.expect("the number of keys", 1, len(car.keys()))
        step.seen.append("locked, start relay off, one key")
    with story.phone(owner) as phone:
        with story.step("The phone unlocks it") as step:
            phone.unlock()
            story.expect("the car to be locked", False, car.state()["locked"])
            step.seen.append(f"{phone.resyncs} correction: the session of before the restart is worth nothing")
        with story.step("The phone starts it") as step:
            phone.start()
            recorded = phone.last_sent
            story.expect("the start relay", 1, car.pins()["start"])
            operations = car.stats()["p256"]
            story.expect("the number of public-key operations since the restart", 0, operations)
            step.seen.append(f"start relay on; {operations} public-key operations since the restart")
            step.seen.append(f"somebody recorded the command: {len(recorded)} bytes")
    with story.step("The owner steps on the brake and drives off") as step:
        car.brake(True)
        car.brake(False)
        story.expect("the start relay", 0, car.pins()["start"])
        step.seen.append("the permission to start is used up: start relay off")
    return owner, recorded


def _replays(story: Story, recorded: bytes) -> None:
    """The recorded command, twice."""
    for title, expected in (
        ("The recorded start command is sent again", "INVALID_TOKEN_OR_COUNTER"),
        ("The car restarts, and the recording is sent once more", "INCORRECT_EPOCH"),
    ):
        with story.step(title) as step:
            if expected == "INCORRECT_EPOCH":
                story.car.reboot()
            fault = story.replay(recorded)
            story.expect("the fault", expected, fault)
            story.expect("the start relay", 0, story.car.pins()["start"])
            step.seen.append(f"refused: {fault}; start relay off")


def _others(story: Story, owner: Key) -> None:
    """A stranger, and a guest who comes and goes."""
    car = story.car
    with story.step("A stranger's phone tries to unlock it") as step:
        stranger = story.key("stranger")
        for deed in (Phone.unlock, story.guess):
            name = story.refused(stranger, deed)
            story.expect("the refusal", "UNKNOWN_KEY_ID", name)
            story.expect("the car to be locked", True, car.state()["locked"])
        step.seen.append(f"refused: {name}, with a handshake and without; still locked")
    guest = story.key("guest")
    with story.step("The owner shares the car with a second phone: no card, no server") as step:
        with story.phone(owner) as phone:
            phone.change_keys(messages.add_key(guest.public, "driver", "Second phone"))
        story.expect("the number of keys", 2, len(car.keys()))
        step.seen.append(f"key {guest.id} is a driver's")
    with story.step("The second phone unlocks it"):
        story.expect("the outcome", "DONE", story.refused(guest, Phone.unlock))
        story.expect("the car to be locked", False, car.state()["locked"])
    with story.step("The owner takes the second phone's key back") as step:
        with story.phone(owner) as phone:
            phone.change_keys(messages.remove_key(guest.public))
        left = car.keys()
        story.expect("the keychain", [owner.id], [key["key"] for key in left])
        name = story.refused(guest, Phone.start)
        story.expect("the refusal of its next command", "UNKNOWN_KEY_ID", name)
        step.seen.append(f"its next command is refused: {name}")


def _on_the_air(story: Story, owner: Key) -> None:
    """The same phone with no cable in between: it finds the car by its name, over real ATT packets."""
    with story.step("The owner comes back, and the phone finds the car over Bluetooth (a virtual radio)") as step:
        with BleConnection(VIN, f"{story.board.port}.radio", _ANSWER) as air:
            found = time.monotonic()
            Phone(air, VIN, owner).unlock()
            took = round((time.monotonic() - found) * 1000)
        story.expect("the car to be locked", False, story.car.state()["locked"])
        step.seen.append(f"{local_name(VIN)} unlocked {took} ms after the connection")


def _tap(story: Story, key: Key) -> None:
    approved = story.car.tap()["approved"]
    story.expect("the key that the card approves", key.id, approved)
