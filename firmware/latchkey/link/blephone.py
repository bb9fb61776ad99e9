# SPDX-License-Identifier: Apache-2.0
"""One phone on the radio: its writes wait here until they are messages, its replies until they are confirmed."""

from collections import deque
from time import ticks_add, ticks_ms

from aioble.core import ble
from micropython import const

from latchkey.clock import elapsed
from latchkey.faults import BUSY
from latchkey.link.connection import Connection
from latchkey.link.frames import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from aioble.device import DeviceConnection

    from latchkey.link.frames import Assembler

    class Link(Protocol):
        """What a phone needs of the BleLink that it belongs to."""

        outbox: int
        probed: bool

        def wake(self) -> None: ...
        def probe(self) -> None: ...
        def assembler(self, back: Assembler | None = None) -> Assembler | None: ...


_WRITES = const(128)  # writes that may wait for the task
_BYTES = const(4096)  # and their bytes
_TURN = const(512)  # bytes that are looked at in one turn
_COST = const(16)  # of a write, in such bytes
_ANSWERS = const(2)  # that wait for the phone, before no more of its messages is looked at
_REPLIES = const(6)  # and with those that key operations have promised
_GAP_MS = const(1000)  # the pause after which a phone whose writes did not fit may start again
_CONFIRM_MS = const(5000)  # a phone that does not confirm for so long is gone
_PROBE_MS = const(100)  # pause after the first question whether the phone has subscribed
_PROBES_MS = const(1600)  # the longest pause
_PATIENCE_MS = const(5000)
_LONGEST = const(512)  # of a value
_STRANGER_MS = const(30000)  # a phone without a command so far counts as idle for so much longer
_DAY_MS = const(86_400_000)


