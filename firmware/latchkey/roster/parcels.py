# SPDX-License-Identifier: Apache-2.0
"""A parcel looked at, opened and read: order, seal, one encoding, signature (docs/protocol.md, "The authority").

Nothing here changes anything; what is wrong raises Declined.
"""

import struct

from latchkey import crypto
from latchkey.roster import kept, lookup
from latchkey.store import formats
from latchkey.wire import authoritymessages
from latchkey.wire.pb import DecodeError, decode, encode
from latchkey.wire.schema import Decline, Parcel, Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.roster.held import Roster
    from latchkey.wire.pb import Fields, Table


class Declined(Exception):
    """By a Decline of the protocol."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def check(roster: Roster, parcel: Fields) -> None:
    """What can be told without opening it. Raises Declined."""
    generation, version, part = order(parcel)
    if bytes(parcel.get(Parcel.address, b"")) != roster.address:
        raise Declined(Decline.ADDRESS)
    if not version:
        if generation < roster.state.generation:
            raise Declined(Decline.OLD)
    elif (generation, version) < roster.floor:
        raise Declined(Decline.OLD)
    elif part:
        coming = roster.coming
        if not coming or kept.order(coming) != (generation, version) or coming.part != part:
            raise Declined(Decline.PART)


def known(roster: Roster, parcel: Fields, plain: bytes) -> bool:
    """Whether it is a delegation or a head that the car has. Raises Declined: CONTENT for another one in its place."""
    generation, version, part = order(parcel)
    state = roster.state
    digests = []
    if not version and generation == state.generation:
        digests = [state.delegation]
    elif version and not part:
        having = [state if not lookup.lost(roster.root, state.place, state.keys) else None, roster.coming]
        digests = [one.digest for one in having if one and kept.order(one) == (generation, version)]
    if not digests:
        return False
    if formats.digest(signed(plain)[1]) not in digests:
        raise Declined(Decline.CONTENT)
    return True


def order(parcel: Fields) -> tuple[int, int, int]:
    """Generation, version and part."""
    return parcel.get(Parcel.generation, 0), parcel.get(Parcel.version, 0), parcel.get(Parcel.part, 0)


def opened(seal: bytes, parcel: Fields) -> bytes:
    """What is inside. Raises Declined: SEAL."""
    sealed = memoryview(parcel.get(Parcel.sealed, b""))
    bound = b"latchkey" + bytes(parcel[Parcel.address]) + struct.pack(">III", *order(parcel))
    if len(sealed) < 28:
        raise Declined(Decline.SEAL)
    try:
        key = crypto.hmac_sha256(seal, b"latchkey parcel")[:16]
        return crypto.gcm_decrypt(key, sealed[:12], bound, sealed[12:-16], sealed[-16:])
    except crypto.CryptoError:
        raise Declined(Decline.SEAL)


def read(table: Table, data: bytes | memoryview) -> Fields:
    """The message, if this is the one encoding of it. Raises Declined: ENCODING."""
    try:
        fields = decode(table, data)
        if encode(table, {number: fields[number] for number in fields if fields[number]}) == data:
            return fields
    except DecodeError:
        pass
    raise Declined(Decline.ENCODING)


def signed(data: bytes) -> tuple[Fields, bytes]:
    """(a Signed, its body). Raises Declined: ENCODING."""
    fields = read(authoritymessages.SIGNED, data)
    return fields, bytes(fields.get(Signed.body, b""))


async def verify(public: bytes, domain: bytes, body: bytes, signature: bytes | memoryview) -> None:
    """Raises Declined: SIGNATURE."""
    from latchkey.crypto import publickey  # only for what opens

    try:
        await publickey.ecdsa_verify(public, crypto.sha256(domain + b"\0" + body), bytes(signature))
    except crypto.CryptoError:
        raise Declined(Decline.SIGNATURE)
