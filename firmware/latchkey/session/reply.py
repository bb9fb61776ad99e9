# SPDX-License-Identifier: Apache-2.0
"""The answer to one request: addressed back to its sender, encrypted when it asked for that.

A Reply outlives the request it was made from, because key operations answer more than once and late. Its counter
increases with every encrypted answer to the same request (protocol.md, "Response handling").
"""

from micropython import const

from latchkey import crypto
from latchkey.session import handshake, metadata
from latchkey.wire import answers, messages
from latchkey.wire.pb import EncodeError, encode
from latchkey.wire.schema import (
    AES_GCM_Response_Signature_Data as Sealed,
)
from latchkey.wire.schema import (
    Destination,
    Flags,
    HMAC_Signature_Data,
    MessageFault,
    MessageStatus,
    OperationStatus,
    RoutableMessage,
    SignatureData,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.link.connection import Connection
    from latchkey.session.sessions import Session
    from latchkey.session.verify import Verified
    from latchkey.wire.envelope import Request
    from latchkey.wire.pb import Fields


_ENCRYPT_RESPONSE = const(1 << Flags.ENCRYPT_RESPONSE)


class Reply:
    """conn: where the request came from, and its answers go. `hello(public, reply)` answers a handshake that had to
    wait."""

    hello: Callable[[bytes, "Reply"], None]

    def __init__(self, conn: Connection, request: Request, vin: bytes) -> None:
        self.conn = conn
        self._vin = vin
        self._address = request.address
        self.domain = request.domain
        self._challenge = request.challenge
        self.encrypted = bool(request.flags & _ENCRYPT_RESPONSE)
        self.verified: Verified | None = None  # set once the tag has been checked: then answers can be encrypted
        self._counter = 0

    def payload(self, payload: bytes, fault: int = 0) -> None:
        """Answer with an application payload; b"" is success, and is sent as a payload that is there and empty."""
        body: Fields = {RoutableMessage.protobuf_message_as_bytes: payload}
        if fault:
            body[RoutableMessage.signedMessageStatus] = _error(fault)
        verified = self.verified
        if verified and self.encrypted:
            self._counter += 1
            bound = metadata.response(self.domain, self._vin, self._counter, verified.request_hash, fault)
            nonce = crypto.random_bytes(12)
            sealed, tag = crypto.gcm_encrypt(verified.session.key, nonce, crypto.sha256(bound), payload)
            body[RoutableMessage.protobuf_message_as_bytes] = sealed
            proof = {Sealed.nonce: nonce, Sealed.counter: self._counter, Sealed.tag: tag}
            body[RoutableMessage.signature_data] = {SignatureData.AES_GCM_Response_data: proof}
        self._send(body)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        """Answer with a message fault; with a session, carry its fresh signed session info for resynchronisation."""
        if session is None and self.verified:
            self.payload(b"", code)  # who asked is known: a refusal deserves a tag as much as an answer
            return
        body: Fields = {RoutableMessage.signedMessageStatus: _error(code)}
        if session is not None:
            self._add_info(body, session, public, now)
        self._send(body)

    def waiting(self) -> None:
        """Say that the card is waited for. The status goes out as a broadcast: clients take the first payload that is
        addressed to them for the end of it."""
        from latchkey.keys.answers import WAIT

        self.conn.send(answers.broadcast(WAIT))
        self._send({RoutableMessage.signedMessageStatus: {MessageStatus.operation_status: OperationStatus.WAIT}}, False)

    def session_info(self, session: Session | None, public: bytes, now: int) -> None:
        """Answer a handshake; an unknown key gets the status and no tag (there is no K to make one with)."""
        body: Fields = {}
        if session is None:
            body[RoutableMessage.session_info] = handshake.NOT_ON_WHITELIST
        else:
            self._add_info(body, session, public, now)
        self._send(body)

    def _add_info(self, body: Fields, session: Session, public: bytes, now: int) -> None:
        info = handshake.session_info(session, public, now)
        body[RoutableMessage.session_info] = info
        tag = handshake.tag(session, self._vin, self._challenge, info)
        body[RoutableMessage.signature_data] = {SignatureData.session_info_tag: {HMAC_Signature_Data.tag: tag}}

    def _send(self, body: Fields, final: bool = True) -> None:
        address = self._address
        if isinstance(address, int):
            body[RoutableMessage.to_destination] = {Destination.domain: address}
        elif address is not None:
            body[RoutableMessage.to_destination] = {Destination.routing_address: address}
        body[RoutableMessage.from_destination] = {Destination.domain: self.domain if self.domain >= 0 else None}
        if self._challenge and final:
            body[RoutableMessage.request_uuid] = self._challenge
        try:
            message = encode(messages.ROUTABLE_MESSAGE, body)
        except EncodeError:
            self.fault(MessageFault.RESPONSE_MTU_EXCEEDED)
            return
        self.conn.send(message)


def _error(fault: int) -> Fields:
    return {MessageStatus.operation_status: OperationStatus.ERROR, MessageStatus.signed_message_fault: fault}
