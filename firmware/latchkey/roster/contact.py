# SPDX-License-Identifier: Apache-2.0
"""The first time that a listed key's phone says hello: K is agreed and kept, then the handshake is answered (R16)."""

import asyncio

from micropython import const

from latchkey.faults import KeyRefused
from latchkey.keys.asked import NO_KEY, Asked, Change
from latchkey.keys.record import Record
from latchkey.wire.schema import LogKind, Origin, Role
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain

_FOR_THE_CARD = const(8)  # as in keys/whitelist.py


class Contact(Asked):
    """`operation` is the public key. Nobody signs a hello, and no card is waited for: the roster has the say."""

    _gone: tuple[bytes, ...] = ()  # a withdrawn key, whose place it takes

    async def prepare(self, keychain: Keychain) -> None:
        """Look for a place where there is none (R20)."""
        if keychain.count < keychain.CAPACITY - _FOR_THE_CARD or keychain.find(self.operation, True):
            return
        for slot in range(keychain.CAPACITY):
            record = keychain.find_slot(slot, True)
            if record and record.origin == Origin.ROSTER and not keychain.find(record.public):
                self._gone = (record.public,)
                return
            await asyncio.sleep_ms(0)
        raise KeyRefused(Refusal.WHITELIST_FULL, "full")

    def plan(self, keychain: Keychain) -> Change:
        """Raises KeyRefused."""
        roster = keychain.roster
        if not roster or not roster.lists(self.operation, True):
            raise KeyRefused(Refusal.PUBLIC_KEY_NOT_ON_WHITELIST, "not listed any more")
        record = Record(self.operation, NO_KEY, Role.NONE, origin=Origin.ROSTER)
        return Change(LogKind.ENROLLED, record, self._gone, by="roster")

    def done(self, code: int, signer: bytes | None) -> None:
        """Whatever became of it: the handshake says whether the key is enrolled."""
        self.reply.hello(self.operation, self.reply)


asked = Contact
