# SPDX-License-Identifier: Apache-2.0
"""Home Assistant's Tesla library, as PyPI has it, against the whole car over the virtual radio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from tesla_fleet_api.const import Trunk
from tesla_fleet_api.exceptions import NotOnWhitelistFault, TeslaFleetMessageFaultUnknownKeyId
from tesla_protocol.command.universal_message_pb2 import Destination, Domain, RoutableMessage
from tesla_protocol.command.vcsec_pb2 import FromVCSECMessage, InformationRequestType, UnsignedMessage

from host_tools.phone import messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.clients.libraries import FleetClient, Vehicle, fleet, pair, succeeded

Run = Callable[[Callable[[FleetClient], Awaitable[None]]], None]


@pytest.fixture
def library(air: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs what it is given with the library connected to the car, under a key of its own."""

    async def run(use: Callable[[FleetClient], Awaitable[None]]) -> None:
        async with fleet(air, monkeypatch, {}) as client:
            await use(client)

    return lambda use: asyncio.run(run(use))


def test_it_pairs_with_a_tap_and_drives_the_car(car: Bench, library: Run) -> None:
    async def use(client: FleetClient) -> None:
        vehicle = client.vehicle
        await pair(client, car)
        assert succeeded(await vehicle.door_unlock())
        assert car.state()["locked"] is False
        assert succeeded(await vehicle.remote_start_drive())
        assert car.pins()["start"] == 1
        assert succeeded(await vehicle.door_lock())
        assert car.state()["locked"] is True
        assert car.pins()["start"] == 0
        assert succeeded(await vehicle.wake_up())  # type: ignore[no-untyped-call]
        assert car.state()["asleep"] is False
        for position in ("open", "closed"):
            assert succeeded(await vehicle.actuate_trunk(Trunk.REAR))
            assert car.state()["closures"]["rear_trunk"] == position
        assert succeeded(await vehicle.auto_secure_vehicle())

    library(use)


def test_it_reads_the_state_and_the_whitelist(car: Bench, library: Run) -> None:
    async def use(client: FleetClient) -> None:
        vehicle = client.vehicle
        await pair(client, car)
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

    library(use)


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
    reply = await vehicle._send(cast("Any", message), "protobuf_message_as_bytes")
    return FromVCSECMessage.FromString(reply.protobuf_message_as_bytes)


def test_it_is_refused_before_it_is_paired(car: Bench, owner: Phone, library: Run) -> None:
    async def use(client: FleetClient) -> None:
        owner.lock()
        with pytest.raises(NotOnWhitelistFault):
            await client.vehicle.door_unlock()
        assert car.state()["locked"] is True

    library(use)


def test_it_is_refused_once_its_key_is_removed(car: Bench, owner: Phone, library: Run) -> None:
    async def use(client: FleetClient) -> None:
        vehicle = client.vehicle
        await pair(client, car)
        assert succeeded(await vehicle.door_lock())
        owner.change_keys(messages.remove_key(client.public))
        with pytest.raises(TeslaFleetMessageFaultUnknownKeyId):
            await vehicle.door_unlock()
        assert car.state()["locked"] is True

    library(use)


def test_it_recovers_by_itself_after_the_car_reboots(car: Bench, library: Run) -> None:
    async def use(client: FleetClient) -> None:
        vehicle = client.vehicle
        await pair(client, car)
        assert succeeded(await vehicle.door_lock())
        await asyncio.to_thread(car.reboot)
        assert succeeded(await vehicle.door_unlock())
        assert car.state()["locked"] is False
        assert succeeded(await vehicle.door_lock())

    library(use)


def test_it_recovers_by_itself_after_its_session_was_evicted(car: Bench, library: Run) -> None:
    async def use(client: FleetClient) -> None:
        vehicle = client.vehicle
        await pair(client, car)
        assert succeeded(await vehicle.door_lock())
        car.request("evict")
        assert succeeded(await vehicle.door_unlock())
        assert succeeded(await vehicle.door_lock())

    library(use)
