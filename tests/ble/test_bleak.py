# SPDX-License-Identifier: Apache-2.0
"""bleak, as libraries use it, on the virtual radio."""

from __future__ import annotations

import asyncio
import os

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError

from host_tools.radio import frames
from host_tools.radio.adapter import Adapter
from host_tools.radio.phone_side import READ, SERVICE, VERSION, WRITE
from tests.ble.bleak_radio import point_bleak_at
from tests.ble.echo import NAME, EchoBoard, in_loop


class Told:
    """What a client is told, piece after piece. An empty piece is the car asking who has subscribed."""

    def __init__(self) -> None:
        self.data = b""

    def hear(self, _: object, data: bytearray) -> None:
        self.data += data

    async def wait_for(self, wanted: bytes) -> None:
        async with asyncio.timeout(5):
            while self.data != wanted:
                await asyncio.sleep(0.01)


@pytest.fixture
def adapter(board: EchoBoard, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    adapter = Adapter(board.air)
    point_bleak_at(adapter, monkeypatch)
    return adapter


@in_loop
async def test_a_scanner_finds_the_car_by_its_service_and_by_its_name(adapter: Adapter) -> None:
    async with adapter:
        by_name = await BleakScanner.find_device_by_name(NAME, timeout=5)
        assert by_name is not None
        found = await BleakScanner.find_device_by_filter(
            lambda device, data: data.local_name == NAME, timeout=5, service_uuids=[SERVICE]
        )
        assert found is not None
        assert found.address == by_name.address
        assert await BleakScanner.find_device_by_address(by_name.address, timeout=5) is not None


@in_loop
async def test_a_scanner_for_another_service_does_not_see_it(adapter: Adapter) -> None:
    async with adapter:
        assert await BleakScanner.discover(timeout=0.5, service_uuids=["0000180d-0000-1000-8000-00805f9b34fb"]) == []


@in_loop
async def test_a_client_reads_writes_and_is_told(adapter: Adapter) -> None:
    async with adapter:
        device = await BleakScanner.find_device_by_name(NAME, timeout=5)
        assert device is not None
        async with BleakClient(device) as client:
            assert client.mtu_size == 517
            assert [str(service.uuid) for service in client.services].count(SERVICE) == 1
            assert await client.read_gatt_char(VERSION)
            told = Told()
            await client.start_notify(READ, told.hear)
            frame = frames.encode(os.urandom(100))
            await client.write_gatt_char(WRITE, frame, response=True)
            await told.wait_for(frame)
            await client.stop_notify(READ)
        assert not client.is_connected


@in_loop
async def test_a_write_with_response_may_be_longer_than_a_packet(board: EchoBoard) -> None:
    async with Adapter(board.air, mtu=None) as adapter:
        device = await BleakScanner.find_device_by_name(NAME, timeout=5, backend=adapter.scanner)
        assert device is not None
        async with BleakClient(device, backend=adapter.client) as client:
            assert client.mtu_size == 23
            told = Told()
            await client.start_notify(READ, told.hear)
            frame = frames.encode(os.urandom(300))
            await client.write_gatt_char(WRITE, frame, response=True)
            with pytest.raises(BleakError, match="too long"):
                await client.write_gatt_char(WRITE, frame, response=False)
            await told.wait_for(frame)


@in_loop
async def test_a_client_learns_that_the_car_has_gone(adapter: Adapter, board: EchoBoard) -> None:
    async with adapter:
        device = await BleakScanner.find_device_by_name(NAME, timeout=5)
        assert device is not None
        gone = asyncio.Event()
        async with BleakClient(device, lambda _: gone.set()) as client:
            board.restart()
            await asyncio.wait_for(gone.wait(), 5)
            assert not client.is_connected
            with pytest.raises(BleakError):
                await client.write_gatt_char(WRITE, b"\x00", response=True)


@in_loop
async def test_connecting_to_a_car_that_is_not_there_is_given_up(adapter: Adapter) -> None:
    async with adapter:
        client = BleakClient("F0:F1:F2:F3:F4:F5", timeout=1)
        with pytest.raises(BleakDeviceNotFoundError):
            await client.connect()
        device = await BleakScanner.find_device_by_name(NAME, timeout=5)
        assert device is not None
        async with BleakClient(device) as other:
            assert other.is_connected
