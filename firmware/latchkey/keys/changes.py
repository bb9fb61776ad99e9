# SPDX-License-Identifier: Apache-2.0
"""The keychain's changing half: loaded when a key is added or removed, and by a boot that finds a change to carry out.

A change is one journalled act. With its commit it is made: look-ups see it from then on (Buckets.pending), and it is
carried out bucket by bucket, now or, when the flash fails, before the next change or at the next boot.
"""

import asyncio
import struct

from micropython import const

from latchkey import store
from latchkey.keys import buckets
from latchkey.keys.record import NO_SLOT, SIZE, Record, key_id, unpack
from latchkey.store import files, formats, journal, reserve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from io import BufferedReader
    from typing import Protocol

    from latchkey.keys.buckets import Buckets, Pending

    class Keychain(Protocol):
        """What is changed (keys/keychain.py)."""

        CAPACITY: int
        root: str
        report: Callable[[str], None]
        buckets: Buckets
        slots: bytearray

        def find(self, public: bytes, old: bool = False) -> Record | None: ...
        def take(self, bucket: int) -> None: ...


_PUBLIC = const(65)
_WHOSE = const(8)  # of what is spent
_SPENT = const(140)
_HEAD = const(16)  # of a bucket
_INDEX = const(1040)
_VERSION = const(1)  # as in spent.py
_ENTRY = const("<4sHBB")  # as in buckets.py
_FREE = const(b"\xff")
_EIO = const(5)
_EROFS = const(30)
_ENOENT = const(2)
_ENOTDIR = const(20)
_EISDIR = const(21)

_index = bytearray(_INDEX)  # becomes the new one in place: look-ups come between the steps of a rewrite, with their own


class KeychainFull(Exception):
    """No slot, or no room in the key's bucket."""


class Change:
    """A change as the journal has it: (drop impermanent, adds) a byte each, the record, the public keys that go, and
    what is spent then."""

    def __init__(self, kind: int, body: bytearray | memoryview) -> None:
        self.body = body
        self.wipe = kind == journal.PROVISION
        self.add: Record | None = None
        self.drop = False
        self.gone: list[bytes] = []
        self.spent = b""
        if not self.wipe:
            end = len(body) - (_SPENT if kind == journal.GRANTS else 0)
            self.drop = bool(body[0])
            self.gone = [bytes(body[at : at + _PUBLIC]) for at in range(2 + SIZE * body[1], end, _PUBLIC)]
            self.spent = bytes(body[end:])
            if body[1]:
                self.add = self._added()
                self.gone.append(self.add.public)
        self._ids = [key_id(public) for public in self.gone]

    def _added(self) -> Record:
        return unpack(memoryview(self.body)[2 : 2 + SIZE])

    def find(self, pattern: bytes, phase: int, public: bytes | memoryview | None) -> Record | None:
        """Buckets.find, for the key that it adds."""
        add = self.add
        if add and public in (None, add.public) and pattern == (struct.pack("<H", add.slot) if phase else add.id):
            return self._added()  # one for each who asks: they are changed in place
        return None

    def touches(self, bucket: int) -> bool:
        """Whether the bucket has to be written anew."""
        return self.wipe or self.drop or any(buckets.of(id4) == bucket for id4 in self._ids)

    def may_hide(self, id4: bytes, flags: int) -> bool:
        """Whether it may replace or take away the key of this index entry: the record decides (`dropped`)."""
        return self.wipe or (self.drop and bool(flags & buckets.IMPERMANENT)) or id4 in self._ids

    def dropped(self, record: Record | None, id4: bytes) -> bool:
        """Whether it takes this record away. A damaged one (None) goes by its id."""
        if self.wipe or not record:
            return self.wipe or id4 in self._ids
        return (self.drop and record.impermanent) or record.public in self.gone


def prepare(keychain: Keychain) -> None:
    """For a boot: make what is missing, and finish what was interrupted. What fails is reported."""
    root = keychain.root
    for folder in (root, _new(root)):
        files.attempt(files.make_folder, folder, keychain.report)
    if buckets.missing(buckets.path(root, buckets.COUNT - 1)):
        create(root, keychain.report)
    for folder in [_new(root)] + [buckets.folder(root, bucket) for bucket in range(buckets.FOLDERS)]:
        files.attempt(files.sweep, folder, keychain.report)
    try:
        files.run(recover(keychain))
    except (OSError, MemoryError, formats.StoreError) as e:
        keychain.report(f"a change is not carried out yet: {e}")
    files.run(reserve.make(root))


