# SPDX-License-Identifier: Apache-2.0
"""What the tests of a whole car share: people, forged messages, and the proof that a refusal changed nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain import decode
from host_tools.phone import keyfile, messages, session
from host_tools.phone.client import Phone
from host_tools.phone.contact import Connection
from host_tools.phone.pairing import pair
from host_tools.phone.refusals import message_fault
from host_tools.serial.bench import Bench, VehicleConnection
from host_tools.serial.wire import Restarted
from host_tools.sim.board import SimulatedBoard

VIN = "5YJ30123456789ABC"
ANSWER = 5.0

ADDRESS, UUID = b"\x07" * 16, b"\x17" * 16  # of forged messages
Property = Callable[[str, object], None]  # pytest's record_property
Command = vcsec.UnsignedMessage


_VISITORS: list[VehicleConnection] = []


@dataclass
class RealBoard:
    """A board on a serial port."""

    port: str


AnyBoard = RealBoard | SimulatedBoard

_LEAST_PATIENCE = 30.0


def provision(port: str) -> Bench:
    """The board as a new car without keys; then its restarts are known, and no later one is waited for much longer."""
    car = Bench.open(port, Bench.restart_timeout)
    try:
        try:
            _make_new(car)
        except Restarted:  # it was about to when it was reached: the test before has failed over that
            _make_new(car)
    except BaseException:
        car.close()
        raise
    return car


def _make_new(car: Bench) -> None:
    car.info()  # so that the boot whose end is waited for is the one that runs now
    began = time.monotonic()
    car.provision(VIN, force=True)
    Bench.restart_timeout = max(_LEAST_PATIENCE, 3 * (time.monotonic() - began))


class Station:
    """A car, and a phone that owns it: made when they are first asked for, and anew when that or a test has failed."""

    def __init__(self, port: str) -> None:
        self.doubtful = False
        """Whether nobody knows what state the car is in."""
        self._port = port
        self._car: Bench | None = None
        self._owner: Phone | None = None

    @property
    def car(self) -> Bench:
        """The car. Waits for a board that restarts."""
        if self.doubtful:
            self.close()
        if self._car is None:
            self._car = provision(self._port)
        return self._car

    @property
    def owner(self) -> Phone:
        """The owner, whose connection is there."""
        car = self.car
        if self._owner is None:
            self._owner = new_phone(car, "owner", "Ann's phone")
        return self._owner

    def close(self) -> None:
        """Let go of both."""
        if self._car is not None:
            self._car.close()
        self._car = self._owner = None
        self.doubtful = False


def stranger(car: Bench, key: keyfile.Key | None = None, vin: str = VIN) -> Phone:
    """A phone that nobody has enrolled, on a connection of its own. It leaves when the car comes to rest."""
    connection = car.connect()
    _VISITORS.append(connection)
    return Phone(connection, vin, key or keyfile.generate())


def new_phone(
    car: Bench, role: str, label: str = "", by: Phone | None = None, impermanent: bool = False, vin: str = VIN
) -> Phone:
    """A phone with a new key: enrolled by that owner, or with a tap."""
    phone = stranger(car, vin=vin)
    if by is None:
        pair(phone, role, label, on_wait=lambda: tap(car, phone))
    else:
        by.change_keys(messages.add_key(phone.key.public, role, label, impermanent=impermanent))
    return phone


def rest(car: Bench, owner: Phone) -> None:
    """Brake up, doors shut, locked, and nobody there or enrolled but that owner."""
    for connection in _VISITORS:
        if connection is not owner.connection:
            connection.close()
    _VISITORS.clear()
    car.brake(False)
    state = car.state()
    if state["pending"] or state["collision"]:
        car.clock(31)
    closures: dict[str, str] = state["closures"]
    for name, position in closures.items():
        if position == "open":
            car.door(name, False)
    enrolled = car.keys()
    for key in enrolled:
        if key["key"] != owner.key.id:
            owner.change_keys(messages.remove_key(bytes.fromhex(key["public"])))
    owner.lock()


def snapshot(car: Bench) -> dict[str, Any]:
    """What no refused message may change."""
    return {"state": car.state(), "pins": car.pins(), "keys": car.keys()}


@contextlib.contextmanager
def nothing_changes(car: Bench, owner: Phone) -> Iterator[None]:
    """What happens inside changes nothing, and the owner's next command works without a correction."""
    before, corrections = snapshot(car), owner.resyncs
    yield
    assert snapshot(car) == before
    owner.wake()
    assert owner.resyncs == corrections, "the owner's session was put out of step"


