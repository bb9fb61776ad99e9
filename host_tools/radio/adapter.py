# SPDX-License-Identifier: Apache-2.0
"""A Bluetooth controller that Bumble drives, as an adapter of the bleak library.

`BleakScanner(backend=adapter.scanner)` and `BleakClient(device, backend=adapter.client)` then work on it as on an
adapter of the system: on the virtual radio of a simulated car, or on whatever else Bumble reaches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from bleak.args import SizedBuffer
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bumble import att, core, hci
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.transport import open_transport
from bumble.transport.common import Transport

_LOG = logging.getLogger(__name__)
_MTU = 517
_LONGEST = 512  # of a value
_PROPERTIES = {
    0x02: "read",
    0x04: "write-without-response",
    0x08: "write",
    0x10: "notify",
    0x20: "indicate",
}


class Adapter:
    """One phone's radio. It opens when it is first used, in the event loop that uses it, and has to be closed there.

    `mtu` is what the phone asks for; None asks for nothing, which leaves 23.
    """

    def __init__(self, transport: str, mtu: int | None = _MTU) -> None:
        self.transport = transport
        self.mtu = mtu
        self._opening = asyncio.Lock()
        self._open: tuple[Transport, Device] | None = None
        self.scanner: type[BaseBleakScanner] = type("BumbleScanner", (_Scanner,), {"adapter": self})
        self.client: type[BaseBleakClient] = type("BumbleClient", (_Client,), {"adapter": self})

    async def device(self) -> Device:
        """Bumble's own face of it, switched on."""
        async with self._opening:
            if self._open is None:
                try:
                    transport = await open_transport(self.transport)
                except Exception as error:
                    raise BleakError(f"there is no radio {self.transport}: {error}") from error
                address = hci.Address.generate_static_address()
                device = Device.with_hci("phone", address, transport.source, transport.sink)
                await device.power_on()
                self._open = transport, device
            return self._open[1]

    async def close(self) -> None:
        """Switch it off: connections end."""
        if self._open is not None:
            (transport, device), self._open = self._open, None
            for connection in list(device.connections.values()):
                try:
                    await connection.disconnect()
                except core.BaseBumbleError as error:
                    _LOG.debug("the car was gone already: %s", error)
            await transport.close()

    async def __aenter__(self) -> Adapter:
        await self.device()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _Scanner(BaseBleakScanner):
    adapter: Adapter

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "active",
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode != "passive"

    async def start(self) -> None:
        self.seen_devices = {}
        device = await self.adapter.device()
        device.on(Device.EVENT_ADVERTISEMENT, self._heard)
        await device.start_scanning(legacy=True, active=self._active)

    async def stop(self) -> None:
        device = await self.adapter.device()
        device.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        await device.stop_scanning(legacy=True)

    def _heard(self, heard: Advertisement) -> None:
        fields = heard.data
        name = fields.get(core.AdvertisingData.Type.COMPLETE_LOCAL_NAME)
        uuids = [
            _full(uuid)
            for kind in core.AdvertisingData.Type
            if "SERVICE_CLASS_UUIDS" in kind.name
            for each in fields.get_all(kind)
            if isinstance(each, list)
            for uuid in each
            if isinstance(uuid, core.UUID)
        ]
        data = AdvertisementData(
            local_name=str(name) if name else None,
            manufacturer_data={},
            service_data={},
            service_uuids=uuids,
            tx_power=None,
            rssi=heard.rssi,
            platform_data=(heard,),
        )
        if not self.is_allowed_uuid(uuids):
            return
        address = heard.address.to_string(with_type_qualifier=False)
        device = self.create_or_update_device(address, address, data.local_name, heard.address, data)
        self.call_detection_callbacks(device, data)


