# SPDX-License-Identifier: Apache-2.0
"""What the tests of grants and revocations share: the car and the owner of the vectors, and a maker of other ones."""

import os
import struct

import grant_vectors as vectors
from latchkey import crypto
from latchkey.keys import spent
from latchkey.keys.makers import Refused
from latchkey.wire import grantmessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import Grant, GrantAnswer, Limits, Revocation, Role, ToLatchkey
from ramflash import ROOT, fresh
from support import Conn, Keys, owner

SHARED, SALT = bytes.fromhex(vectors.SHARED), 0x01020304
OWNER, GUEST, OTHER = (bytes.fromhex(public) for public in (vectors.OWNER, vectors.GUEST, vectors.OTHER))
UNTIL = 1_801_526_400
FAULTS = ("NONE", "ENCODING", "MAKER", "TAG", "SPENT", "LIMITS", "KEY", "FULL", "FLASH", "BUSY")
_NUMBERS = {
    "role": Limits.role, "commands": Limits.commands, "not_before": Limits.not_before, "not_after": Limits.not_after,
    "uses": Limits.uses, "seconds": Limits.seconds, "key": Limits.key, "label": Limits.label,
}  # fmt: skip
NONE, ENCODING, MAKER, TAG, SPENT, LIMITS, KEY, FULL, FLASH = range(9)


class Reply:
    """Keeps the GrantFaults that it is answered with."""

    verified = None

    def __init__(self, conn=None):
        self.conn = conn or Conn()
        self.told = []

    def payload(self, payload, fault=0):
        told = decode(grantmessages.FROM_LATCHKEY, payload)
        self.told.append(told[told[0]].get(GrantAnswer.fault, 0))


def car(*others, **fields):
    """The keychain of the vectors' car, with its flash, and these keys beside the owner."""
    fresh()
    os.mkdir(ROOT + "/twin")
    keys = Keys(owner(OWNER, SHARED, number=SALT, **fields), *others)
    keys.root = ROOT
    return keys


def grant(message):
    """A ToLatchkey with a vector's Grant in it."""
    return _inside(ToLatchkey.grant, bytes.fromhex(message))


def revocation(message):
    """The same with its Revocation."""
    return _inside(ToLatchkey.revoke, bytes.fromhex(message))


def _inside(field, message):
    size = len(message)
    return bytes((field << 3 | 2,) + ((size,) if size < 128 else (size & 0x7F | 0x80, size >> 7))) + message


def limits(**fields):
    """One encoding of these."""
    return encode(grantmessages.LIMITS, {_NUMBERS[name]: value for name, value in fields.items()})


def made(*chain, handle=1, number=7, tag=None):
    """A ToLatchkey with a grant of the owner's, of these Limits."""
    key = crypto.hmac_sha256(SHARED, b"latchkey grant", struct.pack(">I", SALT))
    head = b"latchkey" + struct.pack(">II", handle, number)
    for link in chain:
        key = crypto.hmac_sha256(key, head, link)[:16]
        head = b""
    told = {
        Grant.handle: handle, Grant.number: number, Grant.tag: key if tag is None else tag,
        Grant.limits: b"".join(bytes((len(link),)) + link for link in chain),
    }  # fmt: skip
    return encode(grantmessages.TO_LATCHKEY, {ToLatchkey.grant: told})


def taken_back(numbers=(), below=0, maker=0, whose=b"", handle=1, tag=None):
    """A ToLatchkey with a revocation of the owner's."""
    told = {
        Revocation.handle: handle, Revocation.maker: maker or None, Revocation.below: below or None,
        Revocation.numbers: b"".join(struct.pack(">I", number) for number in numbers) or None,
    }  # fmt: skip
    key = crypto.hmac_sha256(SHARED, b"latchkey revoke", struct.pack(">I", SALT))
    said = encode(grantmessages.REVOCATION, told)
    told[Revocation.tag] = crypto.hmac_sha256(key, b"latchkey", said, whose)[:16] if tag is None else tag
    return encode(grantmessages.TO_LATCHKEY, {ToLatchkey.revoke: told})


def fault(asked, keys):
    """The GrantFault that it is refused with; the answer has the same."""
    try:
        asked.plan(keys)
    except Refused as refused:
        answer = decode(grantmessages.FROM_LATCHKEY, refused.answer)
        assert answer[answer[0]][GrantAnswer.fault] == refused.fault
        return refused.fault
    return NONE


def bound(**fields):
    """The limits of a guest's grant and the ones with its key."""
    return limits(role=Role.GUEST, **fields), limits(key=GUEST)


def spend(keys, maker, *numbers):
    """As if these had come before."""
    found = spent.read(ROOT, maker)
    for number in numbers:
        found.add(number)
    from latchkey.store import files

    files.run(files.keep(ROOT, "grants/" + spent.name(maker).hex(), spent.VERSION, found.pack()))
