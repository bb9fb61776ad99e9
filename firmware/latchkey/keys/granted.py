# SPDX-License-Identifier: Apache-2.0
"""A grant is presented: whether its maker made it, what all who held it have left of it, and the key that is enrolled
for it (docs/protocol.md, "Grants"). Of public-key work there is that key's one agreement, once all else holds."""

import asyncio
import struct

from micropython import const

from latchkey import crypto
from latchkey.crypto import CryptoError, publickey
from latchkey.keys import labels, makers, policy, spent
from latchkey.keys.asked import NO_KEY, Change
from latchkey.keys.makers import Brought, Refused
from latchkey.keys.record import BARRED, Record
from latchkey.wire import grantmessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import Grant, GrantFault, Limits, LogKind, Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain

_MOST = const(4)
_RANKS = const(b"\x00\x00\x00\x04\x01\x01\x02\x00\x03")  # by Role, as in roster/lookup.py; 0: it cannot be granted
_FOR_THE_CARD = const(8)  # as in keys/whitelist.py


class Presented(Brought):
    """By anybody, over any connection."""

    _gone: tuple[bytes, ...] = ()  # a dead key, whose place it takes

    async def prepare(self, keychain: Keychain) -> None:
        """What only a grant that holds is worth: a look at the curve, and for a place. Raises Refused, OSError."""
        public = self.plan(keychain).public
        await asyncio.sleep_ms(0)  # each look takes a board some 7 ms
        try:
            publickey.validate_public(public)
        except CryptoError:
            raise self._refused(Refused(GrantFault.KEY, "not a point of P-256"))
        if not await spent.make_room(keychain, self._maker):
            raise self._refused(Refused(GrantFault.FULL, "too many makers"))
        await asyncio.sleep_ms(0)
        if keychain.count < keychain.CAPACITY - _FOR_THE_CARD or keychain.find(public, True):
            return
        self._gone = tuple(await self._granted(keychain, lambda record: _dead(record, keychain), 1))
        if not self._gone:
            raise self._refused(Refused(GrantFault.FULL, "full"))

    async def look(self, keychain: Keychain) -> bool:
        """Whether there is anything to do. Raises Refused."""
        return self.plan(keychain).needs_agreement

    def _planned(self, keychain: Keychain) -> Change:
        """One that this grant has brought already is as it is."""
        told = self._told
        number: int = told.get(Grant.number, 0)
        chain = _chain(memoryview(told.get(Grant.limits, b"")))
        if not 0 < number < spent.ALL:
            raise Refused(GrantFault.ENCODING, "number")
        self._maker = maker = makers.maker(keychain, told.get(Grant.handle, 0))
        tag = makers.subkey(maker, b"latchkey grant")
        head = b"latchkey" + struct.pack(">II", maker.slot + 1, number)
        for link in chain:
            tag = crypto.hmac_sha256(tag, head, link)[: makers.TAG]
            head = b""
        makers.check(tag, told.get(Grant.tag, b""))
        record = _left(chain, keychain.clock.time())
        record.signer = maker.id
        record.number = number
        numbers = spent.read(keychain.root, maker)
        old = keychain.find(record.public, True)
        known = old and keychain.find(record.public)
        if numbers.has(number):
            if known and known.origin == Origin.GRANT and (known.number, known.signer) == (number, maker.id):
                return Change(LogKind.ENROLLED, known, by="grant")
            raise Refused(GrantFault.SPENT, "presented or revoked before")
        if known and not _dead(known, keychain):
            raise Refused(GrantFault.KEY, "it is enrolled")
        if (old and old.flags & BARRED) or (keychain.roster and keychain.roster.lists(record.public)):
            raise Refused(GrantFault.KEY, "an owner or a roster has the say about it")
        numbers.add(number)
        change = Change(LogKind.ENROLLED, record, self._gone, by="grant")
        change.detail = number
        change.spent = spent.name(maker) + numbers.pack()
        return change


asked = Presented


def _dead(record: Record, keychain: Keychain) -> bool:
    """A grant brought it, and it will never do anything again. Raises OSError."""
    if record.origin != Origin.GRANT:
        return False
    from latchkey.keys import limits  # rare

    return limits.dead(record, keychain)


def _chain(raw: memoryview) -> list[memoryview]:
    """The encoding of each Limits. Raises Refused."""
    found = []
    while raw:
        end = 1 + raw[0]
        found.append(raw[1:end])
        if end > len(raw) or len(found) > _MOST:
            break
        raw = raw[end:]
    if raw or not found:
        raise Refused(GrantFault.ENCODING, "limits")
    return found


def _left(chain: list[memoryview], now: int) -> Record:
    """The key with what all of them allow. Raises Refused, DecodeError, ValueError."""
    role = not_before = not_after = uses = seconds = 0
    rank = _MOST
    commands = spent.ALL
    label = key = b""
    for link in chain:
        told = decode(grantmessages.LIMITS, link)
        if encode(grantmessages.LIMITS, {number: told[number] for number in told if told[number]}) != link:
            raise Refused(GrantFault.ENCODING, "not the one encoding")
        if key:
            raise Refused(GrantFault.KEY, "limits behind the key")
        key = told.get(Limits.key, b"")
        named = told.get(Limits.role, role)
        if not named < len(_RANKS) or not 0 < _RANKS[named] <= rank:
            raise Refused(GrantFault.LIMITS, "role")
        role = named
        rank = _RANKS[role]
        commands &= told.get(Limits.commands, spent.ALL)
        not_before = max(not_before, told.get(Limits.not_before, 0))
        not_after = _least(not_after, told.get(Limits.not_after, 0))
        uses = _least(uses, told.get(Limits.uses, 0))
        seconds = _least(seconds, told.get(Limits.seconds, 0))
        label = told.get(Limits.label, label)
    if len(key) != 65 or key[0] != 4:
        raise Refused(GrantFault.KEY, "no key")
    record = Record(
        bytes(key),
        NO_KEY,
        role,
        origin=Origin.GRANT,
        label=labels.text(label),
        seconds=seconds,
        commands=commands if commands != spent.ALL else 0,
        not_before=not_before,
        not_after=not_after,
        uses=uses,
    )
    if not commands or not policy.allowed(record) or (not_after and max(not_before, now) >= not_after):
        raise Refused(GrantFault.LIMITS, "nothing is left")
    return record


def _least(a: int, b: int) -> int:
    """The lower of two limits; 0 is none."""
    return min(a, b) or max(a, b)
