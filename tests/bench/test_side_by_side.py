# SPDX-License-Identifier: Apache-2.0
"""Requests side by side on one connection: each has one answer, in order, however many there are."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest

from host_tools.explain import decode
from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.radio import frames
from host_tools.serial.bench import Bench, VehicleConnection
from host_tools.serial.bridge import Bridge

COUNTS = [1, 2, 5, 16, 64]


def requests(owner: Phone, count: int) -> dict[bytes, bytes]:
    """So many handshakes of a key that the car knows, by their uuids: the answers are longer than the requests."""
    uuids = [os.urandom(16) for _ in range(count)]
    return {uuid: messages.session_info_request(owner.key.public, b"", uuid).SerializeToString() for uuid in uuids}


def answered(message: bytes | None) -> bytes:
    """The uuid of the request that this answers."""
    assert message is not None, "an answer is missing"
    return bytes(decode.decode(message).envelope.request_uuid)


@pytest.fixture
def connection(car: Bench) -> Iterator[VehicleConnection]:
    with car.connect() as connection:
        yield connection


@pytest.mark.parametrize("count", COUNTS)
def test_every_request_on_a_serial_connection_has_its_answer(
    owner: Phone, connection: VehicleConnection, count: int
) -> None:
    asked = requests(owner, count)
    for message in asked.values():
        connection.send(message)
    assert [answered(connection.receive(10)) for _ in asked] == list(asked)
    assert connection.receive(0.2) is None


@pytest.mark.parametrize("count", COUNTS)
def test_every_request_of_threads_that_share_a_connection_has_its_answer(
    owner: Phone, connection: VehicleConnection, count: int
) -> None:
    asked = requests(owner, count)
    threads = [threading.Thread(target=connection.send, args=(message,)) for message in asked.values()]
    for thread in threads:
        thread.start()
    answers = [answered(connection.receive(10)) for _ in asked]
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(asked)
    assert connection.receive(0.2) is None


@pytest.mark.parametrize("connections", [2, 7])
def test_every_request_of_several_connections_has_its_answer(car: Bench, owner: Phone, connections: int) -> None:
    with contextlib.ExitStack() as stack:
        phones = [stack.enter_context(car.connect()) for _ in range(connections)]
        asked = [requests(owner, 64 // connections) for _ in phones]
        for messages_at_once in zip(*(each.values() for each in asked), strict=True):
            for phone, message in zip(phones, messages_at_once, strict=True):
                phone.send(message)
        for phone, mine in zip(phones, asked, strict=True):
            assert [answered(phone.receive(10)) for _ in mine] == list(mine)


@pytest.mark.parametrize("count", COUNTS)
def test_every_request_on_a_bridge_connection_has_its_answer(car: Bench, owner: Phone, count: int) -> None:
    bridge = Bridge(car.connect, ("127.0.0.1", 0))
    threading.Thread(target=bridge.run, daemon=True).start()
    asked = requests(owner, count)
    assembler = frames.Assembler()
    answers: list[bytes] = []
    try:
        with socket.create_connection(bridge.address) as client:
            client.settimeout(10)
            client.sendall(b"".join(frames.encode(message) for message in asked.values()))
            while len(answers) < count:
                data = client.recv(4096)
                assert data, "hung up"
                answers += [answered(message) for message in assembler.feed(data, 0.0)]
    finally:
        bridge.close()
    assert answers == list(asked)
