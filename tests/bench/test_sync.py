# SPDX-License-Identifier: Apache-2.0
"""A whole car fetches its roster by itself, from servers good and bad: phones are served meanwhile, nothing stays."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.radio.phone_side import BleConnection
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import settle
from tests.bench.roster_server import ADDRESS, PARCELS, RosterServer, asking, ended, file, poll, provisioned, wait
from tests.bench.support import VIN, new_phone, tap

pytestmark = pytest.mark.skipif("config.getoption('--port')", reason="a real board has no server to ask")

COMMANDS = 20


@pytest.fixture(scope="module")
def server() -> Iterator[RosterServer]:
    with RosterServer(file()) as server:
        yield server


@pytest.fixture(scope="module")
def board(server: RosterServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    with asking(tmp_path_factory.mktemp("sync") / "flash.img", server.url) as board:
        yield board


@pytest.fixture(scope="module")
def car(board: SimulatedBoard) -> Iterator[Bench]:
    with Bench.open(board.port, 30) as car:
        provisioned(car)
        yield car


@pytest.fixture(scope="module")
def owner(car: Bench) -> Phone:
    return new_phone(car, "owner")


def test_a_roster_is_fetched_and_what_has_not_changed_writes_nothing(
    board: SimulatedBoard, car: Bench, server: RosterServer
) -> None:
    server.answer = file()
    assert poll(board, car) == "fetched"
    for parcel in PARCELS:
        assert f"parcel {len(parcel)} {parcel[0]}" in board.text
    name = ADDRESS.hex()
    assert server.requests[-1].startswith(f"GET /fleet/{name[:2]}/{name} HTTP/1.1\r\n".encode())
    assert poll(board, car) == "no change"  # and what the log had kept back until now is written
    before = settle(car)
    car.clock(3600)  # the time is written once an hour, whoever polls, and a poll is days later
    wait(board, lambda: car.request("flash_ops")["count"] > before, "the time was not written")
    hour = settle(car) - before
    before = settle(car)
    for count in range(1, 4):
        assert poll(board, car) == "no change"
        wait(board, lambda: settle(car) >= before + count * hour, "the time was not written")  # noqa: B023 - at once
        assert settle(car) == before + count * hour, "a poll without a change has written something"


def test_phones_are_served_while_a_server_trickles(
    board: SimulatedBoard, car: Bench, owner: Phone, server: RosterServer
) -> None:
    def trickle(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n\x03\xc0")
        while True:
            connection.sendall(b"\x00")
            time.sleep(0.01)  # how slow it is, and nothing that is waited for

    server.answer = trickle
    before = ended(board)
    car.clock(5 * 86_400)
    wait(board, lambda: server.busy, "it was not asked")
    for _ in range(COMMANDS):
        owner.unlock()
        owner.lock()
    assert server.busy and ended(board) == before, "the poll was over before the commands were"
    wait(board, lambda: ended(board) > before, "it trickled for ever")
    assert car.info()["sync"].startswith(("TimeoutError", "no roster", "cut off"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n<!DOCTYPE html><html>Welcome to CafeNet", "no roster"),
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\n\r\n", "HTTP 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "too long"),
        (b"", "cut off"),
    ],
)
def test_whatever_a_server_does_the_car_keeps_its_keys_and_says_why(
    board: SimulatedBoard, car: Bench, owner: Phone, server: RosterServer, answer: bytes, told: str
) -> None:
    server.answer = lambda connection, request: connection.sendall(answer)
    keys = car.keys()
    assert poll(board, car).startswith(told)
    assert car.keys() == keys
    owner.wake()


def test_500_for_weeks_is_told_once(board: SimulatedBoard, car: Bench, owner: Phone, server: RosterServer) -> None:
    server.answer = file()
    assert poll(board, car) in ("fetched", "no change")
    server.answer = lambda connection, request: connection.sendall(b"HTTP/1.1 500 Oops\r\n\r\n")
    since = len(car.events)
    for tries in range(1, 5):
        assert poll(board, car) == ("HTTP 500" if tries == 1 else f"HTTP 500, {tries} failures in a row")
    assert [event["why"] for event in car.events[since:] if event["event"] == "sync"] == ["HTTP 500"]
    owner.wake()


def test_a_network_that_is_gone_is_no_failure_and_comes_back(
    board: SimulatedBoard, car: Bench, server: RosterServer
) -> None:
    server.answer = file()
    asked = len(server.requests)
    car.network(False)
    assert poll(board, car).startswith("no Wi-Fi")
    assert len(server.requests) == asked
    car.network(True)
    assert poll(board, car) in ("fetched", "no change")


def test_a_certificate_is_not_looked_at(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else")])
    now = datetime.datetime.now(datetime.UTC)
    expired = now - datetime.timedelta(days=1)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - datetime.timedelta(days=2)).not_valid_after(expired)
    pem = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    with (
        RosterServer(file(), tls) as server,
        asking(tmp_path / "flash.img", server.url) as board,
        Bench.open(board.port, 30) as car,
    ):
        provisioned(car)
        assert poll(board, car) == "fetched"
        with car.connect() as connection:
            Phone(connection, VIN, keyfile.generate()).status()
            assert poll(board, car) == "not while the car is used"


# An ESP32 with room for one radio: 53 KB while BLE is on, more when it is off.
ONE_RADIO = """
def idf_heap_info(kind):
    from aioble.core import ble
    return [(200000, 150000, 54272 if ble.active() else {without} * 1024, 0)]

esp32.HEAP_DATA, esp32.idf_heap_info = 4, idf_heap_info
"""


@pytest.mark.parametrize(("without", "told"), [(90, "fetched"), (58, "couriers only: 58 KB free, Wi-Fi needs 60")])
def test_where_both_radios_do_not_fit_ble_makes_room_and_comes_back(tmp_path: Path, without: int, told: str) -> None:
    with (
        RosterServer(file()) as server,
        asking(tmp_path / "flash.img", server.url, ONE_RADIO.format(without=without), "virtual") as board,
        Bench.open(board.port, 30) as car,
    ):
        provisioned(car, radio=True)
        wait(board, lambda: car.info()["radio"] == "on", "no radio")
        with car.connect() as serial:
            owner = Phone(serial, VIN, keyfile.generate())
            pair(owner, "owner", on_wait=lambda: tap(car, owner))
            assert poll(board, car) == "not while the car is used"
        since = len(car.events)
        assert poll(board, car) == told
        radio = [event["why"] for event in car.events[since:] if event["event"] == "radio"]
        assert radio == ["paused", ""]
        assert car.info()["radio"] == "on"
        assert board.air
        with contextlib.closing(BleConnection(VIN, board.air)) as connection:
            owner.connection = connection
            owner.unlock()
