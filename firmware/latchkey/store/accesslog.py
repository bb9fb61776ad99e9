# SPDX-License-Identifier: Apache-2.0
"""Who did what, and who was refused: a ring of 512 entries in flash.

Entry n has its fixed place: 8 segment files of 64 entries of 64 bytes, one flash block each. Entries wait in RAM for
`flush`. What was done is written at once. Refusals cost a stranger nothing, so they must not cost flash or push the
rest out of the ring: equal ones are counted up, few different ones are kept for a flush, and flushes for their sake
are rationed. What finds no room is counted, and the count is logged.

Each entry has a hash of itself and of the hash before it (docs/protocol.md, "A log that proves itself").
"""

import asyncio
import struct
from binascii import crc32

from micropython import const

from latchkey import crypto, store
from latchkey.wire.schema import LogKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CONNS = ("", "serial", "ble")
_SEGMENTS = const(8)
_PLACES = const(64)  # a segment
_SIZE = const(64)
# number, boot, at, count, what, version, request; then its link of the chain, 8 bytes that are 0, a CRC of all of it
_LAYOUT = const("<IIIH13sB8s")
# what: kind, conn, command, outcome, detail, key id, whether there is a key. Refusals alike in it are counted up.
_WHAT = const("<BBHHH4sB")
_COUNT = const(12)
_WHAT_AT = const(14)
_WHAT_END = const(27)
_REQUEST = const(28)  # the first 8 bytes of the tag of the request that it is about
_LINK = const(36)
_LINK_END = const(52)
_CRC = const(60)
_VERSION = const(3)

_WAITING = const(16)  # entries in RAM, one of them kept for the count of dropped ones
_REFUSALS = const(4)  # different ones that wait, and one when their ration is spent
_KEYS = const(2)  # places that only what becomes of keys may take: no enrolment is without its entry (law 5)
_DELAY = const(1)  # seconds that refusals gather
_RATION = const(8)  # flushes for refusals,
_REFILL = const(3600)  # one more in so many seconds: a week of them does not fill the ring
_PAUSE_MS = const(20)  # before a flush, in which an answer leaves: a flash can take longer to write than all the rest


