# SPDX-License-Identifier: Apache-2.0
"""The radio of one simulated board: a local socket for the board, a GATT server for the phones, in a thread.

The frames on the socket are those of boards/UNIX/radio/aioble/bluetooth.py. A board that restarts connects anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
import tempfile
import threading
from pathlib import Path
from typing import Self

from bumble import core, hci
from bumble.device import Device
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink

from host_tools.faults import LatchkeyError
from host_tools.radio.air import VirtualController, serve_air
from host_tools.radio.peripheral import Peripheral

_LOG = logging.getLogger(__name__)
_HEADER = struct.Struct("<BHHH")

VIRTUAL = "virtual"
CONNECTIONS = 4  # what the stack of a stock ESP32 build has room for


class RadioError(LatchkeyError):
    """There is no radio."""

    name = "NO_RADIO"
    exit_code = 2


class CarRadio:
    """`radio` is `virtual`, or a Bluetooth adapter as Bumble names them, for example `usb:0`."""

    trouble = 0
    """The error number with which the radio does not come up, when it does not."""

    def __init__(self, radio: str = VIRTUAL, connections: int = CONNECTIONS) -> None:
        self.radio = radio
        self.connections = connections
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None
        self._folder = contextlib.ExitStack()
        self._board: asyncio.StreamWriter | None = None

    @property
    def address(self) -> str | None:
        """Where other processes join the virtual radio, as Bumble names it. None on a real adapter."""
        return f"unix:{self._path / 'air'}" if self.radio == VIRTUAL else None

    def start(self) -> dict[str, str]:
        """Start, and return what the board's process needs in its environment."""
        self._path = Path(self._folder.enter_context(tempfile.TemporaryDirectory(prefix="latchkey-radio-")))
        self._thread = threading.Thread(target=self._run, name="radio", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._error:
            self.stop()
            raise RadioError(
                f"the radio {self.radio} does not work: {self._error}",
                "use --radio virtual, or see docs/hardware.md on adapters",
            ) from self._error
        return {"LATCHKEY_RADIO": str(self._path / "board")}

    def cut(self) -> None:
        """The radio dies. The board may switch it on again."""
        board = self._board
        if board is not None:
            self._loop.call_soon_threadsafe(board.close)

    def stop(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        self._folder.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # noqa: BLE001 - what it is, whoever called start() is told
            _LOG.debug("the radio ended", exc_info=error)
            self._error = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            device = await self._device(stack)
            peripheral = Peripheral(device, self._tell, timed=self.radio == VIRTUAL)
            stack.push_async_callback(peripheral.close)
            server = await asyncio.start_unix_server(
                lambda reader, writer: self._serve_board(peripheral, reader, writer), self._path / "board"
            )
            stack.callback(server.close)
            self._ready.set()
            await self._stop.wait()
            if self._board:
                self._board.close()
            while self._board:
                await asyncio.sleep(0.01)

    async def _device(self, stack: contextlib.AsyncExitStack) -> Device:
        address = hci.Address.generate_static_address()
        if self.radio == VIRTUAL:
            air = LocalLink()
            controller = VirtualController("car", air)
            device = Device(name="car", address=address, host=Host(controller, AsyncPipeSink(controller)))
            server = await serve_air(air, self._path / "air")
            stack.callback(server.close)
        else:
            transport = await open_transport(self.radio)
            stack.push_async_callback(transport.close)
            device = Device.with_hci("car", address, transport.source, transport.sink)
        await device.power_on()
        stack.push_async_callback(device.power_off)
        return device

    async def _serve_board(
        self, peripheral: Peripheral, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One life of the board. While another one is there, a second is turned away."""
        if self._board is not None:
            writer.close()
            return
        if self.trouble:
            writer.write(_HEADER.pack(ord("E"), self.trouble, 0, 0))
            writer.close()
            return
        self._board = writer
        writer.write(_HEADER.pack(ord("H"), self.connections, 0, 0))
        try:
            while True:
                what, conn, value, size = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                data = await reader.readexactly(size)
                try:
                    peripheral.order(bytes((what,)), conn, value, data)
                except core.BaseBumbleError as error:
                    _LOG.warning("the board asked for what the radio cannot do: %s", error)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            await peripheral.reset()
            self._board = None

    def _tell(self, what: bytes, conn: int, value: int, data: bytes) -> None:
        if self._board is not None and not self._board.is_closing():
            self._board.write(_HEADER.pack(what[0], conn, value, len(data)) + data)