def reboot(car: Bench, *phones: Phone) -> None:
    """Restart the car; these phones come up to it again."""
    car.reboot()
    for phone in phones:
        phone.connection = car.connect()


def ask(car: Bench, connection: Connection, message: bytes) -> decode.Decoded | None:
    """Send bytes as they are. The envelope that answers them at once, or None for silence.

    A car answers in the order it was asked, so nothing more can come once it has answered the bench.
    """
    connection.send(message)
    car.info()
    return answer(connection, 0)


def answer(connection: Connection, timeout: float = ANSWER) -> decode.Decoded | None:
    """The next envelope from the car; its broadcasts are passed over."""
    deadline = time.monotonic() + timeout
    while (data := connection.receive(max(0.0, deadline - time.monotonic()))) is not None:
        decoded = decode.decode(data)
        if decoded.kind != decode.BROADCAST:
            return decoded
    return None


def fault(reply: decode.Decoded | None) -> str:
    """The name of the fault that an answer carries."""
    if reply is None:
        return "silence"
    code = reply.envelope.signedMessageStatus.signed_message_fault
    return message_fault(code) if code else "no fault"


def forge(
    phone: Phone,
    command: Command | bytes,
    method: str = "gcm",
    *,
    ahead: int = 1,
    expires_at: int | None = None,
    change: Callable[[universal.RoutableMessage], None] | None = None,
    **session_fields: Any,
) -> universal.RoutableMessage:
    """A signed command with whatever in it is asked for. The phone's own session stays as it is.

    `ahead` is how far its counter is from the session's; `session_fields` (epoch, vin, key) replace those that are
    signed; `change` is made after signing.
    """
    current = phone.session or phone.handshake()
    forged = replace(current, counter=current.counter + ahead, **session_fields)
    message = messages.routable(None, ADDRESS, UUID)
    message.protobuf_message_as_bytes = command if isinstance(command, bytes) else command.SerializeToString()
    message.flags = messages.FLAG_ENCRYPT_RESPONSE
    signer = session.sign_hmac if method == "hmac" else session.sign_gcm
    until = forged.expires_at(time.time(), 5.0) if expires_at is None else expires_at
    signer(forged, phone.key.public, message, until)
    if change is not None:
        change(message)
    return message


def tell(car: Bench, phone: Phone, command: Command | bytes) -> vcsec.FromVCSECMessage | str:
    """Give a genuine command once, whatever is in it: the proven answer to it, or the fault in that answer."""
    phone.handshake()
    message = forge(phone, command)
    assert phone.session is not None
    phone.session.counter += 1
    reply = ask(car, phone.connection, message.SerializeToString())
    assert reply is not None
    request_hash = bytes([5]) + message.signature_data.AES_GCM_Personalized_data.tag
    proven = phone.read_answer(reply.envelope, request_hash, set())  # raises unless its tag is right
    return proven if fault(reply) == "no fault" and proven is not None else fault(reply)


def refusals(car: Bench, since: int) -> list[dict[str, Any]]:
    """The refusals among the car's events from that one on."""
    car.info()  # what the car said before it answered this has arrived
    return [event for event in car.events[since:] if event.get("event") == "refused"]


def tap(car: Bench, phone: Phone) -> None:
    """Tap the card as soon as the car waits for this phone."""
    assert car.tap_for(phone.key.id, 4 * ANSWER) == phone.key.id
