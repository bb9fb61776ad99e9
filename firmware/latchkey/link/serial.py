# SPDX-License-Identifier: Apache-2.0
"""The serial port as a link: numbered phone connections, the bench channel and events (docs/bench.md).

From the host every line is acknowledged and has the number after the last one; to the host lines are only numbered.
Answers are never dropped: while too many wait, nothing is read. A heap that is full costs a message, not the link.
"""

import asyncio
import json
import select
import sys
from time import ticks_ms

from micropython import const

from latchkey.clock import elapsed
from latchkey.faults import BUSY
from latchkey.link import lines
from latchkey.link.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

_VEHICLE = const(0x56)  # V
_BENCH = const(0x42)  # B
_EVENT = const(0x45)  # E
_ACK = const(0x41)  # A
_SYNC = const(0x53)  # S
_CLOSE = const(0x43)  # C
_BOARD = const(0x20)  # what makes a letter the board's: lower case

_PIECE = const(108)  # bytes of a message in one line, and the marks of its place in the message (lines.py)
_WHOLE = const(0x2E)
_FIRST = const(0x3C)
_MIDDLE = const(0x2B)
_LAST = const(0x3E)

_MAX_MESSAGE = const(1024)
_CONNECTIONS = const(8)
_NEWS = const(0x76)  # v: in the queue, what a phone is told unasked; on the line it is a V like others
_QUEUE = const(4)  # answers that wait, before nothing is read any more
_PAUSE_MS = const(5)
_EVENTS = const(16)  # events that wait
_GONE_MS = const(15000)  # a host that is silent for so long has left
_BURST = const(64)  # bytes read before other tasks have their turn: a line of 160 takes a board 5 ms


class SerialConnection(Connection):
    """One phone at the end of the serial port."""

    inside = True  # who has a hand on the port sits in the car

    def __init__(self, link: "SerialLink", number: int) -> None:
        super().__init__("serial/%d" % number)
        self.number = number
        self._link = link

    def send(self, message: bytes) -> None:
        """Queue an answer; one that comes after the end goes nowhere: the number may be somebody else's by now."""
        if self._link._connections.get(self.number) is self:
            self._link.post(_VEHICLE, self.number, bytes(message), 0)

    def tell(self, message: bytes) -> None:
        """Queue a message that nobody asked for, in place of one that waits."""
        self._link.post(_NEWS, self.number, message, 1)