class AccessLog:
    """`boot` is the number of this start, `last` that of the newest entry, `chain` the link of the newest in flash
    (logreader.opened). A log that cannot be written waits in RAM, and the car runs without. `lost`: what was done in
    this life of the board has not all got an entry."""

    def __init__(self, folder: str, now: Callable[[], int], boot: int, last: int, chain: bytes) -> None:
        self.folder = folder
        self._now = now
        self._waiting = bytearray(_WAITING * _SIZE)
        self._n = 0  # entries in it
        self._writing = 0  # bytes of them that are on their way
        self._refusals = 0
        self._urgent = False
        self._since = 0  # when the first of them came
        self._lost = 0  # dropped, and not yet logged
        self._ration = _RATION
        self._refilled = now()
        self.dropped = 0
        self.lost = False
        self.boot = boot
        self.last = last
        self.chain = chain
        self._wake = asyncio.Event()

    def append(
        self,
        kind: int,
        conn: str,
        key_id: bytes | None,
        command: int,
        outcome: int,
        detail: int = 0,
        request: bytes = b"",
    ) -> None:
        """One entry, to be written soon: a LogKind, the name of a connection or "", a 4-byte key id, a Permission, a
        MessageFault, what else a refusal has (latchkey.proto, LogEntry), and the request's hash (Verified). Raises
        nothing."""
        waiting = self._waiting
        try:
            name = conn.split("/")[0]
            what = struct.pack(
                _WHAT,
                kind,
                name in CONNS and CONNS.index(name),
                command & 0xFFFF,
                outcome & 0xFFFF,
                detail & 0xFFFF,
                key_id or b"",
                key_id is not None,
            )
            request = request[1:9]
        except MemoryError:  # what finds no memory is counted, like what finds no room
            self.lost = True
            self.dropped += 1
            self._lost += 1
            return
        refused = kind == LogKind.REFUSED or kind == LogKind.PREVENTED or kind == LogKind.DECLINED
        rationed = refused or kind == LogKind.COLLISION  # a stranger can bring these about
        if rationed:
            for at in range(self._writing, self._n * _SIZE, _SIZE):
                if waiting[at + _WHAT_AT : at + _WHAT_END] == what:
                    count = struct.unpack_from("<H", waiting, at + _COUNT)[0]
                    struct.pack_into("<H", waiting, at + _COUNT, min(count + 1, 0xFFFF))
                    if request:
                        waiting[at + _REQUEST : at + _LINK] = request
                    return
        most = _WAITING - 1 - _KEYS * (rationed or kind == LogKind.COMMAND)
        if self._n >= most or (refused and self._refusals >= (_REFUSALS if self._ration > 1 else 1)):
            self.lost |= not rationed
            self.dropped += 1
            self._lost += 1
            return
        if not self._n:
            self._since = self._now()
        self._put(what, 1, request)
        if refused:
            self._refusals += 1
        elif not rationed and kind != LogKind.BOOT:
            self._urgent = True
        self.tick()

    def tick(self) -> None:
        """Housekeeping: what is due is written."""
        if self.due():
            self._wake.set()

    async def run(self) -> None:
        """Writes what is due, for ever."""
        while True:
            try:
                await self._wake.wait()
                await asyncio.sleep_ms(_PAUSE_MS)
                self._wake.clear()
                await self.flush()
            except MemoryError:  # it keeps what it has not written, and is due again
                await asyncio.sleep_ms(_PAUSE_MS)

    def _put(self, what: bytes, count: int, request: bytes) -> None:
        self.last += 1
        at = self._n * _SIZE
        struct.pack_into(_LAYOUT, self._waiting, at, self.last, self.boot, self._now(), count, what, _VERSION, request)
        self._n += 1

    def due(self) -> bool:
        """Is it time for flush()?"""
        now = self._now()
        while self._ration < _RATION and now - self._refilled >= _REFILL:
            self._ration += 1
            self._refilled += _REFILL
        if self._ration == _RATION:
            self._refilled = now
        return self._urgent or (self._n > 0 and self._ration > 0 and now - self._since >= _DELAY)

    async def flush(self) -> None:
        """Write what waits. A flash that fails is told of, and tried again when there is more to write."""
        with await store.alone():
            if not store.room:
                return  # what is free is kept for the keys
            if not self._urgent:
                self._ration = max(0, self._ration - 1)
            self._urgent = False
            if self._lost and self._n < _WAITING - _KEYS:
                self._put(struct.pack(_WHAT, LogKind.DROPPED, 0, 0, 0, 0, b"", 0), min(self._lost, 0xFFFF), b"")
                self._lost = 0
            self._refusals = 0
            try:
                while self._n:
                    await self._write()
            except (OSError, MemoryError) as e:
                print("access log:", e)
            finally:
                self._writing = 0

    async def _write(self) -> None:
        """As many as go into one segment: a block is copied and its file committed, in one close. Until then they may
        be counted up, so they are chained here; what fails is chained anew."""
        first = self.last - self._n
        n = min(self._n, _PLACES - first % _PLACES)
        chain = self.chain
        for at in range(0, n * _SIZE, _SIZE):
            entry = memoryview(self._waiting)[at : at + _SIZE]
            chain = crypto.sha256(chain, entry[:_LINK])[: _LINK_END - _LINK]
            entry[_LINK:_LINK_END] = chain
            struct.pack_into("<I", entry, _CRC, crc32(entry[:_CRC]))
        self._writing = n * _SIZE
        data = bytes(memoryview(self._waiting)[: n * _SIZE])
        place = first % _PLACES
        with open(f"{self.folder}/{first // _PLACES % _SEGMENTS}", "r+b" if place else "wb") as f:
            f.seek(place * _SIZE)
            f.write(data)
            await asyncio.sleep_ms(0)
        self.chain = chain
        left = self._n - n
        self._waiting[: left * _SIZE] = self._waiting[n * _SIZE : self._n * _SIZE]
        self._n = left
        self._writing = 0

    def waiting(self) -> memoryview:
        """The entries that are not written yet, 64 bytes each: the newest of them has the number `last`."""
        return memoryview(self._waiting)[: self._n * _SIZE]
