# SPDX-License-Identifier: Apache-2.0
"""The published client libraries, each behind the same few methods, so that one test is every library's.

Nothing of a library is changed: what stands between it and the car is the Bluetooth that it asks its host for. Each
phone has a radio of its own on the virtual air of a simulated car.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import bleak
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tesla_fleet_api.const import Trunk
from tesla_fleet_api.exceptions import NotOnWhitelistFault, TeslaFleetError
from tesla_fleet_api.tesla.bluetooth import TeslaBluetooth
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth

from host_tools.phone.keyfile import key_id, public_bytes
from host_tools.radio.adapter import Adapter
from host_tools.radio.phone_side import READ, WRITE, local_name
from host_tools.serial.bench import Bench
from tests.bench.support import VIN
from tests.ble.bleak_radio import point_bleak_at

Vehicle = VehicleBluetooth[TeslaBluetooth]
DONE = {"response": {"result": True, "reason": ""}}
GIVEN_UP = 30.0  # seconds after which a test does not wait for a library any more; the slowest gives up after five
_LOOP = 0.005  # seconds between two calls of tesla-ble's loop()
_LOCKED = 1  # VehicleLockState_E


class Failed(Exception):
    """What a library says when it gives a command up."""


class NotPaired(Failed):
    """The library says that its key is not known to the car."""


class Client(Protocol):
    """A library with a key of its own, connected to the car."""

    commands: frozenset[str]
    """What the library can ask for, by the names of this file."""

    @property
    def key(self) -> str:
        """The id of its key, as the car lists it."""

    async def pair(self) -> None:
        """Ask to be enrolled as an owner; returns when the library takes itself for paired."""

    async def do(self, command: str) -> None:
        """One command, through to what the library takes for its end. Raises Failed when that is not success."""

    async def locked(self) -> bool:
        """Whether the car is locked, as the library reads it."""


def succeeded(said: dict[str, Any]) -> bool:
    """Whether that is how tesla-fleet-api says yes: until 1.7 it returns the state that the car answered with."""
    return said == DONE or type(said["response"]).__name__ == "VehicleStatus"


Kept = dict[str, bytes]
"""What a library has its host keep: with the same, it comes back with the same key."""
Library = Callable[[str, pytest.MonkeyPatch, Kept], contextlib.AbstractAsyncContextManager[Client]]
"""Connects a library to the car: its radio's air, what undoes the pointing of bleak at it, and what it has kept."""


async def pair(client: Client, car: Bench) -> None:
    """The library waits for the card; a person brings it."""
    card = asyncio.create_task(asyncio.to_thread(car.tap_for, None, 60.0))
    await client.pair()
    await card


class FleetClient:
    """PyPI tesla-fleet-api: Home Assistant's Tesla library."""

    def __init__(self, vehicle: Vehicle, key: ec.EllipticCurvePrivateKey) -> None:
        self.vehicle = vehicle
        self.public = public_bytes(key.public_key())
        self._calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "lock": vehicle.door_lock,
            "unlock": vehicle.door_unlock,
            "wake": vehicle.wake_up,
            "start": vehicle.remote_start_drive,
            "secure": vehicle.auto_secure_vehicle,
            "open charge port": vehicle.charge_port_door_open,
            "close charge port": vehicle.charge_port_door_close,
            "move trunk": lambda: vehicle.actuate_trunk(Trunk.REAR),
            "honk": vehicle.honk_horn,
            "flash lights": vehicle.flash_lights,
        }
        self.commands = frozenset(self._calls)

    @property
    def key(self) -> str:
        return key_id(self.public)

    async def pair(self) -> None:
        await self.vehicle.connect_if_needed()
        await self.vehicle.pair()

    async def do(self, command: str) -> None:
        try:
            said = await self._calls[command]()
        except NotOnWhitelistFault as error:
            raise NotPaired(repr(error)) from error
        except TeslaFleetError as error:
            raise Failed(repr(error)) from error
        if not succeeded(said):
            raise Failed(str(said))

    async def locked(self) -> bool:
        return (await self.vehicle.vehicle_state()).vehicleLockState == _LOCKED


@contextlib.asynccontextmanager
async def fleet(air: str, monkeypatch: pytest.MonkeyPatch, kept: Kept) -> AsyncIterator[FleetClient]:
    """The library finds the car by its name, on bleak's own scanner."""
    async with Adapter(air) as adapter:
        point_bleak_at(adapter, monkeypatch)
        if not kept:
            private = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
            kept["private_key"] = private.to_bytes(32, "big")
        key = ec.derive_private_key(int.from_bytes(kept["private_key"], "big"), ec.SECP256R1())
        vehicle = TeslaBluetooth().vehicles.createBluetooth(VIN, key)  # type: ignore[no-untyped-call]
        # What an answer is still missing for must be no success: the newest releases take it for one unless told so.
        vars(vehicle)["raise_unconfirmed"] = True
        await vehicle.find_vehicle()
        try:
            yield FleetClient(vehicle, key)
        finally:
            await vehicle.disconnect()


