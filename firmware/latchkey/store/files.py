# SPDX-License-Identifier: Apache-2.0
"""A file is the old one or the new one: written beside it, closed, then renamed over it.

Never written in place: on littlefs an exception (a Ctrl-C on the serial port, a cancelled task) that closes a half
written file would commit the half.
"""

import asyncio
import os
from hashlib import sha256

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_BLOCK = const(4096)
_ENOENT = const(2)
_EEXIST = const(17)
_MARK = const(4)
_DIGEST = const(8)


class StoreError(Exception):
    """What is in flash cannot be used; the message says which file and why."""

    what = "store"


class Damaged(StoreError):
    pass


class UnknownVersion(StoreError):
    """Written by another version of the firmware: refused, and left as it is."""

    def __init__(self, what: str, version: int) -> None:
        super().__init__(f"{what} has format version {version}, which this firmware does not know")
        self.version = version


def run(steps: Generator[None]) -> None:
    """Drive steps to their end at once (at boot)."""
    try:
        for _ in steps:
            pass
    finally:
        steps.close()


async def pace(steps: Generator[None]) -> None:
    """Drive steps to their end, giving way between flash blocks."""
    try:
        for _ in steps:
            await asyncio.sleep_ms(0)
    finally:
        steps.close()  # a file left open would be closed by the garbage collector, perhaps in the middle of littlefs


def digest(*parts: bytes | bytearray | memoryview) -> bytes:
    h = sha256()
    for part in parts:
        h.update(part)
    short: bytes = h.digest()[:_DIGEST]
    return short


def mark(version: int) -> bytes:
    """What each format begins with: so long that bit rot is not taken for another version."""
    return bytes((0x4C, 0x6B, version, version ^ 0xFF))


def check_mark(what: str, head: bytes | bytearray | memoryview, version: int) -> None:
    if len(head) < _MARK or bytes(head[:_MARK]) != mark(head[2]):
        raise Damaged(f"{what} is damaged")
    if head[2] != version:
        raise UnknownVersion(what, head[2])


def _unless(errno: int, do: Callable[[str], None], path: str) -> None:
    try:
        do(path)
    except OSError as e:
        if e.errno != errno:
            raise


def make_folder(path: str) -> None:
    _unless(_EEXIST, os.mkdir, path)


def remove(path: str) -> None:
    _unless(_ENOENT, os.remove, path)


def _temporary(folder: str) -> str:
    return folder + "/new.tmp"  # one name a folder: what an interrupted write left is overwritten by the next


def sweep(folder: str) -> None:
    """Remove what an interrupted write left."""
    remove(_temporary(folder))


def read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as f:
            data: bytes = f.read()
            return data
    except OSError as e:
        if e.errno != _ENOENT:
            raise
        return None


def write(path: str, chunks: Iterable[bytes | bytearray | memoryview]) -> Generator[None]:
    """Replace a file: the last step is its rename."""
    folder = path[: path.rfind("/")]
    yield from prepare(folder, chunks)
    put(folder, path)


def put(folder: str, path: str) -> None:
    os.rename(_temporary(folder), path)


def prepare(folder: str, chunks: Iterable[bytes | bytearray | memoryview]) -> Generator[None]:
    """Write what `put` puts in a file's place. Yields about once a flash block."""
    temporary = _temporary(folder)
    try:
        with open(temporary, "wb") as f:
            room = _BLOCK
            for chunk in chunks:
                for at in range(0, len(chunk), _BLOCK):
                    part = memoryview(chunk)[at : at + _BLOCK]
                    f.write(part)
                    room -= len(part)
                    if room <= 0:
                        yield
                        room = _BLOCK
        yield
    except OSError:
        remove(temporary)
        raise


def read_sealed(path: str, version: int) -> memoryview | None:
    """The body of a file made by write_sealed, None when there is no such file."""
    data = read(path)
    if data is None:
        return None
    check_mark(path, data, version)
    body = memoryview(data)[_MARK + _DIGEST :]
    if digest(data[:_MARK], body) != data[_MARK : _MARK + _DIGEST]:
        raise Damaged(f"{path} is damaged")
    return body


def write_sealed(path: str, version: int, body: bytes | bytearray | memoryview) -> Generator[None]:
    head = mark(version)
    return write(path, (head, digest(head, body), body))
