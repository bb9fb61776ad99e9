# SPDX-License-Identifier: Apache-2.0
"""The answer to one request: addressed back to its sender, encrypted when it asked for that.

A Reply outlives the request it was made from, because key operations answer more than once and late. Its counter
increases with every encrypted answer to the same request (protocol.md, "Response handling").
"""

from latchkey import crypto, faults
from latchkey.session import handshake, metadata
from latchkey.wire import answers, messages
from latchkey.wire.pb import EncodeError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.router import Connection
    from latchkey.session.sessions import Session
    from latchkey.session.verify import Verified
    from latchkey.wire.envelope import Request

    Deliver = Callable[[Connection, bytes], None]

_ENCRYPT_RESPONSE = 2
_WAIT = 1
_ERROR = 2

_meta = metadata.Metadata()


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
        self.verified: Verified | None = None  # the signer, once its tag has been checked
        self._counter = 0

    def authenticate(self, verified: Verified) -> None:
        """From now on answers are encrypted for the request's signer, if it set FLAG_ENCRYPT_RESPONSE."""
        self.verified = verified

    def payload(self, payload: bytes, fault: int = 0) -> None:
        """Answer with an application payload; b"" is success, and is sent as a payload that is there and empty."""
        body: dict[str, Any] = {"protobuf_message_as_bytes": payload}
        if fault:
            body["signedMessageStatus"] = {"operation_status": _ERROR, "signed_message_fault": fault}
        verified = self.verified
        if verified and self._encrypt:
            self._counter += 1
            _meta.start(metadata.AES_GCM_RESPONSE)
            _meta.byte(metadata.DOMAIN, self._domain)
            _meta.item(metadata.PERSONALIZATION, self._vin)
            _meta.uint(metadata.COUNTER, self._counter)
            _meta.uint(metadata.FLAGS, 0)
            _meta.item(metadata.REQUEST_HASH, verified.request_hash)
            _meta.uint(metadata.FAULT, fault)
            nonce = crypto.random_bytes(12)
            aad = crypto.sha256(_meta.view())
            body["protobuf_message_as_bytes"], tag = crypto.gcm_encrypt(verified.session.key, nonce, aad, payload)
            response = {"nonce": nonce, "counter": self._counter, "tag": tag}
            body["signature_data"] = {"AES_GCM_Response_data": response}
        self._send(body)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        """Answer with a message fault; with a session, carry its fresh signed session info for resynchronisation."""
        if session is None and self.verified:
            self.payload(b"", code)  # who asked is known: a refusal deserves a tag as much as an answer
            return
        body: dict[str, Any] = {"signedMessageStatus": {"operation_status": _ERROR, "signed_message_fault": code}}
        if session is not None:
            self._add_info(body, session, public, now)
        self._send(body)

    def waiting(self) -> None:
        """Say that the card is waited for. The status goes out as a broadcast: clients take the first payload that is
        addressed to them for the end of it."""
        self._deliver(self.conn, answers.broadcast(answers.WAIT))
        self._send({"signedMessageStatus": {"operation_status": _WAIT}}, False)

    def session_info(self, session: Session | None, public: bytes, now: int) -> None:
        """Answer a handshake; an unknown key gets the status and no tag (there is no K to make one with)."""
        body: dict[str, Any] = {}
        if session is None:
            body["session_info"] = handshake.NOT_ON_WHITELIST
        else:
            self._add_info(body, session, public, now)
        self._send(body)

    def _add_info(self, body: dict[str, Any], session: Session, public: bytes, now: int) -> None:
        info = handshake.session_info(session, public, now)
        body["session_info"] = info
        tag = handshake.tag(session, self._vin, self._challenge, info)
        body["signature_data"] = {"session_info_tag": {"tag": tag}}

    def _send(self, body: dict[str, Any], final: bool = True) -> None:
        address = self._address
        if isinstance(address, int):
            body["to_destination"] = {"domain": address}
        elif address is not None:
            body["to_destination"] = {"routing_address": address}
        body["from_destination"] = {"domain": self._domain if self._domain >= 0 else None}
        if self._challenge and final:
            body["request_uuid"] = self._challenge
        try:
            message = encode(messages.ROUTABLE_MESSAGE, body)
        except EncodeError:
            self.fault(faults.RESPONSE_MTU_EXCEEDED)
            return
        self._deliver(self.conn, message)


class BareReply:
    """Answers the bare pairing form, which names no address: with broadcasts to its connection alone."""

    def __init__(self, conn: Connection, deliver: Deliver) -> None:
        self.conn = conn
        self.verified = None
        self._deliver = deliver

    def payload(self, payload: bytes, fault: int = 0) -> None:
        if payload:
            self._deliver(self.conn, answers.broadcast(payload))

    def waiting(self) -> None:
        self.payload(answers.WAIT)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        pass