async def settle(keychain: Keychain) -> None:
    """Keychain.settle."""
    try:
        with await store.alone():
            await files.pace(recover(keychain))
    except formats.StoreError as e:
        raise OSError(_EROFS, str(e))


async def apply(keychain: Keychain, add: Record | None, remove: Iterable[bytes], drop: bool, spent: bytes) -> None:
    """Keychain.apply."""
    try:
        with await store.alone():
            await files.pace(recover(keychain))
            await _apply(keychain, add, [bytes(public) for public in remove if len(public) == _PUBLIC], drop, spent)
    except formats.StoreError as e:
        raise OSError(_EROFS, str(e))


async def _apply(keychain: Keychain, add: Record | None, gone: list[bytes], drop: bool, spent: bytes) -> None:
    root = keychain.root
    await files.pace(reserve.make(root))
    await asyncio.sleep_ms(0)
    body = bytearray((drop, add is not None))
    grows = False
    keychain.buckets.failed = False
    if add:
        old = keychain.find(add.public, True)
        grows = not old
        if grows and not reserve.whole(root):
            raise OSError(reserve.ENOSPC, "no room to carry it out")  # what adds nothing may try
        add.slot = old.slot if old else await _free_slot(keychain, add, gone, drop)
        if add.vehicle == bytes(4):  # K is newly agreed, or was before this was written down
            add.vehicle = keychain.buckets.vehicle
        body += add.pack()
    for public in gone:
        body += public
    body += spent
    if keychain.buckets.failed:
        raise OSError(_EIO, "a bucket cannot be read")
    await asyncio.sleep_ms(0)
    kind = journal.GRANTS if spent else journal.KEYS
    change = Change(kind, body)
    await files.pace(_check(keychain.buckets, root, change))
    await files.pace(journal.commit(root, kind, body, not grows))
    keychain.buckets.pending = change  # from here on it is made
    try:
        await asyncio.sleep_ms(0)
        for bucket in range(buckets.COUNT):  # look-ups in between see the change all the same: it is pending
            if change.touches(bucket):
                keychain.take(bucket)
                await asyncio.sleep_ms(0)
    except (MemoryError, OSError):
        raise journal.Unclear  # RAM does not know it: let a restart read all of it
    try:
        await files.pace(_carry_out(keychain.buckets, root, change))
        await asyncio.sleep_ms(0)
        await files.pace(reserve.make(root))
    except (OSError, MemoryError) as e:
        keychain.report(f"a change is made, and will be carried out later: {e}")


def recover(keychain: Keychain) -> Generator[None]:
    """Carry out the change that is written down, if there is one. Raises OSError or StoreError while that fails."""
    change = keychain.buckets.pending
    if change is None:
        written = journal.pending(keychain.root, keychain.report)
        if written is None:
            return
        change = keychain.buckets.pending = Change(*written)
        for bucket in range(buckets.COUNT):
            if change.touches(bucket):
                try:
                    keychain.take(bucket)
                except OSError as e:
                    keychain.report(str(e))
                yield
    yield from _carry_out(keychain.buckets, keychain.root, change)


def _carry_out(keys: Buckets, root: str, change: Pending) -> Generator[None]:
    if change.wipe:
        yield from journal.redo(root, journal.PROVISION, memoryview(change.body))
    else:
        for bucket in range(buckets.COUNT):
            if change.touches(bucket):
                yield from reserve.spending(root, lambda: _rewrite(keys, root, bucket, change))  # noqa: B023 - at once
                yield
        if change.spent:
            yield from reserve.spending(root, lambda: _spend(root, change.spent))
    keys.pending = None
    journal.forget(root)


async def _free_slot(keychain: Keychain, add: Record, gone: list[bytes], drop: bool) -> int:
    """The lowest slot that is free, or that this change sets free."""
    slots = [keychain.slots.find(_FREE)]
    for public in gone:
        record = keychain.find(public, True)
        if record:
            slots.append(record.slot)
    home = buckets.of(add.id)
    for bucket in range(buckets.COUNT):
        if bucket == home or drop:
            entries = keychain.buckets.entries(bucket)
            if bucket == home and len(entries) == buckets.ROOM:
                raise KeychainFull("no room in this key's bucket")
            slots += [slot for _, slot, flags in entries if drop and flags & buckets.IMPERMANENT]
            await asyncio.sleep_ms(0)
    slots = [slot for slot in slots if 0 <= slot < keychain.CAPACITY]
    if not slots:
        raise KeychainFull("no free slot")
    return min(slots)


