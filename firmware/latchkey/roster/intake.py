# SPDX-License-Identifier: Apache-2.0
"""Takes parcels, one at a time, from whoever brings them, until a roster is whole and in force (R3 to R14).

Nothing changes before a signature has been verified, and nothing that a key is asked about before all of a roster is
written. What is under way is kept with the roster (`coming`), so that this can leave when nobody comes for a while.
"""

import asyncio

from micropython import const

from latchkey import crypto, store
from latchkey.faults import Fault
from latchkey.keys import labels
from latchkey.roster import kept, lookup, parcels
from latchkey.roster.kept import order
from latchkey.roster.parcels import Declined
from latchkey.store import files, formats, journal
from latchkey.wire import authoritymessages as messages
from latchkey.wire.schema import (
    AuthorityChange,
    Decline,
    Delegation,
    Head,
    LogKind,
    MessageFault,
    Origin,
    Parcel,
    Part,
    Signed,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.roster.held import Roster
    from latchkey.roster.kept import State
    from latchkey.store.accesslog import AccessLog
    from latchkey.wire.pb import Fields

    class Sessions(Protocol):
        """What ends with a roster."""

        def drop(self, public: bytes | None = None, origin: int = 0) -> None: ...


_KEY = const(65)
_MOST_SIGNERS = const(4)
_MOST_IN_PART = const(8)
_BATCH = const(39 * 104)  # bytes written at a time: most of a flash block
_LIE = const(10 * 366 * 86400)  # seconds that a car's time is not ahead by itself of a roster that is published
_TOLD = const(8)  # wishes that are in the log, of one roster


class Intake:
    """`roster` is what it fills, of a car with that VIN. `unload` drops this module and those it needs."""

    def __init__(
        self,
        roster: Roster,
        keychain: Keychain,
        sessions: Sessions,
        log: AccessLog,
        vin: bytes,
        unload: Callable[[], None],
    ) -> None:
        self._roster = roster
        self._keychain = keychain
        self._sessions = sessions
        self._log = log
        self._vin = vin
        self._unload = unload
        self._job = asyncio.Lock()
        self._batch = bytearray()

    def drop(self) -> None:
        """Make room. Raises Fault BUSY while a parcel is being taken."""
        if self._job.locked():
            raise Fault(MessageFault.BUSY, "a parcel is being taken")
        try:
            self._write()
        except OSError:
            self._roster.coming = None
        self._roster.intake = None
        self._unload()

    async def take(self, parcel: Fields, plain: bytes) -> None:
        """Take one that was looked at and opened just now, and is not known. Raises Declined; OSError and MemoryError
        too, after which all is as before; journal.Unclear: only a restart tells."""
        if self._job.locked():
            raise Declined(Decline.BUSY)
        async with self._job:
            if not parcel.get(Parcel.version, 0):
                await self._delegation(parcel, plain)
            elif not parcel.get(Parcel.part, 0):
                await self._head(parcel, plain)
            else:
                await self._part(plain)

    async def _delegation(self, parcel: Fields, plain: bytes) -> None:
        state = self._roster.state
        signed, body = parcels.signed(plain)
        told = parcels.read(messages.DELEGATION, body)
        root = bytes(told.get(Delegation.root, b""))
        signers = bytes(told.get(Delegation.signers, b""))
        generation = told.get(Delegation.generation, 0)
        if len(root) != _KEY or len(signers) % _KEY or not _KEY <= len(signers) <= _MOST_SIGNERS * _KEY:
            raise Declined(Decline.ENCODING)
        if not generation or generation != parcel.get(Parcel.generation, 0) or Signed.signer in signed:
            raise Declined(Decline.ENCODING)
        await parcels.verify(state.root, b"latchkey delegation", body, signed.get(Signed.signature, b""))
        if root != state.root:
            await parcels.verify(root, b"latchkey delegation", body, signed.get(Signed.successor, b""))
        elif Signed.successor in signed:
            raise Declined(Decline.ENCODING)
        changed = kept.unpack(kept.pack(state))
        changed.root = root
        changed.generation = generation
        changed.delegation = formats.digest(body)
        changed.signers = signers
        changed.time = self._roster.time
        self._forget()  # it was signed by who may not count any more
        await self._put(changed)
        self._log.append(LogKind.AUTHORITY, "", None, 0, 0, AuthorityChange.DELEGATED)

    async def _head(self, parcel: Fields, plain: bytes) -> None:
        state = self._roster.state
        signed, body = parcels.signed(plain)
        told = parcels.read(messages.HEAD, body)
        coming = kept.unpack(kept.pack(state))
        coming.made = told.get(Head.generation, 0)
        coming.version = told.get(Head.version, 0)
        coming.keys = told.get(Head.keys, 0)
        coming.hash = bytes(told.get(Head.first, b""))
        if order(coming) != parcels.order(parcel)[:2]:
            raise Declined(Decline.ENCODING)
        if len(coming.hash) != (32 if coming.keys else 0) or Signed.successor in signed:
            raise Declined(Decline.ENCODING)
        if bytes(told.get(Head.vin, b"")) != self._vin:
            raise Declined(Decline.VIN)
        coming.digest = formats.digest(body)
        under_way = self._roster.coming
        if under_way and order(coming) < order(under_way):
            raise Declined(Decline.OLD)
        if coming.made != state.generation:
            raise Declined(Decline.GENERATION)
        signer = state.signers[_KEY * signed.get(Signed.signer, 0) :][:_KEY]
        await parcels.verify(signer, b"latchkey roster", body, signed.get(Signed.signature, b""))
        coming.issued = told.get(Head.issued, 0)
        coming.expires = told.get(Head.expires, 0)
        coming.interval = told.get(Head.interval, 0)
        coming.place = 1 - state.place
        coming.wishes = 0
        self._forget()
        if not coming.keys:
            await self._finish(coming)
            return
        with await store.alone():
            if not store.room:
                raise OSError  # what is free is kept for the keys
            files.make_folder(self._roster.root + "/roster")
            files.clear(self._path(coming))
            open(self._path(coming), "wb").close()
        coming.part = 1
        self._roster.coming = coming

    async def _part(self, plain: bytes) -> None:
        coming = self._roster.coming
        if coming is None or crypto.sha256(plain) != coming.hash:
            raise Declined(Decline.PART)
        told = parcels.read(messages.PART, plain)
        entries = bytes(told.get(Part.entries, b""))
        coming.hash = bytes(told.get(Part.next, b""))
        count, rest = divmod(len(entries), lookup.ENTRY)
        coming.count += count
        coming.part += 1
        try:
            if rest or not 0 < count <= _MOST_IN_PART or len(coming.hash) not in (0, 32):
                raise ValueError
            if coming.count > coming.keys or (coming.count < coming.keys and not coming.hash):
                raise ValueError
            for at in range(0, len(entries), lookup.ENTRY):
                self._entry(entries[at : at + lookup.ENTRY], coming)
            if not coming.hash or len(self._batch) > _BATCH - _MOST_IN_PART * lookup.SIZE:
                with await store.alone():
                    self._write()
                await asyncio.sleep_ms(0)
            if not coming.hash:
                await self._finish(coming)
        except ValueError:
            self._forget()
            raise Declined(Decline.ENTRIES)
        except (OSError, MemoryError):
            self._forget()
            raise

    def _entry(self, entry: bytes, coming: State) -> None:
        """Check one, and put it among those to write. Raises ValueError."""
        label = entry[-24:].rstrip(b"\0")
        if entry[:64] <= coming.last or not lookup.rank(entry[64]) or entry[66:68] != b"\0\0" or b"\0" in label:
            raise ValueError
        labels.text(label)
        coming.last = entry[:64]
        self._batch += entry
        self._batch += formats.digest(entry, coming.digest)

    def _write(self) -> None:
        if self._batch and self._roster.coming:
            with open(self._path(self._roster.coming), "ab") as f:
                f.write(self._batch)
        self._batch = bytearray()

    async def _finish(self, coming: State) -> None:
        if lookup.lost(self._roster.root, coming.place, coming.keys):
            raise OSError
        wishes: list[tuple[bytes, int]] = []  # (id, role asked for) of keys of others that would have less of it (R14)
        keychain = self._keychain
        for slot in range(keychain.CAPACITY):
            record = keychain.find_slot(slot)
            if record and record.origin != Origin.ROSTER:
                role = self._wish(record, coming)
                if role is not None:
                    coming.wishes += 1
                    if len(wishes) < _TOLD:
                        wishes.append((record.id, role))
            if record or not slot & 0xFF:
                await asyncio.sleep_ms(0)
        known = self._roster.time
        if coming.made > self._roster.state.made and known - coming.issued > _LIE:
            known = 0  # a thief of the signing key said so, whom a later generation has ended
        coming.time = max(known, coming.issued)
        await self._put(coming)
        self._forget()
        self._log.append(LogKind.ROSTER, "", None, 0, 0, coming.version)
        for key_id, role in wishes:
            self._log.append(LogKind.WISH, "", key_id, 0, 0, role)

    def _wish(self, record: Record, coming: State) -> int | None:
        entry = lookup.find(self._roster.root, coming.place, coming.keys, coming.digest, record.public)
        if entry is None:
            return None if lookup.lists(self._roster, record.public) is None else 0
        less = any(entry[68:72]) or lookup.rank(entry[64]) < lookup.rank(record.role)
        return entry[64] if less else None

    async def _put(self, state: State) -> None:
        roster = self._roster
        with await store.alone():
            if self._keychain.roster is not roster:
                raise Declined(Decline.NO_AUTHORITY)  # its owner has meanwhile chosen another one
            await kept.keep(roster.root, state, roster.state)
            try:
                roster.take(state, roster.floor)
            except MemoryError:
                raise journal.Unclear  # RAM does not know it: let a restart read it
            self._sessions.drop(None, Origin.ROSTER)

    def _path(self, state: State) -> str:
        return lookup.path(self._roster.root, state.place)

    def _forget(self) -> None:
        self._roster.coming = None
        self._batch = bytearray()
