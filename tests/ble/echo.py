# SPDX-License-Identifier: Apache-2.0
"""The firmware's radio link with nothing behind it but an echo, on a virtual radio, and raw ATT phones for it."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, Self

from bumble import core, hci
from bumble.device import Connection, Device, Peer
from bumble.transport import open_transport

from host_tools.build.staging import staged
from host_tools.radio import frames
from host_tools.radio.car_side import CarRadio
from host_tools.radio.phone_side import READ, SERVICE, WRITE, local_name
from host_tools.sim.interpreter import find_micropython
from tests.bench.support import VIN

P = ParamSpec("P")
ROOT = Path(__file__).parents[2]

NAME = local_name(VIN)

# What the board runs. A message comes back as it is, but for a few that ask for something.
_PROGRAM = """
import asyncio, gc, sys, time
from latchkey.link.ble import BleLink

class Link(BleLink):
    closed = 0
    def _close(self, phone):
        self.closed += 1
        super()._close(phone)
class Router:
    def handle(self, phone, message):
        word = bytes(message)
        if word == b"authenticate":
            phone.authenticated_ms = time.ticks_ms()
        elif word.startswith(b"block "):
            asyncio.create_task(self.block(int(word[6:])))
        elif word.startswith(b"idle "):
            phone.authenticated_ms = time.ticks_add(time.ticks_ms(), -1000 * int(word[5:]))
        elif word == b"broadcast":
            for each in link.everybody():
                each.tell(b"news")
            return
        elif word.startswith(b"answers "):
            for i in range(int(word[8:])):
                phone.send(b"answer %d" % i)
            return
        elif word == b"heap":
            gc.collect()
            word = b"%d" % gc.mem_alloc()
        elif word == b"phones":
            word = b"%d %d" % (link.phones, link.closed)
        phone.send(word)
    async def block(self, ms):
        await asyncio.sleep_ms(20)
        time.sleep_ms(ms)

link = Link(Router().handle, "%s")
link.open()
asyncio.run(link.run())
"""


class EchoBoard:
    """One board and its radio. `connections` is how many the radio has room for."""

    def __init__(self, connections: int = 4) -> None:
        self._bridge = CarRadio(connections=connections)
        self._environment = {**os.environ, **self._bridge.start()}
        self._environment["MICROPYPATH"] = ":".join([*_path(), ".frozen"])
        self.air = self._bridge.address or ""
        self._closed = False
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [find_micropython(), "-X", "heapsize=160wK", "-c", _PROGRAM.replace("%s", VIN)],
            env=self._environment,
            cwd=ROOT,
        )

    def restart(self) -> None:
        """A reset: a new process, as on the simulated board."""
        self.process.kill()
        self.process.wait()
        self.start()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        alive = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        self._bridge.stop()
        if not alive:
            raise AssertionError("the board's program has ended")


def _path() -> list[str]:
    """With AIOBLE=FOLDER, the real aioble from there, over the stand-in's radio."""
    firmware, standin = staged(), ROOT / "boards" / "UNIX" / "radio"
    aioble = os.environ.get("AIOBLE")
    return [str(firmware), aioble, str(standin / "aioble")] if aioble else [str(firmware), str(standin)]


class AttPhone:
    """A phone that knows only ATT: what it writes goes out as it is."""

    def __init__(self, air: str, mtu: int | None = None) -> None:
        self._air = air
        self._mtu = mtu
        self.pieces: list[bytes] = []
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.handles: dict[str, int] = {}
        self.properties: dict[str, int] = {}
        self._address: hci.Address | None = None
        self._assembler = frames.Assembler()

    async def __aenter__(self) -> Self:
        self._transport = await open_transport(self._air)
        address = hci.Address.generate_static_address()
        self.device = Device.with_hci("phone", address, self._transport.source, self._transport.sink)
        await self.device.power_on()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def connect(self, subscribe: bool = True) -> Self:
        """Connect; from the second time on, as phones do, with what was learned the first time."""
        self.gone.clear()
        self._assembler = frames.Assembler()
        if self._address is None:
            self._address = await find(self.device)
        self.connection = await self.device.connect(self._address, timeout=10)
        self.connection.on(Connection.EVENT_DISCONNECTION, lambda _: self.gone.set())
        self.peer = Peer(self.connection)
        if self._mtu is not None:
            await self.peer.request_mtu(self._mtu)
        if not self.handles:
            service = (await self.peer.discover_service(SERVICE))[0]
            for characteristic in await self.peer.discover_characteristics(service=service):
                uuid = characteristic.uuid.to_hex_str("-").lower()
                self.handles[uuid] = characteristic.handle
                self.properties[uuid] = int(characteristic.properties)
                for descriptor in await self.peer.discover_descriptors(characteristic):
                    self.handles[f"{uuid} subscription"] = descriptor.handle
        if subscribe:
            await self.subscribe()
        return self

    async def subscribe(self) -> None:
        client = self.peer.gatt_client
        client.indication_subscribers.setdefault(self.handles[READ], set()).add(self._indicated)
        await client.write_value(self.handles[f"{READ} subscription"], b"\x02\x00", with_response=True)

    async def read(self, uuid: str) -> bytes:
        return bytes(await self.peer.gatt_client.read_value(self.handles[uuid]))

    async def hang_up(self) -> None:
        await self.connection.disconnect()

    def never_confirm(self) -> None:
        self.peer.gatt_client.send_confirmation = lambda confirmation: None  # type: ignore[method-assign]

    async def write(self, data: bytes, response: bool = True) -> None:
        await self.peer.gatt_client.write_value(self.handles[WRITE], data, with_response=response)

    async def send(self, message: bytes, size: int | None = None, response: bool = True, pause: float = 0) -> None:
        """One message, in writes of `size` bytes."""
        frame = frames.encode(message)
        size = size or min(self.connection.att_mtu - 3, 512)
        for at in range(0, len(frame), size):
            await self.write(frame[at : at + size], response)
            if pause:
                await asyncio.sleep(pause)

    async def receive(self, timeout: float = 5) -> bytes:
        async with asyncio.timeout(timeout):
            return await self.messages.get()

    async def ask(self, message: bytes, timeout: float = 5) -> bytes:
        await self.send(message)
        return await self.receive(timeout)

    async def silent(self, seconds: float) -> bool:
        try:
            await self.receive(seconds)
        except TimeoutError:
            return True
        return False

    def _indicated(self, data: bytes) -> None:
        self.pieces.append(data)
        for message in self._assembler.feed(data, time.monotonic()):
            self.messages.put_nowait(message)


async def find(device: Device) -> hci.Address:
    """The car's address, by its name."""
    found: asyncio.Future[hci.Address] = asyncio.get_running_loop().create_future()

    def heard(advertisement: Any) -> None:
        name = advertisement.data.get(core.AdvertisingData.Type.COMPLETE_LOCAL_NAME)
        if name == NAME and not found.done():
            found.set_result(advertisement.address)

    device.on(Device.EVENT_ADVERTISEMENT, heard)
    try:
        await device.start_scanning(legacy=True)
        return await asyncio.wait_for(found, 10)
    finally:
        device.remove_listener(Device.EVENT_ADVERTISEMENT, heard)
        await device.stop_scanning(legacy=True)


async def until(what: Callable[[], Awaitable[bool]], timeout: float = 10) -> None:
    """Ask again and again, until it is so."""
    async with asyncio.timeout(timeout):
        while not await what():
            await asyncio.sleep(0.02)


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run
