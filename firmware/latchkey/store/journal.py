# SPDX-License-Identifier: Apache-2.0
"""A change of several files as one: written down, carried out, forgotten.

The rename that puts the journal in place is the commit. From then on the change is carried out to its end, at the
next boot if need be, so carrying it out twice must give the same as once. A new commit takes the place of one that is
still pending: whoever commits without looking at it means to.
"""

import asyncio
import os

from micropython import const

from latchkey.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_VERSION = const(1)
lock = asyncio.Lock()  # there is one journal: one change at a time
KEYS = const(1)
PROVISION = const(2)


def _path(root: str) -> str:
    return root + "/journal/redo"


def pending(root: str, report: Callable[[str], None]) -> tuple[int, memoryview] | None:
    """The (kind, body) of a committed change that may not have been carried out. A damaged one is set aside."""
    files.make_folder(root)  # on a board that has one file system it is a folder, and no mount point
    files.make_folder(root + "/journal")
    files.sweep(root + "/journal")
    path = _path(root)
    try:
        data = files.read_sealed(path, _VERSION)
    except files.Damaged as e:
        os.rename(path, root + "/journal/damaged")
        report(str(e))
        return None
    if not data:
        return None
    return data[0], data[1:]


def commit(root: str, kind: int, body: bytes | bytearray) -> Generator[None]:
    files.make_folder(root + "/journal")
    return files.write_sealed(_path(root), _VERSION, bytes((kind,)) + body)


def clear(root: str) -> None:
    files.remove(_path(root))
