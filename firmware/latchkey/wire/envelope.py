# SPDX-License-Identifier: Apache-2.0
"""The envelope: a RoutableMessage read into a Request (protocol.md, "Message encoding").

A Request's memoryviews point into the link's buffer. What a late answer needs (address, uuid) is copied, because
that buffer is reused as soon as the router returns.
"""

from micropython import const

from latchkey.faults import BAD_PARAMETER, Fault, Unanswerable
from latchkey.wire import messages
from latchkey.wire.pb import DecodeError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.wire.pb import Fields

MAX_MESSAGE = const(1024)
_MAX_ID = const(16)  # routing addresses and uuids are at most 16 bytes


class Request:
    """domain: who is asked, -1 if nobody. address: where the answer goes: bytes, the number of a domain, or None.

    body: the fields of the payload oneof and signature as decoded; challenge: the uuid, b"" when absent.
    """

    def __init__(self, body: Fields) -> None:
        self.body = body
        self.domain: int = body.get("to_destination", {}).get("domain", -1)
        source = body.get("from_destination", {})
        address = source.get("routing_address")
        if address is None:
            self.address = source.get("domain")
        elif len(address) > _MAX_ID:
            raise Unanswerable("routing address over 16 bytes")
        else:
            self.address = bytes(address)
        uuid = body.get("uuid", b"")
        self.uuid_fits = len(uuid) <= _MAX_ID
        self.challenge = bytes(uuid) if self.uuid_fits else b""
        self.flags: int = body.get("flags", 0)

    def check(self) -> None:
        """Raises Fault for what the envelope itself has wrong, once there is an address to answer to."""
        if not self.uuid_fits:
            raise Fault(BAD_PARAMETER, "uuid over 16 bytes")


def read(data: memoryview) -> Request:
    """Raises Unanswerable when the bytes are no RoutableMessage at all."""
    if not data or len(data) > MAX_MESSAGE:
        raise Unanswerable("message of %d bytes" % len(data))
    try:
        return Request(decode(messages.ROUTABLE_MESSAGE, data))
    except DecodeError as error:
        raise Unanswerable("not a RoutableMessage: %s" % error)


def read_bare(data: memoryview) -> memoryview | None:
    """The UnsignedMessage inside a bare ToVCSECMessage of the present-key form, or None if `data` is not one.

    A RoutableMessage has no field 1 to 5, so its first byte tells the two apart.
    """
    if not data or data[0] != 0x0A:
        return None
    try:
        signed = decode(messages.TO_VCSEC, data).get("signedMessage", {})
    except DecodeError as error:
        raise Unanswerable("not a ToVCSECMessage: %s" % error)
    if signed.get("signatureType") != 2 or "protobufMessageAsBytes" not in signed:
        raise Unanswerable("not a present-key message")
    presented: memoryview = signed["protobufMessageAsBytes"]
    return presented
