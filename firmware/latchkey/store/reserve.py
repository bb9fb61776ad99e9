# SPDX-License-Identifier: Apache-2.0
"""Room for what has been decided: a file that is deleted when a change that is written down finds the flash full.

Twelve blocks, for the worst change: the largest bucket written beside itself (1040 + 128 * 160 bytes: 6 blocks), the
journal (1), and what littlefs may ask for to move the metadata of the four folders that this touches (1 each, and 1 to
spare). Buckets are rewritten one after the other, and each gives back what it took.
"""

import os

from micropython import const

from latchkey import store
from latchkey.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

ENOSPC = const(28)
SIZE = const(48_896)  # of 12 blocks, what littlefs leaves of them
_CHUNK = const(128)


def _path(root: str) -> str:
    return root + "/reserve"


def whole(root: str) -> bool:
    """Whether it is there."""
    try:
        return bool(os.stat(_path(root))[6] == SIZE)
    except OSError:
        return False


def make(root: str) -> Generator[None]:
    """Make it, when it is not there; a flash that has no room for it is said by `whole` and by store.room."""
    try:
        if not whole(root):
            store.room = False
            yield
            yield from files.write(_path(root), _chunks())
        store.room = True
    except OSError:
        pass


def free(root: str) -> bool:
    """Set its room free. False when it was not there."""
    if not whole(root):
        return False
    store.room = False
    files.remove(_path(root))
    return True


def spending(root: str, steps: Callable[[], Generator[None]]) -> Generator[None]:
    """Do the steps; when they find no room, set the reserve free and do them again."""
    try:
        yield from steps()
    except OSError as e:
        if e.errno != ENOSPC or not free(root):
            raise
        yield from steps()


def _chunks() -> Iterator[bytes]:
    chunk = b"\xff" * _CHUNK
    for _ in range(SIZE // _CHUNK):
        yield chunk
