# SPDX-License-Identifier: Apache-2.0
"""A file is the old one or the new one: written beside it, closed, then renamed over it.

Never written in place: on littlefs an exception (a Ctrl-C on the serial port, a cancelled task) that closes a half
written file would commit the half. A folder where a file belongs, or a file where a folder does, is set aside.
"""

import asyncio
import os

from micropython import const

from latchkey.store.formats import Damaged as Damaged
from latchkey.store.formats import StoreError as StoreError
from latchkey.store.formats import UnknownVersion as UnknownVersion
from latchkey.store.formats import check_mark, digest, mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_ENOENT = const(2)
_BLOCK = const(4096)
_EEXIST = const(17)
_KIND = const(0xF000)  # of a mode
_FOLDER = const(0x4000)
_FILE = const(0x8000)
_MARK = const(4)
_DIGEST = const(8)
_LONGEST = const(16384)  # of a file that is read whole: a heap in use may have no room for more


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


def attempt(do: Callable[..., object], path: str, report: Callable[[str], None]) -> None:
    """Do what would be good, and can be done without: an error is told."""
    try:
        do(path)
    except OSError as e:
        report(f"{path}: {e}")


def clear(path: str, kind: int = _FOLDER) -> bool:
    """Set aside what is of the wrong kind: a folder where a file belongs, or a file where a folder does. Was it?"""
    try:
        if os.stat(path)[0] & _KIND != kind:
            return False
    except OSError:
        return False
    try:
        os.rename(path, path + ".bad")
    except OSError:
        os.rename(path, path + ".worse")  # than the one before
    return True


def make_folder(path: str) -> None:
    """Raises OSError. A file in its place is set aside."""
    try:
        os.mkdir(path)
    except OSError as e:
        if e.errno != _EEXIST:
            raise
        if clear(path, _FILE):
            os.mkdir(path)


def remove(path: str) -> None:
    """Raises OSError, but for what is not there."""
    try:
        os.remove(path)
    except OSError as e:
        if e.errno != _ENOENT:
            raise


def _temporary(folder: str) -> str:
    return folder + "/new.tmp"  # one name a folder: what an interrupted write left is overwritten by the next


def sweep(folder: str) -> None:
    """Remove what an interrupted write left."""
    remove(_temporary(folder))


def read(path: str, limit: int = 0) -> bytes | None:
    """All of a file, None when there is none. Raises OSError; Damaged for one that is longer than a limit."""
    try:
        with open(path, "rb") as f:
            if limit and f.seek(0, 2) > limit:
                raise Damaged(f"{path} is longer than {limit} bytes")
            f.seek(0)
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
    """Rename what `prepare` wrote in this folder. Raises OSError."""
    try:
        os.rename(_temporary(folder), path)
    except OSError:
        if not clear(path):
            raise
        os.rename(_temporary(folder), path)


def prepare(folder: str, chunks: Iterable[bytes | bytearray | memoryview]) -> Generator[None]:
    """Write what `put` puts in a file's place. Yields about once a flash block, and before it looks for a place."""
    temporary = _temporary(folder)
    clear(temporary)
    yield
    try:
        with open(temporary, "wb") as f:
            yield
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
        try:
            remove(temporary)
        except OSError:
            pass  # the next one writes over it
        raise


def read_sealed(path: str, version: int) -> memoryview | None:
    """The body of a file made by write_sealed, None when there is no such file."""
    data = read(path, _LONGEST)
    if data is None:
        return None
    check_mark(path, data, version)
    body = memoryview(data)[_MARK + _DIGEST :]
    if digest(data[:_MARK], body) != data[_MARK : _MARK + _DIGEST]:
        raise Damaged(f"{path} is damaged")
    return body


def sealed(version: int, body: bytes | bytearray | memoryview) -> tuple[bytes | bytearray | memoryview, ...]:
    """The chunks of a sealed file: its mark, the digest of mark and body, the body."""
    head = mark(version)
    return head, digest(head, body), body


def write_sealed(path: str, version: int, body: bytes | bytearray | memoryview) -> Generator[None]:
    """Replace a file by this body under a mark and a digest; its folder is made. Raises OSError."""
    make_folder(path[: path.rfind("/")])
    yield
    yield from write(path, sealed(version, body))


# What there is only one of, in two folders: a bad block or a bad folder leaves the other. The first is written first,
# and its rename is what counts: where both are sound and differ, the first is right.


def places(root: str, name: str) -> tuple[str, str]:
    """Both of its files, the one that counts first."""
    return f"{root}/{name}", f"{root}/twin/{name}"


def keep(root: str, name: str, version: int, body: bytes | bytearray | memoryview) -> Generator[None]:
    """Write it to both places. Raises OSError."""
    for path in places(root, name):
        yield from write_sealed(path, version, body)
        yield


def load(root: str, name: str, version: int, report: Callable[[str], None]) -> bytes | None:
    """What is kept under that name; None when there is nothing to be read. A copy that is not right is made anew.

    Raises UnknownVersion when all that is there was written by another firmware.
    """
    first, second = places(root, name)
    found = _load(first, version, report)
    other = _load(second, version, report)
    good = found if isinstance(found, bytes) else other
    if isinstance(good, bytes):
        if found != other:
            report(f"{name}: one of its two copies is made anew")
            wrong = second if found is good else first
            attempt(lambda path: run(write_sealed(path, version, good)), wrong, report)
        return good
    for unknown in (found, other):
        if isinstance(unknown, UnknownVersion):
            raise unknown
    return None


def _load(path: str, version: int, report: Callable[[str], None]) -> bytes | UnknownVersion | None:
    for left in (1, 0):
        try:
            body = read_sealed(path, version)
            return None if body is None else bytes(body)
        except UnknownVersion as e:
            return e
        except (Damaged, OSError) as e:
            if not left:
                report(f"{path}: {e}")
    return None