class SerialLink:
    """handle(connection, message) takes a phone's whole message. `bench` may be None: then the bench channel is not
    there; else it takes a request of it. `hello` tells the host who this is."""

    def __init__(
        self,
        handle: Callable[[Connection, memoryview], None],
        bench: Callable[[dict[str, Any]], Any] | None,
        hello: Callable[[], dict[str, Any]],
        port: Any = None,
    ) -> None:
        self.handle = handle
        self._hello = hello
        self._prompt = "latchkey.prompt" in sys.modules  # not in a production build
        self._input = port or sys.stdin.buffer
        self._output = port or sys.stdout.buffer
        self._reader = lines.Reader()
        self._writer = lines.Writer()
        self._message = bytearray(_MAX_MESSAGE)
        self._view = memoryview(self._message)
        self._fill = 0  # of the message under way
        self._kind = 0
        self._conn = 0
        self._synced = False
        self._attached = False
        self._heard = 0
        self._last = 0  # number of the last line accepted
        self._sent = 0  # number of the next line out
        self._connections: dict[int, SerialConnection] = {}
        self._queue: list[tuple[int, int, bytes]] = []
        self._wake = asyncio.Event()
        self._lost = 0  # events that found no room
        self._requests = None
        if bench:
            from latchkey.link.requests import Requests

            self._requests = Requests(bench, lambda answer: self.post(_BENCH, 0, answer, 1))

    def tasks(self) -> tuple[tuple[str, Coroutine[Any, Any, None]], ...]:
        """What serves the port, by name: neither task ever ends."""
        self._say_hello(0)
        return (("serial in", self._read()), ("serial out", self._write()))

    def tick(self) -> None:
        """Called about twice a second: has the host left without a word?"""
        if self._attached and elapsed(ticks_ms(), self._heard) >= _GONE_MS:
            self._leave()

    def event(self, event: dict[str, Any]) -> None:
        """Tell the host what happened. With no host there, it goes nowhere."""
        if not self._attached:
            return
        lost = self._lost
        self._lost = lost + 1  # unless it finds room, and memory
        if self._count(_EVENT) >= _EVENTS:
            return
        try:
            if lost:
                event = dict(event)
                event["lost"] = lost
            self.post(_EVENT, 0, json.dumps(event).encode(), 0)
            self._lost = 0
        except MemoryError:
            pass

    @property
    def phones(self) -> int:
        """How many are connected."""
        return len(self._connections)

    def everybody(self) -> Iterable[SerialConnection]:
        """The phones that are connected."""
        return self._connections.values()

    # Out

    def post(self, kind: int, conn: int, message: bytes, room: int) -> None:
        """Queue a message. If `room` is given and so many wait, the oldest of its kind and connection goes."""
        queue = self._queue
        if room and self._count(kind, conn) >= room:
            for at in range(len(queue)):
                if queue[at][0] == kind and queue[at][1] == conn:
                    queue.pop(at)
                    break
        queue.append((kind, conn, message))
        self._wake.set()

    def _count(self, kind: int, conn: int = -1) -> int:
        count = 0
        for item in self._queue:
            if item[0] == kind and (conn < 0 or item[1] == conn):
                count += 1
        return count

    def _line(self, kind: int, conn: int, seq: int, part: int, piece: bytes) -> None:
        self._output.write(self._writer.line(kind | _BOARD, conn, seq, part, piece))

    def _say_hello(self, sync: int) -> None:
        hello = self._hello()
        hello["bench"] = self._requests is not None
        self.post(_SYNC, sync, json.dumps(hello).encode(), 1)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                kind, conn, message = self._queue.pop(0)
                at = 0
                while at >= 0:
                    end = at + _PIECE
                    more = end < len(message)
                    part = (_MIDDLE if at else _FIRST) if more else (_LAST if at else _WHOLE)
                    try:
                        self._line(kind, conn, self._sent, part, message[at:end])
                    except MemoryError:
                        await asyncio.sleep_ms(_PAUSE_MS)  # the same line again
                        continue
                    self._sent = self._sent + 1 & 0xFF
                    at = end if more else -1
                    await asyncio.sleep_ms(0)

    # In

    async def _read(self) -> None:
        port = self._input
        stream = asyncio.StreamReader(port)
        poller = select.poll()
        poller.register(port, select.POLLIN)
        byte = bytearray(1)
        while True:
            try:
                while self._count(_VEHICLE) >= _QUEUE:
                    await asyncio.sleep_ms(_PAUSE_MS)
                first = await stream.read(1)
                if not first:
                    raise EOFError
                taken = self._feed(first[0])
                for _ in range(_BURST):
                    if taken:
                        break  # a whole line: perhaps there is no room for another answer now
                    for _ready in poller.ipoll(0):
                        break
                    else:
                        break
                    if port.readinto(byte):
                        taken = self._feed(byte[0])
                await asyncio.sleep_ms(0)
            except MemoryError:
                await asyncio.sleep_ms(_PAUSE_MS)  # the host sends its line again: it was not acknowledged

    def _feed(self, byte: int) -> bool:
        """Take one byte; whether it was the last one of a line. Raises MemoryError before anything is changed."""
        if byte == 0x03 and self._prompt:
            raise KeyboardInterrupt
        if not self._reader.feed(byte):
            return False
        frame = self._reader
        if frame.kind == _SYNC:
            self._sync(frame.conn, frame.seq)
        elif not self._synced:
            self._say_hello(0)
        else:
            self._attached = True
            self._heard = ticks_ms()
            if frame.kind in (_VEHICLE, _BENCH, _CLOSE):
                self._accept(frame)
        return True

    def _sync(self, sync: int, seq: int) -> None:
        """A host begins: forget all about the one before."""
        self._leave()
        self._queue.clear()
        if self._requests:
            self._requests.forget()
        self._last = seq
        self._fill = self._kind = self._lost = 0
        self._synced = self._attached = True
        self._heard = ticks_ms()
        self._say_hello(sync)

    def _leave(self) -> None:
        self._attached = False
        for number in list(self._connections):
            self._close(number)

    def _close(self, number: int) -> None:
        connection = self._connections.pop(number, None)
        if connection:
            for at in range(len(self._queue) - 1, -1, -1):
                if self._queue[at][0] | _BOARD == _NEWS and self._queue[at][1] == number:
                    self._queue.pop(at)

    def _accept(self, frame: lines.Reader) -> None:
        again = frame.seq == self._last  # its acknowledgement was lost
        if not again and frame.seq != self._last + 1 & 0xFF:
            self._say_hello(0)  # a line is missing, and will not come any more: the host starts again
            return
        self._line(_ACK, 0, frame.seq, _WHOLE, b"")
        self._last = frame.seq
        if not again:
            try:
                self._collect(frame)
            except MemoryError:
                self._kind = 0
                if frame.kind == _VEHICLE:
                    self.post(_VEHICLE, frame.conn, BUSY, 0)

    def _collect(self, frame: lines.Reader) -> None:
        kind = frame.kind
        if frame.first:
            self._kind = kind
            self._conn = frame.conn
            self._fill = 0
        if kind != self._kind or frame.conn != self._conn:
            self._kind = 0
            return
        end = self._fill + len(frame.body)
        if end > _MAX_MESSAGE:
            self._kind = 0  # too long: its other lines find no first one
            return
        self._message[self._fill : end] = frame.body
        self._fill = end
        if not frame.last:
            return
        self._kind = 0
        message = self._view[: self._fill]
        if kind == _VEHICLE:
            self._vehicle(frame.conn, message)
        elif kind == _BENCH:
            if self._requests:
                self._requests.take(message)
        elif frame.conn:
            self._close(frame.conn)
        else:
            self._leave()

    def _vehicle(self, number: int, message: memoryview) -> None:
        connection = self._connections.get(number)
        if connection is None:
            if not number or len(self._connections) >= _CONNECTIONS:
                self.post(_CLOSE, number, b"", 1)
                return
            connection = self._connections[number] = SerialConnection(self, number)
        self.handle(connection, message)