class BleClient:
    """PyPI tesla-ble: the C++ library of the ESPHome component and of a Home Assistant integration."""

    commands = frozenset({
        "lock",
        "unlock",
        "wake",
        "open charge port",
        "close charge port",
        "open trunk",
        "close trunk",
        "honk",
        "flash lights",
        "release charge cable",
    })  # fmt: skip

    def __init__(self, library: Any, client: bleak.BleakClient, kept: Kept) -> None:
        self._client = client
        self._written: asyncio.Queue[bytes] = asyncio.Queue()
        self._stored = kept
        self._status: asyncio.Future[dict[str, Any]] | None = None
        # The library's two hooks, made from its own classes: it calls what they override.
        bluetooth = type("Bluetooth", (library.BleAdapter,), {"write": lambda _, data: self._write(data)})
        storage = type(
            "Storage",
            (library.StorageAdapter,),
            {
                "load": lambda _, name: self._stored.get(name),
                "save": lambda _, name, data: self._stored.update({name: data}) is None,
                "remove": lambda _, name: self._stored.pop(name, None) is not None,
            },
        )
        self._held = bluetooth(), storage()
        self.vehicle = library.Vehicle(*self._held)
        self.vehicle.set_vin(VIN)
        self.vehicle.set_vehicle_status_callback(self._told)
        if not self.vehicle.has_private_key:
            self.vehicle.regenerate_key()

    def _write(self, data: bytes) -> bool:
        self._written.put_nowait(data)
        return True

    def _told(self, status: dict[str, Any]) -> None:
        if self._status is not None and not self._status.done():
            self._status.set_result(status)

    async def start(self) -> None:
        await self._client.start_notify(READ, lambda _, data: self.vehicle.on_rx_data(bytes(data)))
        self.vehicle.set_connected(True)

    async def run(self) -> None:
        """What a host of the library does: carry its writes to the car, and call its loop."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._carry())
            while True:
                self.vehicle.loop()
                await asyncio.sleep(_LOOP)

    async def _carry(self) -> None:
        while True:
            await self._client.write_gatt_char(WRITE, await self._written.get(), response=True)

    @property
    def key(self) -> str:
        private = load_pem_private_key(self._stored["private_key"].rstrip(b"\0"), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return key_id(public_bytes(private.public_key()))

    async def pair(self) -> None:
        await self._ended(self.vehicle.pair)

    async def do(self, command: str) -> None:
        name = {"honk": "honk_horn", "release charge cable": "unlock_charge_port"}.get(command)
        await self._ended(getattr(self.vehicle, name or command.replace(" ", "_")))

    async def _ended(self, call: Callable[..., None]) -> None:
        ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call(on_complete=ended.set_result)
        result = await asyncio.wait_for(ended, GIVEN_UP)
        if result.failure:
            raise (NotPaired if "paired" in result.error_message else Failed)(result.error_message)

    async def locked(self) -> bool:
        self._status = asyncio.get_running_loop().create_future()
        self.vehicle.vcsec_poll()
        status = await asyncio.wait_for(self._status, GIVEN_UP)
        return bool(status["locked"])


@contextlib.asynccontextmanager
async def tesla_ble(air: str, monkeypatch: pytest.MonkeyPatch, kept: Kept) -> AsyncIterator[BleClient]:
    """The host finds the car by the name that the library gives it."""
    library = pytest.importorskip("tesla_ble")
    async with Adapter(air) as adapter:
        name = library.get_vin_advertisement_name(VIN)
        assert name == local_name(VIN)
        device = await bleak.BleakScanner.find_device_by_name(name, timeout=5, backend=adapter.scanner)
        assert device is not None
        async with bleak.BleakClient(device, backend=adapter.client) as radio:
            client = BleClient(library, radio, kept)
            await client.start()
            running = asyncio.create_task(client.run())
            try:
                yield client
            finally:
                client.vehicle.clear_callbacks()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


NOT_HERE = frozenset({"honk", "flash lights"})
"""The commands for what an access module has not."""

LIBRARIES: dict[str, Library] = {"tesla-fleet-api": fleet, "tesla-ble": tesla_ble}
