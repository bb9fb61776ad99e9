# SPDX-License-Identifier: Apache-2.0
"""Phones over BLE, on aioble: interrupts note what happened, one task does the work (docs/hardware.md).

Writes are read inside their interrupt, into a queue of their own phone, so that none is lost while the task is busy.
An interrupt never raises: that would end all interrupts of the radio.
"""

import asyncio
from hashlib import sha1
from time import ticks_ms

import aioble
from aioble.core import ble, bluetooth, register_irq_handler
from aioble.device import DeviceConnection
from micropython import const

from latchkey.link.blephone import Phone
from latchkey.link.frames import Assembler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.link.connection import Connection

_CONNECTED = const(1)
_DISCONNECTED = const(2)
_WRITTEN = const(3)
_INDICATED = const(20)
_MTU = const(21)

_UUID = "0000021%d-b2d1-43f0-9b88-960cebf8b91e"
_LARGEST_MTU = const(517)
_SLOTS = const(3)  # phones at once
_CROWD_MS = const(40000)  # where the stack has room for no more than that, who is idle for so long gives way
_TICK_MS = const(100)
_ADVERTISE_US = const(50_000)
_RENEW_MS = const(30_000)
_FAILURES = const(20)  # of advertising, in a row
_ENODEV = const(19)


class BleLink:
    """The GATT service of a car: `open` it, `run` it and `close` it, as often as it takes. They raise what the radio
    raises."""

    def __init__(self, handle: Callable[[Connection, memoryview], None], vin: str) -> None:
        self._handle = handle
        self._name = "S" + sha1(vin.encode()).digest()[:8].hex() + "C"
        self._flag = asyncio.ThreadSafeFlag()
        self._over = asyncio.Event()
        self._why: Any = None  # what ended a part
        self._open = False
        self._phones: list[Phone] = []  # grows in interrupts, shrinks in the task
        self._handles: dict[int, Phone] = {}  # interrupt
        self._assemblers = [Assembler() for _ in range(_SLOTS)]
        self._uuid = bluetooth.UUID(_UUID % 1)
        self.probed = False  # a probe was answered since boot: they work here
        register_irq_handler(self._irq, None)

    def open(self) -> None:
        """Switch the radio on."""
        service = aioble.Service(self._uuid)
        inbox = aioble.BufferedCharacteristic(
            service, bluetooth.UUID(_UUID % 2), write=True, write_no_response=True, max_len=_LARGEST_MTU - 3
        )
        self._outbox = aioble.Characteristic(service, bluetooth.UUID(_UUID % 3), read=True, indicate=True)
        aioble.Characteristic(service, bluetooth.UUID(_UUID % 4), read=True, initial=b"1")
        aioble.config(mtu=_LARGEST_MTU, gap_name=self._name)
        aioble.register_services(service)
        self._inbox: int = inbox._value_handle
        self.outbox: int = self._outbox._value_handle
        self._over.clear()
        self._why = None
        self._open = True

    @property
    def phones(self) -> int:
        """How many are connected."""
        return len(self._phones)

    async def run(self) -> None:
        """Serve until a part fails. Raises what ended it."""
        parts: list[asyncio.Task[None]] = []
        try:
            for part in (self._serve(), self._advertise(), self._tick()):
                parts.append(asyncio.create_task(self._guard(part)))
            await self._over.wait()
        finally:
            self._open = False  # aioble's advertise() keeps to itself that it was cancelled
            for task in parts:
                task.cancel()
        raise self._why or OSError(_ENODEV)

    def end(self) -> None:
        """Have `run` end."""
        self._over.set()

    async def _guard(self, part: Any) -> None:
        try:
            await part
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever it is, it ends all parts
            self._why = self._why or error
        self._over.set()

    def close(self) -> None:
        """Switch the radio off: everybody is gone."""
        self._open = False
        self._handles.clear()
        while self._phones:
            self._close(self._phones.pop())
        try:
            aioble.stop()
        except OSError as error:
            print("radio:", error)

    def everybody(self) -> list[Phone]:
        """The phones that are connected."""
        return self._phones

    def wake(self) -> None:
        """There is something to serve."""
        self._flag.set()

    def probe(self) -> None:
        """Indicate nothing to all phones: only one that is subscribed confirms it."""
        self._outbox.write(b"", True)

    def assembler(self, back: Assembler | None = None) -> Assembler | None:
        """Take one of the message buffers, if one is free, or give one back."""
        if back is not None:
            back.reset()
            self._assemblers.append(back)
        elif self._assemblers:
            return self._assemblers.pop()
        return None

    def _irq(self, event: int, data: tuple[Any, ...]) -> None:
        if not self._open or (event > _WRITTEN and event != _INDICATED and event != _MTU):
            return
        try:
            if event == _CONNECTED:
                self._handles[data[0]] = new = Phone(self, data[0], DeviceConnection._connected.get(data[0]))
                self._phones.append(new)
            else:
                phone = self._handles.get(data[0])
                if phone is None:
                    return
                if event == _WRITTEN and data[1] == self._inbox:
                    phone.written(self._inbox)
                elif event == _INDICATED and data[1] == self.outbox:
                    phone.confirmed(data[2])
                elif event == _MTU:
                    phone.mtu = data[1]
                elif event == _DISCONNECTED:
                    phone.gone = True
                    del self._handles[data[0]]
        except MemoryError:
            ble.gap_disconnect(data[0])  # no room for one more phone
        self._flag.set()

    async def _serve(self) -> None:
        while True:
            try:
                await self._flag.wait()
                more = True
                while more:
                    more = self._turn()
                    await asyncio.sleep_ms(0)
            except MemoryError:
                await asyncio.sleep_ms(_TICK_MS)

    def _turn(self) -> bool:
        """One turn for every phone; whether any has more to do."""
        phones = self._phones
        more = False
        now = ticks_ms()
        self._make_room(now)
        i = 0
        while i < len(phones):
            phone = phones[i]
            try:
                if phone.receive(self._handle):
                    more = True
                elif phone.gone:
                    phones.pop(i)
                    self._close(phone)
                    continue
            except MemoryError:
                phone.starve()
            phone.transmit(now)
            i += 1
        return more

    def _close(self, phone: Phone) -> None:
        phone.close()
        device = phone.device
        if device is not None and device.is_connected():
            # When a handle is used again before aioble looked at its last owner, aioble forgets the new one.
            DeviceConnection._connected.setdefault(phone.handle, device)
            device._event.set()

    def _make_room(self, now: int, crowded: bool = False) -> None:
        """The phone that is idle longest gives way to one more than there are slots."""
        if len(self._phones) <= _SLOTS and not crowded:
            return
        there = [phone for phone in self._phones if not (phone.gone or phone.leaving)]
        if len(there) > _SLOTS:
            there.pop()  # not the one that has just come
        elif not crowded or len(there) < _SLOTS or len(there) < len(self._phones):
            return
        victim = max(there, key=lambda phone: phone.idle(now))
        if not crowded or victim.idle(now) > _CROWD_MS:
            victim.drop()

    async def _advertise(self) -> None:
        """A connection ends advertising; so does a failed one, untold: hence the renewal."""
        failures = 0
        while self._open:
            try:
                await aioble.advertise(_ADVERTISE_US, services=[self._uuid], name=self._name, timeout_ms=_RENEW_MS)
                failures = 0
            except asyncio.TimeoutError:
                failures = 0
            except (OSError, MemoryError):  # no room for one more phone; if none is there, it is out of order
                failures = 0 if self._phones else failures + 1
                if failures >= _FAILURES:
                    raise
                self._make_room(ticks_ms(), True)
                await asyncio.sleep_ms(_TICK_MS)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep_ms(_TICK_MS)
            if not ble.active():
                raise OSError(_ENODEV)
            now = ticks_ms()
            for phone in self._phones:
                phone.tick(now)
                self._flag.set()