class _Client(BaseBleakClient):
    adapter: Adapter

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        services: set[str] | None = None,
        *,
        disconnected_callback: Callable[[], None] | None,
        timeout: float,
        **_: Any,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        known = isinstance(address_or_ble_device, BLEDevice) and isinstance(address_or_ble_device.details, hci.Address)
        self._peer_address = address_or_ble_device.details if known else hci.Address(self.address)  # type: ignore[union-attr]
        self._name = address_or_ble_device.name if isinstance(address_or_ble_device, BLEDevice) else None
        self._wanted = services
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._listeners: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        return self._name or self.address

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        if self._connection is not None:
            raise BleakError("already connected")
        device = await self.adapter.device()
        try:
            connection = await device.connect(self._peer_address, timeout=kwargs.get("timeout", self._timeout))
        except core.TimeoutError:
            raise BleakDeviceNotFoundError(self.address, f"{self.name} was not found") from None
        except (core.BaseBumbleError, hci.HCI_Error) as error:
            raise BleakError(f"connecting failed: {error}") from error
        self._connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._ended(connection))
        self._peer = Peer(connection)
        try:
            if self.adapter.mtu is not None:
                await self._peer.request_mtu(self.adapter.mtu)
            await self._discover(self._peer)
        except (core.BaseBumbleError, asyncio.CancelledError, TimeoutError) as error:
            if self._connection is None:
                raise BleakError("disconnected while connecting") from error
            await self.disconnect()
            raise

    async def disconnect(self) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            await connection.disconnect()
        except (core.BaseBumbleError, hci.HCI_Error) as error:
            _LOG.debug("the other side was gone already: %s", error)
        self._ended(connection)

    def _ended(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = self._peer = None
            self._listeners.clear()
            if self._disconnected_callback:
                self._disconnected_callback()

    async def _discover(self, peer: Peer) -> None:
        found = BleakGATTServiceCollection()
        for service in await peer.discover_services():
            uuid = _full(service.uuid)
            if self._wanted and uuid not in self._wanted:
                continue
            listed = BleakGATTService(service, service.handle, uuid)
            found.add_service(listed)
            for each in await peer.discover_characteristics(service=service):
                characteristic = BleakGATTCharacteristic(
                    each,
                    each.handle,
                    _full(each.uuid),
                    [name for bit, name in _PROPERTIES.items() if each.properties & bit],  # type: ignore[misc]
                    lambda: min(self.mtu_size - 3, _LONGEST),
                    listed,
                )
                found.add_characteristic(characteristic)
                for descriptor in await peer.discover_descriptors(each):
                    found.add_descriptor(
                        BleakGATTDescriptor(descriptor, descriptor.handle, _full(descriptor.type), characteristic)
                    )
        self.services = found

    def _gatt(self) -> Peer:
        if self._peer is None:
            raise BleakError("not connected")
        return self._peer

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("a car of this kind has no Bluetooth pairing")

    async def unpair(self) -> None:
        raise NotImplementedError("a car of this kind has no Bluetooth pairing")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        return bytearray(await self._ask(self._gatt().gatt_client.read_value(characteristic.handle)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **_: Any
    ) -> bytearray:
        return bytearray(await self._ask(self._gatt().gatt_client.read_value(descriptor.handle)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        """With a response, a value of any length that fits an attribute; without, only what fits one packet."""
        if not response and len(data) > min(self.mtu_size - 3, _LONGEST):
            raise BleakError("too long for one write without response")
        client = self._gatt().gatt_client
        await self._ask(client.write_value(characteristic.handle, bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        await self._ask(self._gatt().gatt_client.write_value(descriptor.handle, bytes(data), with_response=True))

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any) -> None:
        def listener(value: bytes) -> None:
            callback(bytearray(value))

        proxy: CharacteristicProxy[bytes] = characteristic.obj
        await self._ask(self._gatt().gatt_client.subscribe(proxy, listener))
        self._listeners[characteristic.handle] = listener

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        listener = self._listeners.pop(characteristic.handle, None)
        await self._ask(self._gatt().gatt_client.unsubscribe(characteristic.obj, listener, force=True))

    async def _ask(self, work: Any) -> Any:
        try:
            return await work
        except asyncio.CancelledError:
            if self._connection is None:  # Bumble cancels what waits for an answer that cannot come any more
                raise BleakError("disconnected") from None
            raise
        except (att.ATT_Error, core.BaseBumbleError, TimeoutError) as error:
            raise BleakError(f"GATT: {error}") from error


def _full(uuid: core.UUID) -> str:
    return str(core.UUID.from_bytes(uuid.to_bytes(force_128=True)).to_hex_str("-")).lower()
