# SPDX-License-Identifier: Apache-2.0
"""A car whose owner makes grants, as a boot finds it; and what guests and couriers bring to it."""

import asyncio
import struct

from errors import Board, booted

from latchkey import crypto
from latchkey.clock import Clock
from latchkey.keys import spent
from latchkey.keys.granted import Presented
from latchkey.keys.makers import Refused
from latchkey.keys.revoking import Revoked
from latchkey.store import files
from latchkey.wire import grantmessages
from latchkey.wire.pb import encode
from latchkey.wire.schema import Grant, GrantFault, Limits, Revocation, Role, ToLatchkey
from ramflash import ROOT, QuickFlash, key, public

SALT = 0x01020304
MAKERS = 16


def owner():
    return key(1, number=SALT)


class Lending(Board):
    """A boot, which never raises."""

    def __init__(self, image, flash=QuickFlash, error=None):
        super().__init__(image, flash, error)
        self.keys.clock = Clock()

    def spent(self):
        return spent.read(ROOT, owner()).pack()

    def seen(self):
        """All there is to see of it, what is spent too."""
        return super().seen(), self.spent()


def grant(i, number, **limits):
    """A ToLatchkey with the owner's grant of that number, for key i."""
    chain = [{"role": Role.GUEST}, dict(limits, key=public(i))]
    encoded = [_limits(**fields) for fields in chain]
    tag = crypto.hmac_sha256(owner().shared, b"latchkey grant", struct.pack(">I", SALT))
    head = b"latchkey" + struct.pack(">II", 1, number)
    for link in encoded:
        tag = crypto.hmac_sha256(tag, head, link)[:16]
        head = b""
    told = {
        Grant.handle: 1, Grant.number: number, Grant.tag: tag,
        Grant.limits: b"".join(bytes((len(link),)) + link for link in encoded),
    }  # fmt: skip
    return encode(grantmessages.TO_LATCHKEY, {ToLatchkey.grant: told})


def _limits(**fields):
    return encode(grantmessages.LIMITS, {getattr(Limits, name): value for name, value in fields.items()})


def revocation(*numbers, below=0):
    """A ToLatchkey with the owner's."""
    told = {Revocation.handle: 1, Revocation.below: below or None}
    told[Revocation.numbers] = b"".join(struct.pack(">I", number) for number in numbers) or None
    subkey = crypto.hmac_sha256(owner().shared, b"latchkey revoke", struct.pack(">I", SALT))
    told[Revocation.tag] = crypto.hmac_sha256(subkey, b"latchkey", encode(grantmessages.REVOCATION, told))[:16]
    return encode(grantmessages.TO_LATCHKEY, {ToLatchkey.revoke: told})


def present(i, number):
    """The act of a guest: as enrolment does it, but for its agreement. Again is the same as once."""
    data = grant(i, number)

    async def act(board):
        await board.keys.settle()
        asked = Presented(data, None, None)
        if not await asked.look(board.keys):
            return
        if not await spent.make_room(board.keys, board.keys.find_slot(0)):
            raise AssertionError("full")
        change = asked.plan(board.keys)
        change.record.shared = b"k" * 16
        await change.make(board.keys, board.keys.clock)

    return act


def revoke(*numbers, below=0):
    """The act of a courier: as enrolment does it."""
    data = revocation(*numbers, below=below)

    async def act(board):
        await board.keys.settle()
        asked = Revoked(data, None, None)
        asked.more = True
        while asked.more:
            await asked.prepare(board.keys)
            change = asked.plan(board.keys)
            if change.spent or change.remove:
                await change.make(board.keys, board.keys.clock)

    return act


def refused(board, i, number):
    """The GrantFault that key i hears for that number; 0: it is, or would be, enrolled."""
    try:
        Presented(grant(i, number), None, None).plan(board.keys)
    except Refused as refusal:
        return refusal.fault
    return 0


SPENT = GrantFault.SPENT


def lending(*acts):
    """The image of a car with an owner and a driver, after these acts."""
    board = Lending(booted(owner(), key(2, Role.DRIVER)))
    for act in acts:
        asyncio.run(act(board))
    return board.flash.image()


async def crowded(board):
    """Sixteen makers of before have left their files."""
    for i in range(MAKERS):
        name = "grants/" + spent.name(key(i + 500)).hex()
        await files.pace(files.keep(ROOT, name, spent.VERSION, spent.Spent().pack()))
