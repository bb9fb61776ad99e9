# SPDX-License-Identifier: Apache-2.0
"""A whole car on a heap of which only so many bytes are left, and on a flash that needs none of them."""

import asyncio
import gc
import io
import json

import vfs

import named as messages
from latchkey import assemble
from latchkey.clock import Clock
from latchkey.config import Settings
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import key_id
from latchkey.link.connection import Connection
from latchkey.parts import Parts
from latchkey.vehicle.pins import Pins
from named import decode
from ramflash import ROOT, mount
from support import CLIENT_PUBLIC, VEHICLE_PRIVATE, VEHICLE_PUBLIC, VIN, owner, signed

BLOCK = 4096
BLOCKS = 96
_ERASED = b"\xff" * BLOCK
PINS = {"start": 25, "lock": 26, "led": 27, "card": None, "brake": None, "door": None}
TURNS = 4000  # of the loop: enough for a key change, which waits for no clock


class Flash:
    """A chip's driver, which allocates nothing: a stream for each block, as a slice would be an object."""

    def __init__(self):
        self._blocks = [io.BytesIO(_ERASED) for _ in range(BLOCKS)]
        for block in self._blocks:
            block.write(_ERASED)  # from here on it has bytes of its own

    def readblocks(self, block, buf, offset=0):
        data = self._blocks[block]
        data.seek(offset)
        data.readinto(buf)

    def writeblocks(self, block, buf, offset=None):
        data = self._blocks[block]
        data.seek(offset or 0)
        data.write(buf)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK
        if op == 6:
            self.writeblocks(arg, _ERASED)
        return 0

    def copy(self):
        return [block.getvalue() for block in self._blocks]

    def restore(self, image):
        for block, data in enumerate(image):
            self.writeblocks(block, data)


class Phone(Connection):
    """The last message that it was sent, and how many."""

    inside = True

    def __init__(self):
        super().__init__("serial/1")
        self.message = None
        self.count = 0

    def send(self, message):
        self.message = message
        self.count += 1

    def last(self):
        return decode(messages.ROUTABLE_MESSAGE, self.message) if self.message else None


class Tasks:
    """The board's tasks, whose end is only noted."""

    def __init__(self):
        self.died = []
        self.running = []

    def start(self, name, task, ends=False):
        self.running.append(asyncio.create_task(self._guard(name, task)))

    async def _guard(self, name, task):
        try:
            await task
        except Exception as error:  # noqa: BLE001 - it would restart the board
            self.died.append((name, error))


class Start:
    """The same one every time."""

    identity = (VEHICLE_PRIVATE, VEHICLE_PUBLIC)
    number = 1
    lost = False


class Board:
    """A car after a boot; its flash is kept, as it is, for the next."""

    def __init__(self, flash, image=None):
        self.flash = flash
        if image:
            flash.restore(image)
        mount(flash)
        self.tasks = Tasks()
        self._pins = Pins(PINS)
        settings = Settings(VIN.decode(), False, False, PINS, None, None)
        parts = Parts(None, ROOT, settings, Clock(), self._pins, self.tasks, "")
        self.handle = assemble.car(parts, Start, self._emit)
        self.car = parts.car
        self.sessions = self.car.desk.sessions
        self.keychain = self.car.desk.keychain
        self._clock = parts.clock
        self._counter = 0

    def _emit(self, event):
        self._told = json.dumps(event).encode()  # as a link does

    def signed(self, payload, **bent):
        """The owner's next command, ready to be sent."""
        session = self.sessions.find(CLIENT_PUBLIC)
        self._counter = max(self._counter, session.counter) + 1
        return signed(payload, session, self._counter, self._clock.now() + 60, **bent)

    def stop(self):
        """The power goes."""
        for task in self.tasks.running:
            task.cancel()

    def pins(self):
        levels = self._pins.levels()
        return levels["start"], levels["lock"]


def prepared():
    """A flash with the owner's key."""
    flash = Flash()
    vfs.VfsLfs2.mkfs(flash)
    mount(flash)
    asyncio.run(opened().apply(owner()))
    return flash


def opened():
    """The keychain as the flash has it."""
    keys = Keychain(ROOT, print, key_id(VEHICLE_PUBLIC))
    keys.open()
    return keys


class Squeeze:
    """Takes all of the heap but `left` bytes in one piece, while it is held."""

    def __init__(self):
        self._held = [None] * 6000

    def hold(self, left):
        gc.collect()
        window = bytearray(left) if left else None
        held = self._held
        at = 0
        for size in (32768, 1024, 128, 0):
            try:
                while True:
                    held[at] = bytearray(size) if size else at + 0.5  # the smallest thing there is
                    at += 1
            except MemoryError:
                pass
        window = None  # noqa: F841 - what it took is free now

    def crumble(self):
        """Leave about a third of what is there, in pieces of no more than some 600 bytes."""
        gc.collect()
        held = self._held
        at = 0
        for size in (496, 0):
            try:
                while True:
                    held[at] = bytearray(size) if size else at + 0.5
                    at += 1
            except MemoryError:
                pass
        for freed in range(0, at, 3):
            held[freed] = None

    def release(self):
        held = self._held
        for at in range(len(held)):
            held[at] = None
        gc.collect()
