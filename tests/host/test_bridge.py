# SPDX-License-Identifier: Apache-2.0
"""The bridge: phones over TCP, apart from each other, and hung up on when they break the rules."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from host_tools.faults import Misuse, NoAnswer
from host_tools.phone import keyfile
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from host_tools.radio import frames
from host_tools.serial import bridge as bridge_module
from host_tools.serial.bridge import MAX_CLIENTS, Bridge, parse_listen
from tests.host.car_model import VIN, CarModel, ModelConnection


class Phones:
    """Makes phone connections to a model of the car, and counts those that were hung up."""

    def __init__(self) -> None:
        self.car = CarModel()
        self.made: list[HangUp] = []
        self.refuse = False

    def __call__(self) -> HangUp:
        if self.refuse:
            raise NoAnswer
        self.made.append(HangUp(self.car))
        return self.made[-1]

    def wait_for(self, count: int) -> None:
        while len(self.made) < count:
            time.sleep(0.005)


class HangUp(ModelConnection):
    """A connection that knows when it was closed."""

    def __init__(self, car: CarModel) -> None:
        super().__init__(car)
        self.closed = threading.Event()
        self.gone = False

    def receive(self, timeout: float) -> bytes | None:
        if self.gone:
            raise NoAnswer("this phone connection has ended")
        return super().receive(min(timeout, 0.01))

    def close(self) -> None:
        self.closed.set()


class Clock:
    """Stands still but for what somebody adds."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Client:
    """A client library's end of the TCP connection."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=5)
        self.assembler = frames.Assembler()

    def send(self, message: bytes) -> None:
        self.socket.sendall(frames.encode(message))

    def receive(self, timeout: float) -> bytes | None:
        self.socket.settimeout(timeout)
        with contextlib.suppress(TimeoutError):
            while data := self.socket.recv(4096):
                for message in self.assembler.feed(data, 0.0):
                    return message
        return None

    def ended(self) -> bool:
        self.socket.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            return self.socket.recv(1) == b""
        return True


@pytest.fixture
def phones() -> Phones:
    return Phones()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def bridge(phones: Phones, said: list[str]) -> Iterator[Bridge]:
    bridge = Bridge(phones, ("127.0.0.1", 0), said.append)
    thread = threading.Thread(target=bridge.run)
    thread.start()
    yield bridge
    bridge.close()
    thread.join(5)
    assert not thread.is_alive()


def test_a_phone_works_over_tcp_as_over_any_link(bridge: Bridge, phones: Phones) -> None:
    key = keyfile.generate()
    phones.car.enrol(key.public)
    Phone(Client(bridge.address), VIN, key, SessionCache()).unlock()
    assert phones.car.done == ["UNLOCK"]


def test_each_client_has_a_connection_of_its_own(bridge: Bridge, phones: Phones) -> None:
    keys = [keyfile.generate() for _ in range(3)]
    for key in keys:
        phones.car.enrol(key.public)
    clients = [Phone(Client(bridge.address), VIN, key, SessionCache()) for key in keys]
    for client in clients:
        client.handshake()
    for client in reversed(clients):
        client.unlock()
    assert len(phones.made) == 3
    assert all(len(made.sent) == 2 for made in phones.made)


def test_what_waits_while_the_car_takes_its_time_is_one_stream(
    bridge: Bridge, phones: Phones, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, sent, got = Clock(), threading.Event(), queue.SimpleQueue[bytes]()
    monkeypatch.setattr(bridge_module, "time", clock)

    def send(self: HangUp, message: bytes) -> None:
        assert sent.wait(5)
        clock.now += 10 * frames.GAP
        got.put(message)

    monkeypatch.setattr(HangUp, "send", send)
    messages = [bytes([number]) * 1000 for number in range(9)]  # more than is read at once
    Client(bridge.address).socket.sendall(b"".join(map(frames.encode, messages)))
    sent.set()
    assert [got.get(timeout=5) for _ in messages] == messages


def test_a_message_that_is_too_long_ends_the_connection_and_no_other(bridge: Bridge, phones: Phones) -> None:
    good, bad = Client(bridge.address), Client(bridge.address)
    bad.socket.sendall((1025).to_bytes(2, "big") + bytes(10))
    assert bad.ended()
    key = keyfile.generate()
    phones.car.enrol(key.public)
    Phone(good, VIN, key, SessionCache()).unlock()
    assert phones.car.done == ["UNLOCK"]


def test_a_client_that_hangs_up_frees_its_connection_and_is_told_of(
    bridge: Bridge, phones: Phones, said: list[str]
) -> None:
    client = Client(bridge.address)
    phones.wait_for(1)
    client.socket.close()
    assert phones.made[0].closed.wait(5)
    assert said[0].startswith("phone 1: connected from 127.0.0.1:")
    assert said[1].startswith("phone 1: gone")


def test_a_connection_that_the_car_ends_is_ended(bridge: Bridge, phones: Phones) -> None:
    client = Client(bridge.address)
    phones.wait_for(1)
    phones.made[0].gone = True
    assert client.ended()


def test_the_ninth_phone_is_turned_away_until_one_leaves(bridge: Bridge, phones: Phones, said: list[str]) -> None:
    clients = [Client(bridge.address) for _ in range(MAX_CLIENTS)]
    extra = Client(bridge.address)
    assert extra.ended()
    assert "turned away" in said[-1]
    phones.wait_for(MAX_CLIENTS)
    clients[0].socket.close()
    assert phones.made[0].closed.wait(5)
    key = keyfile.generate()
    phones.car.enrol(key.public)
    Phone(Client(bridge.address), VIN, key, SessionCache()).unlock()
    assert phones.car.done == ["UNLOCK"]


def test_a_car_that_cannot_be_reached_turns_the_phone_away(bridge: Bridge, phones: Phones) -> None:
    phones.refuse = True
    assert Client(bridge.address).ended()


@pytest.mark.parametrize("text", ["127.0.0.1:4242", "localhost:4242", ":4242", "4242"])
def test_this_machine_may_listen(text: str) -> None:
    assert parse_listen(text) == ("127.0.0.1", 4242)


def test_ipv6_loopback_may_listen() -> None:
    assert parse_listen("[::1]:4242") == ("::1", 4242)


@pytest.mark.parametrize("text", ["0.0.0.0:4242", "192.168.1.4:4242", "[::]:4242"])
def test_other_machines_need_the_explicit_flag(text: str) -> None:
    with pytest.raises(Misuse, match="other machines"):
        parse_listen(text)
    assert parse_listen(text, anywhere=True)[1] == 4242


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:x", "example.org:1", "127.0.0.1:70000", ""])
def test_nonsense_is_misuse(text: str) -> None:
    with pytest.raises(Misuse):
        parse_listen(text)


def test_a_taken_port_is_misuse(bridge: Bridge, phones: Phones) -> None:
    with pytest.raises(Misuse, match="cannot listen"):
        Bridge(phones, bridge.address)
