# SPDX-License-Identifier: Apache-2.0
"""The envelope: a RoutableMessage read into a Request (protocol.md, "Message encoding").

A Request's memoryviews point into the link's buffer. What a late answer needs (address, uuid) is copied, because
that buffer is reused as soon as the router returns.
"""

from micropython import const

from latchkey.faults import Fault
from latchkey.wire import messages
from latchkey.wire.pb import DecodeError, decode
from latchkey.wire.schema import (
    Destination,
    Domain,
    MessageFault,
    RoutableMessage,
    SignatureType,
    SignedMessage,
    ToVCSECMessage,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.wire.pb import Fields

_UNANSWERABLE = const(MessageFault.NONE)  # names nobody to answer
_MAX_MESSAGE = const(1024)
_MAX_ID = const(16)  # routing addresses and uuids are at most 16 bytes


class Request:
    """domain: who is asked, -1 if nobody. address: where the answer goes: bytes, the number of a domain, or None.

    body: the fields of the payload oneof and signature as decoded; challenge: the uuid, b"" when absent. wrong: why no
    more than that could be decoded.
    """

    def __init__(self, body: Fields, wrong: str) -> None:
        self.body = body
        self._wrong = wrong
        unnamed = Domain.VEHICLE_SECURITY if wrong else -1
        self.domain: int = body.get(RoutableMessage.to_destination, {}).get(Destination.domain, unnamed)
        source = body.get(RoutableMessage.from_destination, {})
        address = source.get(Destination.routing_address)
        if address is None:
            self.address = source.get(Destination.domain)
        elif len(address) > _MAX_ID:
            raise Fault(_UNANSWERABLE, "address")
        else:
            self.address = bytes(address)
        uuid = body.get(RoutableMessage.uuid, b"")
        self.uuid_fits = len(uuid) <= _MAX_ID
        self.challenge = bytes(uuid) if self.uuid_fits else b""
        self.flags: int = body.get(RoutableMessage.flags, 0)

    def check(self) -> None:
        """Raises Fault for what the envelope itself has wrong, once there is an address to answer to."""
        if self._wrong:
            raise DecodeError(self._wrong)
        if not self.uuid_fits:
            raise Fault(MessageFault.BAD_PARAMETER, "uuid")


def read(data: memoryview) -> Request:
    """Raises Fault 0 when there is nothing, or nobody, to answer. What cannot be decoded is check()'s to tell of:
    an address may come before them."""
    if not data or len(data) > _MAX_MESSAGE:
        raise Fault(_UNANSWERABLE, "length")
    body: Fields = {}
    wrong = ""
    try:
        decode(messages.ROUTABLE_MESSAGE, data, body)
    except DecodeError as error:
        wrong = error.why
    return Request(body, wrong)


def read_bare(data: memoryview) -> memoryview:
    """The UnsignedMessage inside a bare ToVCSECMessage of the present-key form."""
    signed = decode(messages.TO_VCSEC, data).get(ToVCSECMessage.signedMessage, {})
    presented: memoryview | None = signed.get(SignedMessage.protobufMessageAsBytes)
    if signed.get(SignedMessage.signatureType) != SignatureType.PRESENT_KEY or presented is None:
        raise Fault(_UNANSWERABLE, "signature_type")
    return presented
