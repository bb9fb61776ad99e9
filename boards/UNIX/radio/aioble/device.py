# SPDX-License-Identifier: Apache-2.0
"""A phone that is connected, and the time-out that several of aioble's calls share."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DeviceDisconnectedError(Exception):
    """The phone went while something waited for it."""


class DeviceTimeout:
    """`with DeviceTimeout(None, ms)`: asyncio.TimeoutError after that time; without end if it is None."""

    def __init__(self, connection: "DeviceConnection | None", timeout_ms: int | None) -> None:
        self._ms = timeout_ms
        self._late = False
        self._task: Any = asyncio.current_task()  # type: ignore[no-untyped-call, unused-ignore]
        self._clock: Any = None

    async def _count(self) -> None:
        await asyncio.sleep_ms(self._ms or 0)
        self._late = True
        self._task.cancel()

    def __enter__(self) -> None:
        if self._ms:
            self._clock = asyncio.create_task(self._count())

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._late and kind is asyncio.CancelledError:
            raise asyncio.TimeoutError
        if self._clock is not None and not self._late:
            self._clock.cancel()


class Device:
    """Whose address it is."""

    def __init__(self, addr_type: int, addr: bytes) -> None:
        self.addr_type = addr_type
        self.addr = addr


class DeviceConnection:
    """Known by its handle until its task has seen the end of it."""

    _connected: "dict[int, DeviceConnection]" = {}

    def __init__(self, device: Device, handle: int) -> None:
        self.device = device
        self.mtu: int | None = None
        self._conn_handle: int | None = handle
        self._event = asyncio.ThreadSafeFlag()
        self._task: Any = None
        DeviceConnection._connected[handle] = self

    async def device_task(self) -> None:
        await self._event.wait()
        if self._conn_handle is not None:
            del DeviceConnection._connected[self._conn_handle]
            self._conn_handle = None

    def _run_task(self) -> None:
        self._task = asyncio.create_task(self.device_task())

    def is_connected(self) -> bool:
        return self._conn_handle is not None
