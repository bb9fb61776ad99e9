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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from latchkey.router import Connection
    from latchkey.session.sessions import Session
    from latchkey.session.verify import Verified
    from latchkey.wire.envelope import Request
    from latchkey.wire.pb import Fields

    Deliver = Callable[[Connection, bytes], None]

# MessageFault_E
_RESPONSE_MTU_EXCEEDED = const(25)
# RoutableMessage
_TO_DESTINATION = const(6)
_FROM_DESTINATION = const(7)
_PROTOBUF_MESSAGE_AS_BYTES = const(10)
_SIGNED_MESSAGE_STATUS = const(12)
_SIGNATURE_DATA = const(13)
_SESSION_INFO = const(15)
_REQUEST_UUID = const(50)
# Destination
_DOMAIN = const(1)
_ROUTING_ADDRESS = const(2)
# MessageStatus
_OPERATION_STATUS = const(1)
_SIGNED_MESSAGE_FAULT = const(2)
# SignatureData
_SESSION_INFO_TAG = const(6)
_AES_GCM_RESPONSE_DATA = const(9)
# AES_GCM_Response_Signature_Data
_NONCE = const(1)
_COUNTER = const(2)
_TAG = const(3)

_ENCRYPT_RESPONSE = const(2)  # a flag
_WAIT = const(1)  # OperationStatus_E
_ERROR = const(2)


class Reply:
    """conn: where the request came from; deliver(conn, bytes) hands a whole message to its link."""

    def __init__(self, conn: Connection, request: Request, vin: bytes, deliver: Deliver) -> None:
        self.conn = conn
        self._deliver = deliver
        self._vin = vin
        self._address = request.address
        self._domain = request.domain
        self._challenge = request.challenge
        self._encrypt = bool(request.flags & _ENCRYPT_RESPONSE)
        self.verified: Verified | None = None  # set once the tag has been checked: then answers can be encrypted
        self._counter = 0

    def payload(self, payload: bytes, fault: int = 0) -> None:
        """Answer with an application payload; b"" is success, and is sent as a payload that is there and empty."""
        body: Fields = {_PROTOBUF_MESSAGE_AS_BYTES: payload}
        if fault:
            body[_SIGNED_MESSAGE_STATUS] = {_OPERATION_STATUS: _ERROR, _SIGNED_MESSAGE_FAULT: fault}
        verified = self.verified
        if verified and self._encrypt:
            self._counter += 1
            bound = metadata.response(self._domain, self._vin, self._counter, verified.request_hash, fault)
            nonce = crypto.random_bytes(12)
            sealed, tag = crypto.gcm_encrypt(verified.session.key, nonce, crypto.sha256(bound), payload)
            body[_PROTOBUF_MESSAGE_AS_BYTES] = sealed
            body[_SIGNATURE_DATA] = {_AES_GCM_RESPONSE_DATA: {_NONCE: nonce, _COUNTER: self._counter, _TAG: tag}}
        self._send(body)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        """Answer with a message fault; with a session, carry its fresh signed session info for resynchronisation."""
        if session is None and self.verified:
            self.payload(b"", code)  # who asked is known: a refusal deserves a tag as much as an answer
            return
        body: Fields = {_SIGNED_MESSAGE_STATUS: {_OPERATION_STATUS: _ERROR, _SIGNED_MESSAGE_FAULT: code}}
        if session is not None:
            self._add_info(body, session, public, now)
        self._send(body)

    def waiting(self) -> None:
        """Say that the card is waited for. The status goes out as a broadcast: clients take the first payload that is
        addressed to them for the end of it."""
        from latchkey.keys.answers import WAIT

        self._deliver(self.conn, answers.broadcast(WAIT))
        self._send({_SIGNED_MESSAGE_STATUS: {_OPERATION_STATUS: _WAIT}}, False)

    def session_info(self, session: Session | None, public: bytes, now: int) -> None:
        """Answer a handshake; an unknown key gets the status and no tag (there is no K to make one with)."""
        body: Fields = {}
        if session is None:
            body[_SESSION_INFO] = handshake.NOT_ON_WHITELIST
        else:
            self._add_info(body, session, public, now)
        self._send(body)

    def _add_info(self, body: Fields, session: Session, public: bytes, now: int) -> None:
        info = handshake.session_info(session, public, now)
        body[_SESSION_INFO] = info
        tag = handshake.tag(session, self._vin, self._challenge, info)
        body[_SIGNATURE_DATA] = {_SESSION_INFO_TAG: {1: tag}}

    def _send(self, body: Fields, final: bool = True) -> None:
        address = self._address
        if isinstance(address, int):
            body[_TO_DESTINATION] = {_DOMAIN: address}
        elif address is not None:
            body[_TO_DESTINATION] = {_ROUTING_ADDRESS: address}
        body[_FROM_DESTINATION] = {_DOMAIN: self._domain if self._domain >= 0 else None}
        if self._challenge and final:
            body[_REQUEST_UUID] = self._challenge
        try:
            message = encode(messages.ROUTABLE_MESSAGE, body)
        except EncodeError:
            self.fault(_RESPONSE_MTU_EXCEEDED)
            return
        self._deliver(self.conn, message)
