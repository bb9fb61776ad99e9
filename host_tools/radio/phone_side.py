# SPDX-License-Identifier: Apache-2.0
"""A phone's connection to a car over BLE: whole messages, as `VehicleConnection` carries them over a serial port.

Below it is the bleak library: on the system's own adapter, or on the one that `radio` names as Bumble does. The link
to a simulated car's radio, LINK.radio, is such a name too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.phone.inbox import Inbox
from host_tools.radio import frames
from host_tools.radio.adapter import Adapter

_UUID = "0000021{}-b2d1-43f0-9b88-960cebf8b91e"
SERVICE, WRITE, READ, VERSION = (_UUID.format(n) for n in (1, 2, 3, 4))


class NoBluetooth(LatchkeyError):
    """This computer's Bluetooth cannot be used, so that no car can be reached through it."""

    name = "NO_BLUETOOTH"
    exit_code = 3


def local_name(vin: str) -> str:
    """What a car calls itself on the air."""
    return f"S{hashlib.sha1(vin.encode()).hexdigest()[:16]}C"


class BleConnection:
    """Finds the car by its VIN, and connects."""

    def __init__(self, vin: str, radio: str | None = None, timeout: float = 10.0, mtu: int | None = 517) -> None:
        self.vin = vin
        self._timeout = timeout
        self._inbox = Inbox()
        self._assembler = frames.Assembler()
        if radio and Path(radio).is_socket():
            radio = f"unix:{Path(radio).resolve()}"
        self._adapter = Adapter(radio, mtu) if radio else None
        self._client: BleakClient | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ble", daemon=True)
        self._thread.start()
        try:
            self._wait(self._connect(), timeout)
        except BaseException:
            self.close()
            raise

    def send(self, message: bytes) -> None:
        """Deliver one message to the car."""
        self._wait(self._write(frames.encode(message)), self._timeout)

    def receive(self, timeout: float = 5.0) -> bytes | None:
        """The next message from the car, or None when none came in time."""
        return self._inbox.receive(timeout)

    def close(self) -> None:
        """Hang up."""
        if self._thread.is_alive():
            with contextlib.suppress(LatchkeyError):
                self._wait(self._disconnect(), self._timeout)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._inbox.ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, work: Coroutine[Any, Any, None], timeout: float) -> None:
        try:
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout), self._loop).result()
        except TimeoutError:
            raise NoAnswer(f"car {self.vin} does not answer over BLE", "go closer, or wake it") from None
        except (BleakError, OSError) as error:
            if self._client is None:
                raise NoBluetooth(f"BLE does not work: {error}", "see docs/hardware.md on adapters") from error
            raise NoAnswer(f"the connection to car {self.vin} broke: {error}", "try again") from error

    async def _connect(self) -> None:
        scanner = BleakScanner(backend=self._adapter.scanner) if self._adapter else BleakScanner()
        name = local_name(self.vin)
        found = asyncio.get_running_loop().create_future()
        async with scanner:
            async for device, heard in scanner.advertisement_data():
                if name in (heard.local_name, device.name):
                    found.set_result(device)
                    break
        client = BleakClient(
            found.result(), self._lost, timeout=self._timeout, backend=self._adapter.client if self._adapter else None
        )
        await client.connect()
        self._client = client
        await client.start_notify(READ, self._heard)

    def _lost(self, _: BleakClient) -> None:
        self._inbox.put(None)

    def _heard(self, _: object, data: bytearray) -> None:
        try:
            for message in self._assembler.feed(bytes(data), time.monotonic()):
                self._inbox.put(message)
        except frames.TooLong:
            self._assembler = frames.Assembler()

    async def _write(self, frame: bytes) -> None:
        if self._client is None:
            raise BleakError("not connected")
        characteristic = self._client.services.get_characteristic(WRITE)
        if characteristic is None:
            raise BleakError("this is no car")
        size = characteristic.max_write_without_response_size
        for at in range(0, len(frame), size):
            await self._client.write_gatt_char(characteristic, frame[at : at + size], response=True)

    async def _disconnect(self) -> None:
        if self._client is not None:
            with contextlib.suppress(BleakError):
                await self._client.disconnect()
        if self._adapter is not None:
            await self._adapter.close()