class Phone(Connection):
    """One connected phone. What interrupts change is marked; the rest belongs to the link's task."""

    def __init__(self, link: "Link", handle: int, device: DeviceConnection | None) -> None:
        now = ticks_ms()
        super().__init__("ble/%d" % handle, ticks_add(now, -_STRANGER_MS))
        self.handle = handle
        self.device = device
        self.leaving = False
        self.mtu = 23  # interrupt
        self.gone = False  # interrupt
        self.subscribed = False  # interrupt
        self.flight = False  # an indication is not confirmed yet; interrupt
        self.failed = False  # interrupt
        self._link = link
        self._writes: deque[tuple[int, bytes]] = deque((), _WRITES)  # since when; in by interrupt
        self._in = 0  # bytes; interrupt
        self._out = 0
        self._heard = now  # interrupt
        self._broken = False  # interrupt
        self._lost = False  # a message that nobody will read was written; interrupt
        self._quiet = -1  # what `_heard` was when the pause after it was found long enough
        self._assembler: Assembler | None = None
        self._messages: Any = None  # those of the write at hand
        self._replies: list[bytes] = []
        self._news: bytes | None = None
        self._sent = 0  # bytes of the first reply
        self._sent_ms = now
        self._stuck = False  # until the next tick
        self._asked_ms = now
        self._probed_ms = now
        self._pause = 0

    def written(self, inbox: int) -> None:
        """In an interrupt: a write. What does not fit breaks the message, and all up to the next pause."""
        now = ticks_ms()
        broken = self._broken and self._heard != self._quiet and elapsed(now, self._heard) <= _GAP_MS
        self._heard = now
        self._broken = True
        if not (broken or self.leaving) and len(self._writes) < _WRITES:
            try:
                data = ble.gatts_read(inbox)
                if ((self._in - self._out) & 0xFFFF) + len(data) <= _BYTES:
                    self._writes.append((now, data))
                    self._in = (self._in + len(data)) & 0xFFFF
                    self._broken = False
            except MemoryError:
                pass
        if self._broken and not broken:
            self._lost = True

    def confirmed(self, status: int) -> None:
        """In an interrupt: the phone confirmed, or cannot any more. Only a phone that has subscribed is ever asked."""
        if status:
            self.failed = self.flight
        elif not self.subscribed:
            self.subscribed = self._link.probed = True
        self.flight = False

    def idle(self, now: int) -> int:
        """Milliseconds since the last authenticated command, a day at most: ticks come round after twelve."""
        idle = elapsed(now, self.authenticated_ms)
        if idle > _DAY_MS:
            idle = _DAY_MS
            self.authenticated_ms = ticks_add(now, -_DAY_MS)
        return idle

    def tick(self, now: int) -> None:
        """Called ten times a second. No tick that is kept gets so old that it comes round."""
        self.idle(now)
        self._stuck = False
        heard = self._heard
        if elapsed(now, heard) > _GAP_MS:
            self._quiet = heard
        if self._pause and elapsed(now, self._probed_ms) >= self._pause:
            self._probed_ms = ticks_add(now, -self._pause)
        if self._assembler is not None and not self._writes:
            self._assembler.tick(now)

    def send(self, message: bytes) -> None:
        """Queue one whole message; when too many wait, the oldest that has not begun gives way."""
        if self.gone or self.leaving:
            return
        if not self._replies:
            self._asked_ms = ticks_ms()
        elif len(self._replies) >= _REPLIES:
            self._replies.pop(1 if self._sent else 0)
        self._replies.append(encode(message))
        self._link.wake()

    def tell(self, message: bytes) -> None:
        """A message that nobody asked for: the newest one goes when no answer waits."""
        self._news = message
        self._link.wake()

    def receive(self, handle: Callable[[Connection, memoryview], None]) -> bool:
        """Handle at most one message, so that others have their turn. False: there is no more for now."""
        if len(self._replies) >= _ANSWERS and not self.gone:
            return False
        budget = _TURN
        while True:
            if self._messages is None:
                if not self._writes:
                    if self._lost:
                        self.send(BUSY)
                        self._lost = False
                    return False
                if budget <= 0:
                    return True
                if self._assembler is None:
                    self._assembler = self._link.assembler()
                    if self._assembler is None:
                        return False
                when, data = self._writes.popleft()
                self._out = (self._out + len(data)) & 0xFFFF
                budget -= len(data) + _COST
                self._messages = self._assembler.feed(data, when)
                if not self.subscribed and not self._pause:
                    self._probe(ticks_ms())
            for message in self._messages:
                try:
                    handle(self, message)
                except MemoryError:
                    self._lost = True
                return True
            self._messages = None

    def starve(self) -> None:
        """No memory to read what was written: that breaks like what does not fit, up to the next pause."""
        self._lost = self._broken = True
        self._messages = None
        if self._assembler is not None:
            self._assembler.reset()
        while self._writes:
            self._out = (self._out + len(self._writes.popleft()[1])) & 0xFFFF

    def transmit(self, now: int) -> None:
        """Send the next piece, if the last one is confirmed."""
        if self._news is not None and not self._replies:
            self.send(self._news)
            self._news = None
        if self.failed or (self.flight and elapsed(now, self._sent_ms) > _CONFIRM_MS):
            self.drop()
        if self.flight or self.leaving or self.gone or self._stuck or not self._replies:
            return
        if not self.subscribed:
            if self._link.probed or elapsed(now, self._asked_ms) < _PATIENCE_MS:
                self._probe(now)
                return
            self.subscribed = True  # probes seem not to work on this board
        frame = self._replies[0]
        end = min(len(frame), self._sent + min(self.mtu - 3, _LONGEST))
        self._sent_ms = now
        self.flight = True
        try:
            ble.gatts_indicate(self.handle, self._link.outbox, memoryview(frame)[self._sent : end])
        except (OSError, MemoryError):  # no buffer just now, or the phone has just gone
            self.flight = False
            self.failed = False
            self._stuck = True
            return
        self._sent = end
        if end == len(frame):
            self._replies.pop(0)
            self._sent = 0

    def _probe(self, now: int) -> None:
        """Who has subscribed is not told. An update of the value, empty here, goes to those who have."""
        if elapsed(now, self._probed_ms) >= self._pause:
            self._probed_ms = now
            self._pause = min(2 * self._pause, _PROBES_MS) or _PROBE_MS
            self._link.probe()

    def drop(self) -> None:
        """Disconnect. What has come from the phone but was not looked at is dropped too."""
        if not (self.leaving or self.gone):  # one that is gone has left its handle to others
            self.leaving = True
            self.close()
            try:
                ble.gap_disconnect(self.handle)
            except OSError:
                pass

    def close(self) -> None:
        """Give back what the link owns."""
        self._messages = None
        self._replies.clear()
        while self._writes:
            self._writes.popleft()
        if self._assembler is not None:
            self._link.assembler(self._assembler)
            self._assembler = None
