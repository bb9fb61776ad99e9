# SPDX-License-Identifier: Apache-2.0
"""One GET of the roster's file over HTTP/1.1, on asyncio's streams (RFC 9110 and 9112): a parcel at a time, through one
buffer of a kilobyte.

Whatever a server does ends: each step has its time, a parcel's is the slowest server that is waited for, and head,
lines and body have their lengths. Redirects are refused. The address is the authority's to choose, and who can answer
in its server's place could send the car to anybody in the network it is in, and round in circles.
"""

import asyncio
import time

from micropython import const

from latchkey.sync import dns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

_STEP_MS = const(10_000)  # to connect, for the head, for a parcel
_FRAMING = const(8192)  # bytes of the head and of chunks' lines
_LINE = const(128)  # bytes of a line that are looked at
_LONGEST = const(524_288)  # bytes of a body: 4,096 keys, and more delegations than anybody makes
_PARCEL = const(960)
_RAW = const(64)


class HttpError(Exception):
    """A server was asked in vain: why, and for how many seconds it wants to be left alone (0: it did not say)."""


async def get(url: bytes, server: str, etag: bytes, take: Callable[[memoryview], Awaitable[bool]]) -> tuple[int, bytes]:
    """The status and the file's ETag (empty: none); `server` is the network's name server. 200: all parcels that `take`
    wanted have come. 304: the file is still the one of `etag`, which was not empty.

    Raises HttpError, OSError, ValueError, asyncio.TimeoutError, and what `take` raises.
    """
    scheme, _, rest = url.partition(b"://")
    authority, _, path = rest.partition(b"/")
    host, _, port = authority.partition(b":")
    tls = scheme == b"https"
    if not (tls or scheme == b"http") or not _plain(url):
        raise HttpError("no URL", 0)
    ip = await dns.resolve(host, server)
    stream: Any = None
    connect: Any = asyncio.open_connection
    opening = connect(ip, int(port or (443 if tls else 80)), tls and _unverified(), host.decode())
    try:
        stream, _ = await asyncio.wait_for_ms(opening, _STEP_MS)
        request = b"GET /%s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
        stream.write(request % (path, authority))
        stream.write(b"If-None-Match: %s\r\n\r\n" % etag if etag else b"\r\n")
        await asyncio.wait_for_ms(stream.drain(), _STEP_MS)
        answer = _Answer(stream)
        status: int
        headers: dict[bytes, bytes]
        status, headers = await asyncio.wait_for_ms(answer.head(), _STEP_MS)
        if status == 304 and etag:
            return status, etag
        if status != 200:
            raise HttpError("HTTP %d" % status, _retry_after(headers))
        while await take(await asyncio.wait_for_ms(answer.parcel(), _STEP_MS)):
            pass
        etag = headers.get(b"etag", b"")
        return status, etag if len(etag) < _LINE // 2 and _plain(etag) else b""
    finally:
        if stream:
            stream.s.close()


class _Answer:
    """What of the body has come with the head or with a chunk's line is left in `raw`, from `start` to `end`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        buffer = memoryview(bytearray(_RAW + _PARCEL))
        self._raw = buffer[:_RAW]
        self._body = buffer[_RAW:]
        self._start = self._end = 0
        self._framing = _FRAMING
        self._left = 0  # bytes of the body, or of a chunk, that are to come
        self._chunks = 0  # bytes of all chunks that may come

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        """Status and headers, their names in lower case; from then on it is the body's turn."""
        status = 100
        headers: dict[bytes, bytes] = {}
        while status < 200:  # informational ones come before it
            line = await self._line()
            if not line.startswith(b"HTTP/1."):
                raise HttpError("no HTTP", 0)
            status = int(line[9:12])
            while line := await self._line():
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
        if b"transfer-encoding" in headers:
            self._chunks = _LONGEST
        else:
            self._left = int(headers.get(b"content-length", _LONGEST))
            if not 0 <= self._left <= _LONGEST:
                raise HttpError("too long", 0)
        return status, headers

    async def parcel(self) -> memoryview:
        """The next one, until the one after it is asked for."""
        await self._fill(2)
        length = self._body[0] << 8 | self._body[1]
        if not 0 < length <= _PARCEL:
            raise HttpError("no roster", 0)
        await self._fill(length)
        return self._body[:length]

    async def _fill(self, count: int) -> None:
        """The next bytes of the body."""
        have = 0
        while have < count:
            if not self._left and self._chunks:
                line = await self._line() or await self._line()  # a chunk ends with an empty one
                self._left = int(line.partition(b";")[0], 16)
                self._chunks -= self._left
            size = min(count - have, self._left)
            if size <= 0 or self._chunks < 0:
                raise HttpError("cut off", 0)
            if self._start < self._end:
                size = min(size, self._end - self._start)
                self._body[have : have + size] = self._raw[self._start : self._start + size]
                self._start += size
            else:
                size = await self._read(self._body[have : have + size])
            have += size
            self._left -= size

    async def _line(self) -> bytes:
        """Without its end; cut, when it is long."""
        line = bytearray()
        while self._framing:
            self._framing -= 1
            if self._start == self._end:
                self._start = 0
                self._end = await self._read(self._raw)
            code = self._raw[self._start]
            self._start += 1
            if code == 10:
                return bytes(line).rstrip()
            if len(line) < _LINE:
                line.append(code)
        raise HttpError("too long", 0)

    async def _read(self, into: memoryview) -> int:
        while True:
            size: int | None = await self._stream.readinto(into)
            if size:
                return size
            if size == 0:
                raise HttpError("cut off", 0)


def _plain(text: bytes) -> bool:
    return all(32 < code < 127 for code in text)


def _retry_after(headers: dict[bytes, bytes]) -> int:
    """In seconds, or a date (Wed, 21 Oct 2015 07:28:00 GMT), which is as far away as the server's own clock says."""
    after = headers.get(b"retry-after", b"0")
    try:
        return _moment(after) - _moment(headers[b"date"]) if len(after) == 29 else int(after)
    except (KeyError, ValueError, OverflowError):
        return 0


def _moment(date: bytes) -> int:
    month = b"JanFebMarAprMayJunJulAugSepOctNovDec".find(date[8:11]) // 3 + 1
    day, hour, minute, second = [int(date[i : i + 2]) for i in (5, 17, 20, 23)]
    return time.mktime((int(date[12:16]), month, day, hour, minute, second, 0, 0))


def _unverified() -> Any:
    """The certificate is not looked at: what comes is sealed and signed."""
    import tls

    context: Any = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    return context