def _open(root: str, bucket: int) -> BufferedReader:
    """A bucket's file. One that is missing, or a folder, is made anew: its keys are lost."""
    where = buckets.path(root, bucket)
    try:
        return open(where, "rb")
    except OSError as e:
        if e.errno not in (_ENOENT, _ENOTDIR, _EISDIR):
            raise
    files.make_folder(buckets.folder(root, bucket))
    files.clear(where)
    open(where, "ab").close()
    return open(where, "rb")


def _check(keys: Buckets, root: str, change: Change) -> Generator[None]:
    """Raises OSError or UnknownVersion for a bucket that could not be rewritten: before anything is written down."""
    raw = bytearray(SIZE)
    for bucket in range(buckets.COUNT):
        if change.touches(bucket):
            with _open(root, bucket) as f:
                keys.load(f, buckets.path(root, bucket), _index)
                while f.readinto(raw):
                    pass
            yield


def _rewrite(keys: Buckets, root: str, bucket: int, change: Pending) -> Generator[None]:
    view = memoryview(_index)
    end_of_new = _HEAD
    keep: list[int] = []
    where = buckets.path(root, bucket)
    add = change.add if change.add and buckets.of(change.add.id) == bucket else None
    yield
    with _open(root, bucket) as f:
        end = keys.load(f, where, _index)
        for at in range(_HEAD, end, 8):
            id4, slot, _, flags = struct.unpack_from(_ENTRY, _index, at)
            if slot == NO_SLOT:
                continue
            if change.may_hide(id4, flags):
                record = keys.record(f, where, at)
                if change.dropped(record, id4) or (change.drop and not record):
                    continue
            view[end_of_new : end_of_new + 8] = view[at : at + 8]  # entries only move forward
            end_of_new += 8
            keep.append(at)
        if add:
            view[end_of_new : end_of_new + 8] = buckets.pack(add)
            end_of_new += 8
        elif end_of_new == end:
            return
        count = (end_of_new - _HEAD) // 8
        for at in range(end_of_new, _INDEX):
            _index[at] = 0
        view[:_HEAD] = formats.mark(buckets.VERSION) + bytes((count,)) + bytes(11)
        view[8:_HEAD] = formats.digest(view[:8], view[_HEAD:])
        files.make_folder(_new(root))
        yield from files.prepare(_new(root), _chunks(f, keep, add) if count else ())
        files.put(_new(root), where)


def _spend(root: str, spent: bytes) -> Generator[None]:
    files.make_folder(root + "/twin")  # whoever lost it: what is decided has to be carried out
    yield from files.keep(root, "grants/" + spent[:_WHOSE].hex(), _VERSION, memoryview(spent)[_WHOSE:])


def _new(root: str) -> str:
    """Where a bucket is written: littlefs reads all of a folder over and over to rename within it. Nothing else is in
    this one: a rename that is half done, on a flash that cannot be written any more, may hide what stands beside it."""
    return root + "/new"


def _chunks(f: BufferedReader, keep: list[int], add: Record | None) -> Iterator[bytearray]:
    raw = bytearray(SIZE)
    yield _index
    for at in keep:
        f.seek(_INDEX + (at - _HEAD) // 8 * SIZE)
        f.readinto(raw)
        yield raw
    if add:
        yield add.pack()


def create(root: str, report: Callable[[str], None]) -> None:
    """Make the bucket files that are not there; in a keychain that had others, each is told: it was lost."""
    lost = []
    for bucket in range(buckets.COUNT):
        if bucket < buckets.FOLDERS:
            files.attempt(files.make_folder, buckets.folder(root, bucket), report)
        where = buckets.path(root, bucket)
        files.attempt(files.clear, where, report)
        if buckets.missing(where):
            lost.append(where)
    for where in lost:
        if len(lost) < buckets.COUNT:
            report(f"{where}: lost, and its keys with it")
        files.attempt(lambda path: open(path, "ab").close(), where, report)


def wipe(root: str) -> Generator[None]:
    """Empty every bucket: carried out under a journal."""
    for bucket in range(buckets.COUNT):
        with _open(root, bucket) as f:
            empty = not f.seek(0, 2)
        if not empty:
            open(buckets.path(root, bucket), "wb").close()
        yield
