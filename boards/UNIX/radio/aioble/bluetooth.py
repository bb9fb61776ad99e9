# SPDX-License-Identifier: Apache-2.0
"""The radio itself, as MicroPython's `bluetooth` offers it: here it is in another process (host_tools/radio).

A local socket, named by LATCHKEY_RADIO, carries frames: what, connection, value handle, length, each little-endian,
then the data. What comes from there is an interrupt: the handler is called between two steps of the tasks.
"""

import asyncio
import errno
import json
import os
import select
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_HEADER = "<BHHH"
_SIZE = 7
_BUFFER = 1024
_AF_UNIX = 1  # as the kernel numbers it

_CENTRAL_CONNECT = 1
_CENTRAL_DISCONNECT = 2
_GATTS_WRITE = 3
_GATTS_INDICATE_DONE = 20
_MTU_EXCHANGED = 21


class UUID:
    """A UUID from its text, its number (16 bits) or its bytes, the last first."""

    def __init__(self, value: int | str | bytes) -> None:
        if isinstance(value, int):
            value = struct.pack("<H", value)
        elif isinstance(value, str):
            value = bytes(reversed(bytes.fromhex(value.replace("-", ""))))
        self.data = value

    def __iter__(self) -> Iterator[int]:
        return iter(self.data)  # so that bytes() takes it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UUID) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)


