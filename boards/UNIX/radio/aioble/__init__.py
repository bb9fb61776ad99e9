# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the part of aioble that the firmware uses, where the interpreter has no `bluetooth` module.

The names, arguments and manners are aioble's (docs/hardware.md has the version): a GATT server and advertising. Below
it, `bluetooth` talks to the virtual radio of `latchkey sim`. The firmware does not know.
"""

import asyncio

from . import bluetooth
from .core import config, register_irq_handler, stop
from .device import Device, DeviceConnection, DeviceTimeout
from .server import BufferedCharacteristic, Characteristic, Service, register_services

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "BufferedCharacteristic",
    "Characteristic",
    "Device",
    "DeviceConnection",
    "Service",
    "advertise",
    "config",
    "register_services",
    "stop",
]

_CENTRAL_CONNECT = 1
_CENTRAL_DISCONNECT = 2
_FLAGS = 0x01
_UUIDS_128 = 0x07
_NAME = 0x09
_ROOM = 31  # bytes in one packet

_arrived: list[DeviceConnection] = []
_arrival = asyncio.ThreadSafeFlag()


def _irq(event: int, data: tuple[Any, ...]) -> None:
    if event == _CENTRAL_CONNECT:
        handle, kind, address = data
        connection = DeviceConnection(Device(kind, address), handle)
        _arrived[:] = [connection]
        _arrival.set()
    elif event == _CENTRAL_DISCONNECT:
        gone = DeviceConnection._connected.get(data[0])
        if gone is not None:
            gone._event.set()


register_irq_handler(_irq, None)


async def advertise(
    interval_us: int,
    adv_data: bytes | None = None,
    resp_data: bytes | None = None,
    connectable: bool = True,
    limited_disc: bool = False,
    br_edr: bool = False,
    name: str | None = None,
    services: list[bluetooth.UUID] | None = None,
    appearance: int = 0,
    manufacturer: tuple[int, bytes] | None = None,
    timeout_ms: int | None = None,
) -> DeviceConnection | None:
    """Until a phone has connected: that ends advertising. What does not fit into the packet goes into its answer."""
    if adv_data is None and resp_data is None:
        packets = [bytearray(), bytearray()]
        fields = [(_FLAGS, bytes((0x06,)))]
        if services:
            fields.append((_UUIDS_128, b"".join(bytes(uuid) for uuid in services)))
        if name:
            fields.append((_NAME, name.encode()))
        for kind, value in fields:
            packet = packets[1] if packets[1] or len(packets[0]) + 2 + len(value) >= _ROOM else packets[0]
            if len(packet) + 2 + len(value) > _ROOM:
                raise ValueError("too long to advertise")
            packet.extend(bytes((len(value) + 1, kind)) + value)
        adv_data, resp_data = bytes(packets[0]), bytes(packets[1])
    ble = bluetooth.BLE()
    ble.gap_advertise(interval_us, adv_data, resp_data=resp_data, connectable=connectable)
    try:
        with DeviceTimeout(None, timeout_ms):
            await _arrival.wait()
    except asyncio.CancelledError:
        ble.gap_advertise(None)
        return None  # and does not tell, as aioble does not
    except asyncio.TimeoutError:
        ble.gap_advertise(None)
        raise
    connection = _arrived.pop()
    connection._run_task()
    return connection
