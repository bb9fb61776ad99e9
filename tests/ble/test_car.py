# SPDX-License-Identifier: Apache-2.0
"""The whole car over the virtual radio: commands, pairing, broadcasts, floods, and what is left after many phones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import time
from collections.abc import Iterator

import pytest
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.phone.pairing import pair
from host_tools.radio import frames
from host_tools.radio.phone_side import BleConnection
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from host_tools.sim.latency import measure
from tests.bench.support import ADDRESS, VIN, Property, forge, new_phone
from tests.ble.echo import AttPhone, in_loop

UNLOCK = vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_UNLOCK)
START = vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_REMOTE_DRIVE)
LOCK = vcsec.UnsignedMessage(RKEAction=vcsec.RKE_ACTION_LOCK)
COMMANDS = 200
CYCLES = 200


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    image = tmp_path_factory.mktemp("radio") / "flash.img"
    interpreter = request.config.getoption("--micropython")
    with SimulatedBoard(image, vin=VIN, radio="virtual", micropython=interpreter) as board:
        yield board


@pytest.fixture(scope="module")
def car(board: SimulatedBoard) -> Iterator[Bench]:
    with Bench.open(board.port, timeout=30) as bench:
        yield bench


@pytest.fixture(scope="module")
def owner(car: Bench) -> Phone:
    """On the serial port; its key serves on the radio too."""
    return new_phone(car, "owner")


@pytest.fixture
def air(board: SimulatedBoard) -> str:
    assert board.air
    return board.air


def signed(owner: Phone, command: vcsec.UnsignedMessage) -> bytes:
    """A command of the owner's, ready to be sent on any connection."""
    message = forge(owner, command)
    assert owner.session is not None
    owner.session.counter += 1
    return message.SerializeToString()


async def succeeded(phone: AttPhone) -> bool:
    """Whether the next answer is an encrypted one without a fault: only the car can have made it."""
    while True:
        answer = universal.RoutableMessage.FromString(await phone.receive())
        if answer.to_destination.routing_address == ADDRESS:  # and not a broadcast
            return answer.signature_data.HasField("AES_GCM_Response_data") and not answer.HasField(
                "signedMessageStatus"
            )


@pytest.mark.parametrize("mtu", [None, 517])
def test_a_phone_pairs_and_drives_over_the_radio(air: str, car: Bench, mtu: int | None) -> None:
    with contextlib.closing(BleConnection(VIN, air, mtu=mtu)) as connection:
        phone = Phone(connection, VIN, keyfile.generate())
        pair(phone, "driver", on_wait=lambda: car.tap_for(phone.key.id))
        phone.unlock()
        assert car.state()["locked"] is False
        phone.start()
        assert car.pins()["start"] == 1
        phone.lock()
        assert car.pins()["start"] == 0
        assert phone.status().vehicleLockState == vcsec.VEHICLELOCKSTATE_LOCKED


@in_loop
async def test_a_phone_that_asks_to_be_enrolled_need_not_wait_for_the_answer(air: str, car: Bench) -> None:
    """As the official client does: write, hang up, and let the person tap."""
    key = keyfile.generate()
    async with AttPhone(air) as phone:
        await phone.connect(subscribe=False)
        await phone.send(messages.present_key(messages.add_key(key.public, "driver")).SerializeToString())
        await phone.hang_up()
    await asyncio.to_thread(car.tap_for, key.id)
    await asyncio.to_thread(car.wait_event, "enrolled", key=key.id)


def test_a_subscribed_phone_hears_what_another_one_did(air: str, owner: Phone) -> None:
    with contextlib.closing(BleConnection(VIN, air)) as listener:
        owner.lock()
        Phone(listener, VIN, owner.key).status()
        owner.unlock()
        state = None
        while state != vcsec.VEHICLELOCKSTATE_UNLOCKED:  # the lock may be told still
            broadcast = universal.RoutableMessage.FromString(listener.receive(5) or b"")
            assert broadcast.to_destination.domain == universal.DOMAIN_BROADCAST
            heard = vcsec.FromVCSECMessage.FromString(broadcast.protobuf_message_as_bytes)
            assert heard.HasField("vehicleStatus")
            state = heard.vehicleStatus.vehicleLockState
    owner.lock()


@in_loop
async def test_a_flood_of_garbage_does_not_keep_the_driver_waiting(
    air: str, car: Bench, owner: Phone, record_property: Property
) -> None:
    async with AttPhone(air, 247) as driver, AttPhone(air, 247) as flood:
        await driver.connect()
        await flood.connect()
        stop = asyncio.Event()

        async def pour() -> None:
            while not stop.is_set() and not flood.gone.is_set():
                await flood.write(garbage(), response=False)
                await asyncio.sleep(0.001)  # more than the air can carry

        pouring = asyncio.create_task(pour())
        times = []
        for _ in range(20):
            for command in (START, LOCK):
                message = signed(owner, command)
                began = time.monotonic()
                await driver.send(message)
                assert await succeeded(driver)
                times.append(1000 * (time.monotonic() - began))
        assert not flood.gone.is_set()
        stop.set()
        await pouring
    record_property(
        "note", f"answer during a flood: median {statistics.median(times):.0f} ms, worst {max(times):.0f} ms"
    )
    assert statistics.quantiles(times, n=10)[-1] < 500  # nine in ten: this machine has other work too


def garbage() -> bytes:
    """Bytes that are no message, that are a message of nothing, and that are nearly one."""
    return [
        os.urandom(200),
        b"\x00\x02\x0a\x00" * 50,
        frames.encode(messages.routable(UNLOCK, os.urandom(16), os.urandom(16)).SerializeToString()),
    ][os.urandom(1)[0] % 3]


@in_loop
async def test_many_phones_that_come_command_and_go_take_no_heap(air: str, car: Bench, owner: Phone) -> None:
    async with AttPhone(air, 247) as phone:

        async def cycle(command: vcsec.UnsignedMessage) -> None:
            await phone.connect()
            await phone.send(signed(owner, command))
            assert await succeeded(phone)
            await phone.hang_up()

        for _ in range(5):
            await cycle(UNLOCK)
            await cycle(LOCK)
        before = car.heap()["alloc"]
        for _ in range(CYCLES // 2):
            await cycle(UNLOCK)
            await cycle(LOCK)
        after = car.heap()["alloc"]
    assert after - before < 1024


def test_a_start_is_timed(air: str, car: Bench, owner: Phone, record_property: Property) -> None:
    with contextlib.closing(BleConnection(VIN, air)) as connection:
        latency = measure(car, Phone(connection, VIN, owner.key), COMMANDS)
    record_property("note", str(latency))
    assert len(latency.edges) == len(latency.replies) == COMMANDS
