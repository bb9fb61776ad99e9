# SPDX-License-Identifier: Apache-2.0
"""A GATT server that does what a board's `bluetooth` module would do, and reports what phones do.

Each phone has a queue of its own to the board, and a write is answered when the board has taken it, so a phone that
floods the air slows itself down and nobody else. On the virtual radio packets take the time that they would take.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from bumble import att, core, hci
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

_LOG = logging.getLogger(__name__)

_WINDOW = 16  # writes of one phone that the board has not taken yet
_FLOOD = 4096  # writes of one phone that wait here before it is thrown out
_FAREWELL = 2.0  # seconds
_CATCH_UP = 0.005  # seconds by which the simulated air may be late
_NOT_CONNECTED, _TIMED_OUT = 7, 13  # statuses, as the stack of a board numbers them

Tell = Callable[[bytes, int, int, bytes], None]


class _Link:
    """A connected phone."""

    def __init__(self, number: int, connection: Connection) -> None:
        self.number = number
        self.connection = connection
        self.waiting: deque[tuple[int, bytes, asyncio.Future[None]]] = deque()
        self.taken: deque[asyncio.Future[None]] = deque()
        self.tasks: set[asyncio.Task[None]] = set()


class Peripheral:
    """`tell(what, connection, value handle, data)` reaches the board; `order` is what comes from it."""

    def __init__(self, device: Device, tell: Tell, timed: bool) -> None:
        self._device = device
        self._timed = timed
        self._tell = tell
        self._links: dict[int, _Link] = {}
        self._last = 0  # number of a connection; none comes again before what was on its way to the one before is there
        self._values: dict[int, bytes] = {}
        self._characteristics: dict[int, Characteristic[bytes]] = {}
        self._declared = ""
        self._advertising: tuple[int, bytes, bytes] | None = None
        self._change = asyncio.Event()
        self._work = asyncio.Event()
        self._tasks = [asyncio.create_task(self._advertise()), asyncio.create_task(self._carry())]
        for task in self._tasks:
            task.add_done_callback(_report)
        device.on(Device.EVENT_CONNECTION, self._connected)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.reset()

    async def reset(self) -> None:
        """The board has gone: so has everything on the air that was its."""
        self._advertising = None
        self._change.set()
        going = [link.connection.disconnect() for link in self._links.values()]
        for outcome in await asyncio.gather(
            *(asyncio.wait_for(each, _FAREWELL) for each in going), return_exceptions=True
        ):
            if outcome:
                _LOG.debug("a phone was gone already: %r", outcome)

    def order(self, what: bytes, conn: int, value: int, data: bytes) -> None:
        """Do what the board asks for."""
        link = self._links.get(conn)
        if what == b"G":
            self._declare(data.decode())
        elif what == b"N":
            self._device.name = data.decode()
        elif what == b"M":
            self._device.gatt_server.max_mtu = conn
        elif what == b"A":
            split = 1 + data[0]
            self._advertising = (value, data[1:split], data[split:])
            self._change.set()
        elif what == b"S":
            self._advertising = None
            self._change.set()
        elif what == b"V":
            self._values[value] = data
        elif what == b"U":
            self._values[value] = data
            for each in self._links.values():
                cccd = self._device.gatt_server.read_cccd(each.connection, self._characteristics[value])
                if cccd[0] & 0x02:
                    self._indicate(each, value, data)
        elif what == b"I" and link:
            self._indicate(link, value, data)
        elif what == b"I":
            self._tell(b"I", conn, value, bytes((_NOT_CONNECTED,)))
        elif what == b"D" and link:
            self._spawn(link, link.connection.disconnect(hci.HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR))
        elif what == b"K" and link and link.taken:
            _settle(link.taken.popleft())
            self._work.set()

    def _declare(self, declared: str) -> None:
        if self._declared:
            if declared != self._declared:
                _LOG.error("the board declares other services than before: restart the radio")
            return
        self._declared = declared
        for service_uuid, characteristics in json.loads(declared):
            made = []
            for uuid, flags, handle in characteristics:
                read = flags & Characteristic.Properties.READ
                write = flags & (Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE)
                value: CharacteristicValue[bytes] = CharacteristicValue(self._reader(handle), self._writer(handle))
                allowed = Characteristic.Permissions(0)
                if read:
                    allowed |= Characteristic.Permissions.READABLE
                if write:
                    allowed |= Characteristic.Permissions.WRITEABLE
                properties = Characteristic.Properties(flags)
                characteristic: Characteristic[bytes] = Characteristic(core.UUID(uuid), properties, allowed, value)
                self._characteristics[handle] = characteristic
                made.append(characteristic)
            self._device.add_service(Service(core.UUID(service_uuid), made))

    def _reader(self, handle: int) -> Callable[[Connection], bytes]:
        return lambda _: self._values.get(handle, b"")

    def _writer(self, handle: int) -> Callable[[Connection, bytes], Any]:
        async def write(connection: Connection, data: bytes) -> None:
            link = next((each for each in self._links.values() if each.connection is connection), None)
            if link is None:
                return
            if len(link.waiting) >= _FLOOD:
                _LOG.warning("a phone writes faster than any radio: thrown out")
                self._spawn(link, link.connection.disconnect())
                raise att.ATT_Error(att.ErrorCode.INSUFFICIENT_RESOURCES)
            taken = asyncio.get_running_loop().create_future()
            link.waiting.append((handle, data, taken))
            self._work.set()
            await taken

        return write

    async def _carry(self) -> None:
        """Take writes to the board, one phone after another, each when the air is free."""
        now = asyncio.get_running_loop().time
        free = now()
        while True:
            await self._work.wait()
            self._work.clear()
            ready = True
            while ready:
                ready = False
                for link in list(self._links.values()):
                    if not link.waiting or len(link.taken) >= _WINDOW:
                        continue
                    ready = True
                    handle, data, taken = link.waiting.popleft()
                    link.taken.append(taken)
                    if self._timed:
                        await asyncio.sleep(max(0, free - now()))
                        free = max(free, now() - _CATCH_UP) + _air_time(len(data))
                    if self._links.get(link.number) is link:
                        self._tell(b"W", link.number, handle, data)

    def _connected(self, connection: Connection) -> None:
        self._last = conn = self._last % 0x0EFF + 1
        self._links[conn] = link = _Link(conn, connection)

        def mtu() -> None:
            self._tell(b"M", conn, connection.att_mtu, b"")

        def gone(_: int) -> None:
            del self._links[conn]
            for task in link.tasks:
                task.cancel()
            for taken in [*link.taken, *(each[2] for each in link.waiting)]:
                _settle(taken)
            link.waiting.clear()
            self._tell(b"D", conn, 0, b"")

        connection.on(Connection.EVENT_CONNECTION_ATT_MTU_UPDATE, mtu)
        connection.once(Connection.EVENT_DISCONNECTION, gone)
        self._advertising = None  # a connection ends advertising
        address = connection.peer_address
        self._tell(b"C", conn, 0, bytes((address.address_type & 1,)) + bytes(address))

    def _indicate(self, link: _Link, value: int, data: bytes) -> None:
        self._spawn(link, self._indicated(link, value, data))

    async def _indicated(self, link: _Link, value: int, data: bytes) -> None:
        """Whether the phone has subscribed or not: that is for the board to know."""
        try:
            server = self._device.gatt_server
            await server.indicate_subscriber(link.connection, self._characteristics[value], data, force=True)
            status = 0
        except TimeoutError:
            status = _TIMED_OUT
        self._tell(b"I", link.number, value, bytes((status,)))

    def _spawn(self, link: _Link, work: Any) -> None:
        task = asyncio.create_task(_quietly(work))
        link.tasks.add(task)
        task.add_done_callback(link.tasks.discard)
        task.add_done_callback(lambda _: work.close())  # a task that was cancelled before it began leaves it

    async def _advertise(self) -> None:
        """Bring the air to the state that was asked for last."""
        while True:
            await self._change.wait()
            self._change.clear()
            wanted = self._advertising
            try:
                if wanted is None:
                    await self._device.stop_advertising()
                else:
                    interval, data, answer = wanted
                    await self._device.start_advertising(
                        advertising_data=data,
                        scan_response_data=answer,
                        advertising_interval_min=interval,
                        advertising_interval_max=interval,
                    )
            except (core.BaseBumbleError, hci.HCI_Error) as error:
                _LOG.warning("advertising: %s", error)


def _air_time(size: int) -> float:
    """Seconds that a write of so many bytes takes at 1 Mbit/s, in packets of 251 bytes, each with its answer."""
    packets = (size + 7 + 250) // 251
    return (packets * 460 + 8 * (size + 7)) * 1e-6


async def _quietly(work: Any) -> None:
    try:
        await work
    except (core.BaseBumbleError, hci.HCI_Error) as error:
        _LOG.debug("a phone was gone already: %s", error)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception():
        _LOG.error("a part of the radio failed", exc_info=task.exception())


def _settle(taken: asyncio.Future[None]) -> None:
    if not taken.done():
        taken.set_result(None)
