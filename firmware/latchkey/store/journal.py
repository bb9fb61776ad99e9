# SPDX-License-Identifier: Apache-2.0
"""A change of several files as one: written down, carried out, forgotten.

The rename that puts the journal in place is the commit. From then on the change is made, whatever becomes of carrying
it out: that is done to its end, at a later boot if need be, so carrying it out twice must give the same as once. A new
commit takes the place of one that is still there: whoever commits has carried that one out first, or means to.
"""

import os
import sys

from micropython import const

from latchkey import store
from latchkey.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

KEYS = const(1)  # the kinds of changes there are
PROVISION = const(2)
GRANTS = const(3)  # keys, and which grants are spent

_VERSION = const(1)
_TRIES = const(3)
_SPARE = const(8)  # pieces of heap for what follows a commit at once: it may not fail
_PIECE = const(512)  # bytes of one, which is more than any of it needs together


class Unclear(Exception):
    """The flash does not say whether a change is written down. What it says after a restart will hold."""


def register(kind: int, name: str) -> None:
    """Its `redo(root, body)` carries out a change of that kind. By name: it is loaded for that alone."""
    store.owners[kind] = name


def redo(root: str, kind: int, body: memoryview) -> Generator[None]:
    """Carry out a change that is written down, as its owner does. Raises OSError, StoreError."""
    __import__(store.owners[kind])
    yield from sys.modules[store.owners[kind]].redo(root, body)


def path(root: str) -> str:
    """The one file whose rename is the commit."""
    return root + "/journal/redo"


def pending(root: str, report: Callable[[str], None]) -> tuple[int, memoryview] | None:
    """The (kind, body) of a committed change that may not have been carried out. A damaged one is set aside.

    Raises UnknownVersion for one that another firmware wrote, which stays.
    """
    for left in range(_TRIES, 0, -1):
        try:
            body = files.read_sealed(path(root), _VERSION)
            if not body:
                return None
            if not KEYS <= body[0] <= GRANTS:
                raise files.UnknownVersion("the journal's change", body[0])
            return body[0], body[1:]
        except (files.Damaged, OSError) as e:
            if left > 1:
                continue  # a bad read may be a passing one; an acknowledged change would be lost with it
            report(f"journal: set aside, {e}")
            try:
                os.rename(path(root), root + "/journal/damaged")
            except OSError:
                files.attempt(files.clear, path(root), report)
    return None


def commit(root: str, kind: int, body: bytes | bytearray, spend: bool = False) -> Generator[None]:
    """Raises OSError when nothing is committed; Unclear. With `spend`, it may use the reserve."""
    from latchkey.store import reserve

    folder = root + "/journal"

    def steps() -> Generator[None]:
        files.make_folder(root)  # on a board that has one file system it is a folder, and no mount point
        files.make_folder(folder)
        yield
        yield from files.prepare(folder, files.sealed(_VERSION, bytes((kind,)) + body))

    yield from reserve.spending(root, steps) if spend else steps()
    [bytearray(_PIECE) for _ in range(_SPARE)]  # raises MemoryError now, and not then
    try:
        files.put(folder, path(root))
    except OSError as error:
        # It may have been done all the same, or littlefs may still hold it and write it with the next thing that it
        # writes. What is written after it is what holds: nothing.
        for _ in range(_TRIES):
            try:
                yield from files.write(path(root), files.sealed(_VERSION, b""))
                break
            except OSError:
                yield
        else:
            raise Unclear
        forget(root)
        raise error


def clear(root: str) -> None:
    """Forget the change that is written down. Raises OSError."""
    files.remove(path(root))


def forget(root: str) -> None:
    """Clear it once its change is carried out. One that stays does no harm: it is done again, or written over."""
    try:
        clear(root)
    except OSError as e:
        print("journal:", e)
