# SPDX-License-Identifier: Apache-2.0
"""Grants are taken back: their numbers are spent first, then the keys that came by them go (docs/protocol.md,
"Revocation")."""

from micropython import const

from latchkey import crypto
from latchkey.keys import makers, policy, spent
from latchkey.keys.asked import Change
from latchkey.keys.makers import Brought, Refused
from latchkey.wire import grantmessages
from latchkey.wire.pb import encode
from latchkey.wire.schema import GrantFault, LogKind, Permission, Revocation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

_BATCH = const(8)  # keys that go with one change
_MOST = const(128)  # bytes of numbers in one message


class Revoked(Brought):
    """By anybody with an owner's tag, or signed by an owner."""

    _gone: tuple[bytes, ...] = ()

    async def prepare(self, keychain: Keychain) -> None:
        """Raises Refused, OSError."""
        await self.look(keychain)
        if not await spent.make_room(keychain, self._maker(keychain)):
            raise self._refused(Refused(GrantFault.FULL, "too many makers"))

    async def look(self, keychain: Keychain) -> bool:
        """Look for keys that came by them: whether there is anything to do. Raises Refused, OSError."""
        change = self.plan(keychain)
        signer = change.key_id

        def named(record: Record) -> bool:
            return record.signer == signer and (record.number < self._below or record.number in self._numbers)

        gone = await self._granted(keychain, named, _BATCH + 1)
        self.more = len(gone) > _BATCH
        self._gone = tuple(gone[:_BATCH])
        return bool(gone or change.spent)

    def _planned(self, keychain: Keychain) -> Change:
        """Where all are spent, and no key is left, there is nothing to do."""
        maker = self._maker(keychain)
        raw = bytes(self._told.get(Revocation.numbers, b""))
        self._below = self._told.get(Revocation.below, 0)
        self._numbers = [int.from_bytes(raw[at : at + 4], "big") for at in range(0, len(raw), 4)]
        highest = max(self._numbers + [self._below - 1])
        if len(raw) % 4 or len(raw) > _MOST or not 0 <= highest < spent.ALL:
            raise Refused(GrantFault.ENCODING, "numbers")
        numbers = spent.read(keychain.root, maker)
        before = numbers.pack()
        numbers.close(self._below)
        for number in self._numbers:
            numbers.add(number)
        change = Change(LogKind.REVOKED, None, self._gone, by="revocation")
        change.public = maker.public
        change.detail = highest
        if numbers.pack() != before:
            change.spent = spent.name(maker) + numbers.pack()
        return change

    def _maker(self, keychain: Keychain) -> Record:
        """Whose grants they are. Raises Refused."""
        told = self._told
        handle = told.get(Revocation.maker, 0)
        owner = keychain.find(self.actor) if self.actor else makers.maker(keychain, told.get(Revocation.handle, 0))
        maker = keychain.find_slot(handle - 1) if handle else owner
        if not owner or not maker or not policy.permitted(owner, Permission.CHANGE_KEY, keychain):
            raise Refused(GrantFault.MAKER, "no owner, or no maker")
        if not self.actor:
            said = encode(grantmessages.REVOCATION, {n: told[n] for n in told if told[n] and n != Revocation.tag})
            whose = spent.name(maker) if handle else b""
            tag = crypto.hmac_sha256(makers.subkey(owner, b"latchkey revoke"), b"latchkey", said, whose)
            makers.check(tag, told.get(Revocation.tag, b""))
        return maker


asked = Revoked
