# SPDX-License-Identifier: Apache-2.0
"""A parcel opened and read: seal, one encoding, signature (docs/protocol.md, "The authority"). Nothing here changes
anything; what is wrong raises Declined."""

import struct

from latchkey import crypto
from latchkey.crypto import publickey
from latchkey.wire import authoritymessages
from latchkey.wire.pb import DecodeError, decode, encode
from latchkey.wire.schema import Decline, Parcel, Signed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.wire.pb import Fields, Table


class Declined(Exception):
    """By a Decline of the protocol."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def opened(seal: bytes, parcel: Fields) -> bytes:
    """What is inside. Raises Declined: SEAL."""
    sealed = memoryview(parcel.get(Parcel.sealed, b""))
    numbers = (parcel.get(Parcel.generation, 0), parcel.get(Parcel.version, 0), parcel.get(Parcel.part, 0))
    bound = b"latchkey" + bytes(parcel[Parcel.address]) + struct.pack(">III", *numbers)
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
    try:
        await publickey.ecdsa_verify_raw(public, crypto.sha256(domain + b"\0" + body), bytes(signature))
    except crypto.CryptoError:
        raise Declined(Decline.SIGNATURE)
