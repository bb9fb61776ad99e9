# SPDX-License-Identifier: Apache-2.0
"""Home Assistant's Tesla library, as PyPI has it, against the whole car over the virtual radio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from bleak.backends.device import BLEDevice
from cryptography.hazmat.primitives.asymmetric import ec
from tesla_fleet_api.const import Trunk
from tesla_fleet_api.exceptions import NotOnWhitelistFault, TeslaFleetMessageFaultUnknownKeyId
from tesla_fleet_api.tesla.bluetooth import TeslaBluetooth
from tesla_fleet_api.tesla.vehicle.bluetooth import VehicleBluetooth
from tesla_protocol.command.universal_message_pb2 import Destination, Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import (
    FromVCSECMessage,
    InformationRequestType,
    UnsignedMessage,
)

from host_tools.bench import Bench
from host_tools.phone import Phone, messages
from host_tools.phone.keyfile import public_bytes
from host_tools.radio.adapter import Adapter
from host_tools.sim import SimulatedBoard
from tests.bench.support import VIN, new_phone
from tests.ble.bleak_radio import point_bleak_at

Vehicle = VehicleBluetooth[TeslaBluetooth]
Use = Callable[[Vehicle], Awaitable[None]]
DONE = {"response": {"result": True, "reason": ""}}


@pytest.fixture(scope="module")
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    image = tmp_path_factory.mktemp("fleet") / "flash.img"
    interpreter = request.config.getoption("--micropython")
    with SimulatedBoard(image, vin=VIN, radio="virtual", micropython=interpreter) as board:
        yield board


@pytest.fixture(scope="module")
def car(board: SimulatedBoard) -> Iterator[Bench]:
    with Bench.open(board.port, timeout=30) as bench:
        yield bench


@pytest.fixture(scope="module")
def owner(car: Bench) -> Phone:
    return new_phone(car, "owner")


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def fleet(
    board: SimulatedBoard, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Use], None]:
    """Runs what it is given with the library's vehicle, found by its name."""

    def run(use: Use) -> None:
        asyncio.run(_with_vehicle(board, key, monkeypatch, use))

    return run


async def _with_vehicle(
    board: SimulatedBoard, key: ec.EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch, use: Use
) -> None:
    assert board.air
    async with Adapter(board.air) as adapter:
        point_bleak_at(adapter, monkeypatch)
        api = TeslaBluetooth()  # type: ignore[no-untyped-call]
        vehicle = api.vehicles.createBluetooth(VIN, key)
        device = await vehicle.find_vehicle()
        assert isinstance(device, BLEDevice)
        assert device.name == vehicle.ble_name
        try:
            await use(vehicle)
        finally:
            await vehicle.disconnect()


async def pair(vehicle: Vehicle, car: Bench) -> None:
    """The library waits for the card; a person brings it."""
    await vehicle.connect_if_needed()
    pairing = asyncio.create_task(vehicle.pair())
    async with asyncio.timeout(10):
        while car.tap()["approved"] is None:
            await asyncio.sleep(0.1)
    await pairing


def test_it_pairs_with_a_tap_and_drives_the_car(car: Bench, fleet: Callable[[Use], None]) -> None:
    async def use(vehicle: Vehicle) -> None:
        await pair(vehicle, car)
        assert await vehicle.door_unlock() == DONE
        assert car.state()["locked"] is False
        assert await vehicle.remote_start_drive() == DONE
        assert car.pins()["start"] == 1
        assert await vehicle.door_lock() == DONE
        assert car.state()["locked"] is True
        assert car.pins()["start"] == 0
        assert await vehicle.wake_up() == DONE  # type: ignore[no-untyped-call]
        assert car.state()["asleep"] is False
        for position in ("open", "closed"):
            assert await vehicle.actuate_trunk(Trunk.REAR) == DONE
            assert car.state()["closures"]["rear_trunk"] == position
        assert await vehicle.auto_secure_vehicle() == DONE

    fleet(use)


def test_it_reads_the_state_and_the_whitelist(car: Bench, fleet: Callable[[Use], None]) -> None:
    async def use(vehicle: Vehicle) -> None:
        await pair(vehicle, car)
        await vehicle.door_lock()
        assert (await vehicle.vehicle_state()).vehicleLockState == 1
        await vehicle.door_unlock()
        assert (await vehicle.vehicle_state()).vehicleLockState == 0
        await vehicle.door_lock()
        whitelist = (
            await ask(vehicle, InformationRequestType.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO)
        ).whitelistInfo
        enrolled = car.keys()
        assert whitelist.numberOfEntries == len(enrolled)
        listed = {each.publicKeySHA1.hex() for each in whitelist.whitelistEntries}
        assert listed == {each["key"] for each in enrolled}
        assert await vehicle.query_version() is not None

    fleet(use)


async def ask(vehicle: Vehicle, question: int) -> FromVCSECMessage:
    """Over the library's own transport: it has no method that reads the whitelist."""
    request = UnsignedMessage()
    request.InformationRequest.informationRequestType = question  # type: ignore[assignment]
    message = RoutableMessage(
        to_destination=Destination(domain=Domain.DOMAIN_VEHICLE_SECURITY),
        from_destination=Destination(routing_address=vehicle._from_destination),
        protobuf_message_as_bytes=request.SerializeToString(),
        uuid=b"\x17" * 16,
    )
    reply = await vehicle._send(message, "protobuf_message_as_bytes")
    return FromVCSECMessage.FromString(reply.protobuf_message_as_bytes)


def test_it_is_refused_before_it_is_paired(car: Bench, owner: Phone, fleet: Callable[[Use], None]) -> None:
    async def use(vehicle: Vehicle) -> None:
        owner.lock()
        with pytest.raises(NotOnWhitelistFault):
            await vehicle.door_unlock()
        assert car.state()["locked"] is True

    fleet(use)


def test_it_is_refused_once_its_key_is_removed(
    car: Bench, owner: Phone, key: ec.EllipticCurvePrivateKey, fleet: Callable[[Use], None]
) -> None:
    async def use(vehicle: Vehicle) -> None:
        await pair(vehicle, car)
        assert await vehicle.door_lock() == DONE
        owner.change_keys(messages.remove_key(public_bytes(key.public_key())))
        with pytest.raises(TeslaFleetMessageFaultUnknownKeyId):
            await vehicle.door_unlock()
        assert car.state()["locked"] is True

    fleet(use)


def test_it_recovers_by_itself_after_the_car_reboots(car: Bench, fleet: Callable[[Use], None]) -> None:
    async def use(vehicle: Vehicle) -> None:
        await pair(vehicle, car)
        assert await vehicle.door_lock() == DONE
        await asyncio.to_thread(car.reboot)
        assert await vehicle.door_unlock() == DONE
        assert car.state()["locked"] is False
        assert await vehicle.door_lock() == DONE

    fleet(use)


def test_it_recovers_by_itself_after_its_session_was_evicted(car: Bench, fleet: Callable[[Use], None]) -> None:
    async def use(vehicle: Vehicle) -> None:
        await pair(vehicle, car)
        assert await vehicle.door_lock() == DONE
        car.request("evict")
        assert await vehicle.door_unlock() == DONE
        assert await vehicle.door_lock() == DONE

    fleet(use)
