# SPDX-License-Identifier: Apache-2.0
"""The envelope: a RoutableMessage read into a Request (protocol.md, "Message encoding").

A Request's memoryviews point into the link's buffer. What a late answer needs (address, uuid) is copied, because
that buffer is reused as soon as the router returns.
"""

from micropython import const

from latchkey.faults import Fault
from latchkey.wire import messages
from latchkey.wire.pb import DecodeError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.wire.pb import Fields

# MessageFault_E
_BAD_PARAMETER = const(13)
_UNANSWERABLE = const(0)  # names nobody to answer
_VEHICLE_SECURITY = const(2)  # who answers for what names no domain
# RoutableMessage
_TO_DESTINATION = const(6)
_FROM_DESTINATION = const(7)
_UUID = const(51)
_FLAGS = const(52)
# Destination
_DOMAIN = const(1)
_ROUTING_ADDRESS = const(2)
# ToVCSECMessage
_SIGNED_MESSAGE = const(1)
# SignedMessage
_PROTOBUF_MESSAGE_AS_BYTES = const(2)
_SIGNATURE_TYPE = const(3)

_PRESENT_KEY = const(2)  # SignatureType
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
        self.domain: int = body.get(_TO_DESTINATION, {}).get(_DOMAIN, _VEHICLE_SECURITY if wrong else -1)
        source = body.get(_FROM_DESTINATION, {})
        address = source.get(_ROUTING_ADDRESS)
        if address is None:
            self.address = source.get(_DOMAIN)
        elif len(address) > _MAX_ID:
            raise Fault(_UNANSWERABLE, "address")
        else:
            self.address = bytes(address)
        uuid = body.get(_UUID, b"")
        self.uuid_fits = len(uuid) <= _MAX_ID
        self.challenge = bytes(uuid) if self.uuid_fits else b""
        self.flags: int = body.get(_FLAGS, 0)

    def check(self) -> None:
        """Raises Fault for what the envelope itself has wrong, once there is an address to answer to."""
        if self._wrong:
            raise DecodeError(self._wrong)
        if not self.uuid_fits:
            raise Fault(_BAD_PARAMETER, "uuid")


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
    signed = decode(messages.TO_VCSEC, data).get(_SIGNED_MESSAGE, {})
    if signed.get(_SIGNATURE_TYPE) != _PRESENT_KEY or _PROTOBUF_MESSAGE_AS_BYTES not in signed:
        raise Fault(_UNANSWERABLE, "signature_type")
    presented: memoryview = signed[_PROTOBUF_MESSAGE_AS_BYTES]
    return presented