class BLE:
    """There is one radio: every BLE() is it."""

    _one: "BLE | None" = None

    def __new__(cls) -> "BLE":
        if cls._one is None:
            cls._one = super().__new__(cls)
            cls._one._start()
        return cls._one

    def _start(self) -> None:
        self._socket: Any = None
        self._buffer = bytearray(_BUFFER)
        self._task: asyncio.Task[None] | None = None
        self._handler: Callable[[int, tuple[Any, ...]], Any] | None = None
        self._values: dict[int, bytes] = {}
        self._limits: dict[int, int] = {}
        self._connected: set[int] = set()
        self._room = 0  # connections that the radio has room for
        self._mtu = 256
        self._name = ""

    def active(self, on: bool | None = None) -> bool:
        if on and self._socket is None:
            self._open()
        elif on is False:
            self._gone()
        return self._socket is not None

    def irq(self, handler: Callable[[int, tuple[Any, ...]], Any]) -> None:
        self._handler = handler

    def config(self, *args: str, **kwargs: Any) -> Any:
        for name, value in kwargs.items():
            if name == "mtu":
                self._mtu = value
                self._send(b"M", value)
            elif name == "gap_name":
                self._name = value
                self._send(b"N", 0, 0, value.encode())
            else:
                raise ValueError("unknown config param")
        return {"mtu": self._mtu, "gap_name": self._name}[args[0]] if args else None

    def gap_advertise(
        self,
        interval_us: int | None,
        adv_data: bytes | None = None,
        *,
        resp_data: bytes | None = None,
        connectable: bool = True,
    ) -> None:
        if interval_us is None:
            self._send(b"S")
            return
        if connectable and len(self._connected) >= self._room:
            raise OSError(errno.ENOMEM)
        packets = (adv_data or b"", resp_data or b"")
        self._send(b"A", connectable, interval_us // 1000, bytes((len(packets[0]),)) + packets[0] + packets[1])

    def gap_disconnect(self, conn_handle: int) -> bool:
        if conn_handle not in self._connected:
            return False
        self._send(b"D", conn_handle)
        return True

    def gatts_register_services(self, services_definition: tuple[Any, ...]) -> tuple[tuple[int, ...], ...]:
        number = 1
        handles: list[tuple[int, ...]] = []
        told = []
        for uuid, characteristics in services_definition:
            group = []
            listed = []
            for kind, flags in characteristics:
                number += 3
                group.append(number)
                listed.append((_text(kind), flags, number))
                self._values[number] = b""
                self._limits[number] = 20
            handles.append(tuple(group))
            told.append((_text(uuid), listed))
        self._send(b"G", 0, 0, json.dumps(told).encode())
        return tuple(handles)

    def gatts_read(self, value_handle: int) -> bytes:
        return self._values[value_handle]

    def gatts_write(self, value_handle: int, data: bytes, send_update: bool = False) -> None:
        self._values[value_handle] = bytes(data)
        self._limits[value_handle] = max(len(data), self._limits[value_handle])
        self._send(b"U" if send_update else b"V", 0, value_handle, data)

    def gatts_set_buffer(self, value_handle: int, len: int, append: bool = False) -> None:
        self._limits[value_handle] = len

    def gatts_indicate(self, conn_handle: int, value_handle: int, data: bytes | memoryview) -> None:
        """Whether the phone has subscribed or not: so does the stack of a board."""
        if conn_handle not in self._connected:
            raise OSError(errno.ENOTCONN)
        self._send(b"I", conn_handle, value_handle, data)

    def _open(self) -> None:
        path = os.getenv("LATCHKEY_RADIO")
        if not path:
            raise OSError(errno.ENODEV)
        self._socket = socket.socket(_AF_UNIX)
        try:
            self._socket.connect(struct.pack("<H", _AF_UNIX) + path.encode() + b"\0")
            what, self._room = struct.unpack(_HEADER, self._socket.read(_SIZE))[:2]
            if what != 0x48:  # H
                raise OSError(self._room)
        except (OSError, ValueError) as error:
            self._socket.close()
            self._socket = None
            raise error if isinstance(error, OSError) else OSError(errno.ENODEV)
        self._socket.setblocking(False)
        self._task = asyncio.create_task(self._listen())

    def _gone(self) -> None:
        """Switched off, or out of order."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._connected.clear()

    def _send(self, what: bytes, conn: int = 0, value: int = 0, data: bytes | memoryview = b"") -> None:
        if self._socket is None:
            raise OSError(errno.ENODEV)
        out = struct.pack(_HEADER, what[0], conn, value, len(data)) + data
        sent = 0
        while sent < len(out):
            try:
                count = self._socket.write(out[sent:])
            except OSError:
                raise OSError(errno.ENODEV)  # the other end has gone: _listen hears of it
            if count is None:
                wait = select.poll()
                wait.register(self._socket, select.POLLOUT)
                wait.poll()
            else:
                sent += count

    async def _listen(self) -> None:
        """Everything that has come is one burst of interrupts. A radio has its buffer, whatever the heap is like."""
        reader: Any = asyncio.StreamReader(self._socket)
        have = self._buffer
        fill = 0
        while self._socket is not None:
            count = await reader.readinto(memoryview(have)[fill:])
            if not count:
                self._task = None
                self._gone()
                return
            fill += count
            at = 0
            while fill - at >= _SIZE:
                what, conn, value, size = struct.unpack_from(_HEADER, have, at)
                if fill - at - _SIZE < size:
                    break
                at += _SIZE + size
                self._interrupt(what, conn, value, bytes(memoryview(have)[at - size : at]))
            have[: fill - at] = memoryview(have)[at:fill]
            fill -= at

    def _interrupt(self, what: int, conn: int, value: int, data: bytes) -> None:
        call = self._handler
        if call is None:
            return
        if what == 0x43:  # C
            self._connected.add(conn)
            call(_CENTRAL_CONNECT, (conn, data[0], data[1:]))
        elif what == 0x44:  # D
            self._connected.discard(conn)
            call(_CENTRAL_DISCONNECT, (conn, 0, b""))
        elif what == 0x57:  # W
            self._values[value] = data[: self._limits[value]]
            call(_GATTS_WRITE, (conn, value))
            self._send(b"K", conn)
        elif what == 0x4D:  # M
            call(_MTU_EXCHANGED, (conn, value))
        elif what == 0x49:  # I
            call(_GATTS_INDICATE_DONE, (conn, value, data[0]))


def _text(uuid: UUID) -> str:
    return bytes(reversed(uuid.data)).hex()
