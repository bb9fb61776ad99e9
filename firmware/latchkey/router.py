# SPDX-License-Identifier: Apache-2.0
"""The router: every message of every phone passes here, once, and every error becomes a reply here and nowhere else.

`handle` never awaits: a command is decoded, verified, allowed, done and answered in one go, so shared buffers are
safe and no phone waits for another. Key operations are the exception: `keys.enrolment` answers them later.
"""

import time

from micropython import const

from latchkey.faults import Fault, KeyRefused, tell
from latchkey.session.reply import Reply
from latchkey.session.verify import Unverified, verify
from latchkey.vehicle.state import Refused
from latchkey.wire import answers, envelope
from latchkey.wire.schema import (
    Decline,
    Domain,
    LogKind,
    MessageFault,
    RoutableMessage,
    SessionInfoRequest,
    SignatureType,
    ToLatchkey,
    Wire,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.link.connection import Connection
    from latchkey.security import Security
    from latchkey.session.sessions import Session, Sessions
    from latchkey.session.verify import Verified

_BARE = const(0x0A)  # how a ToVCSECMessage begins, and no RoutableMessage: it has no field 1 to 5
_DECLINED = const(b"\x2a\x02\x08")  # a FromLatchkey with a Delivered of that Decline
_UNANSWERABLE = const(MessageFault.NONE)  # met with silence
_ANYBODYS = const(1 << ToLatchkey.parcel | 1 << ToLatchkey.grant | 1 << ToLatchkey.revoke)  # nobody has to sign them


class Router:
    """record(kind, name of the connection, key id or None, command, fault, detail, request hash) writes the access log;
    emit(dict), where there is a bench, tells it. parts: what an owner may look at."""

    def __init__(
        self,
        vin: bytes,
        clock: Clock,
        sessions: Sessions,
        security: Security,
        record: Callable[..., None],
        emit: Callable[[dict[str, Any]], None] | None,
        parts: Any,
    ) -> None:
        self._vin = vin
        self._clock = clock
        self._sessions = sessions
        self.security = security
        self._record = record
        self._emit = emit
        self.parts = parts

    def handle(self, conn: Connection, data: memoryview) -> None:
        """Take one whole message from a connection; the answer, if there is one, is on its way when this returns.

        Raises nothing: an allocation that fails costs this message, and the car is as it was or as it should be.
        """
        reply: Any = None  # a Reply, or a BareReply
        try:
            if data and data[0] == _BARE:
                from latchkey.session.barereply import BareReply  # rare

                reply = BareReply(conn)
                self.security.bare(envelope.read_bare(data), reply)
            else:
                request = envelope.read(data)
                reply = Reply(conn, request, self._vin)
                self._answer(conn, request, reply)
        except Exception as error:  # noqa: BLE001 - a bug must not strand a driver: it is told, and answered
            self.failed(conn, reply, error)

    def failed(self, conn: Connection, reply: Any, error: Exception) -> None:
        """Turn what became of a message into its answer; reply is None if it was too broken to be answered."""
        verified = reply.verified if reply else None
        who = verified and verified.session
        about = verified.request_hash if verified else b""
        try:
            if isinstance(error, MemoryError):
                error = Fault(MessageFault.BUSY, "memory")
            if isinstance(error, Fault):
                session = error.session if isinstance(error, Unverified) else None
                if error.code == MessageFault.INVALID_SIGNATURE:
                    conn.bad_tag()
                self._refuse(conn, session or who, about, error.why, error.code, 0, 0, error.expected, error.got)
                if error.answer is not None:
                    reply.payload(error.answer)
                elif reply and error.code != _UNANSWERABLE:
                    reply.fault(error.code, session, self._sessions.public, self._clock.now())
            elif isinstance(error, KeyRefused):
                self._refuse(conn, who, about, error.why, 0, error.code)
                answer = error.answer
                if answer is None:
                    from latchkey.keys import answers as key_answers

                    answer = key_answers.whitelist_status(error.code, who.record.id if who else None)
                reply.payload(answer)
            elif isinstance(error, Refused):
                self._refuse(conn, who, about, "vehicle state", 0, 0, error.code)
                reply.payload(answers.nominal_error(error.code))
            else:
                tell(error)
                self._refuse(conn, None, b"", repr(error), MessageFault.INTERNAL)
                if reply:
                    reply.fault(MessageFault.INTERNAL)
        except MemoryError:
            pass  # the phone hears nothing, and asks again
        except Exception as worse:  # noqa: BLE001 - see handle
            tell(worse)

    def _answer(self, conn: Connection, request: envelope.Request, reply: Reply) -> None:
        request.check()
        kind = request.body.get(Wire.ONE_OF)
        domain = request.domain
        if domain != Domain.VEHICLE_SECURITY and domain != Domain.INFOTAINMENT and domain != Domain.LATCHKEY:
            raise Fault(MessageFault.INVALID_DOMAINS, "domain", Domain.VEHICLE_SECURITY, domain)
        if kind == RoutableMessage.session_info_request:
            self._handshake(request, reply)
            return
        if kind != RoutableMessage.protobuf_message_as_bytes:
            raise Fault(MessageFault.INVALID_COMMAND, "no payload")
        if RoutableMessage.signature_data not in request.body:
            if domain == Domain.LATCHKEY and _ANYBODYS >> _field(request.body[kind]) & 1:
                conn.check(self._clock.now())
                self._brought(request.body[kind], reply)
                return
            if domain != Domain.VEHICLE_SECURITY:
                raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "not signed")
            self.security.unsigned(request.body[kind], reply)
            return
        now = self._clock.now()
        conn.check(now)
        reply.verified = verify(request, self._sessions, self._vin, now)
        conn.authenticated_ms = time.ticks_ms()
        if self._emit:
            self._emit({"event": "verified"})
        if domain == Domain.INFOTAINMENT:
            from latchkey import rare

            rare.answer("latchkey.infotainment", self.security, reply, self.failed)
        elif domain == Domain.LATCHKEY:
            self._latchkey(reply.verified, reply)
        else:
            self.security.signed(reply.verified, reply)

    def _latchkey(self, verified: Verified, reply: Reply) -> None:
        if verified.request_hash[0] != SignatureType.AES_GCM_PERSONALIZED:
            raise Fault(MessageFault.BAD_PARAMETER, "signature_type")
        if not reply.encrypted:
            raise Fault(MessageFault.REQUIRES_RESPONSE_ENCRYPTION, "flags")
        if ToLatchkey.roster <= _field(verified.plaintext) <= ToLatchkey.maker:
            self._brought(verified.plaintext, reply)
            return
        from latchkey import rare

        name = "latchkey.timetoken" if _field(verified.plaintext) == ToLatchkey.time else "latchkey.view"
        rare.answer(name, self.parts, reply, self.failed)

    def _brought(self, data: memoryview | bytes, reply: Reply) -> None:
        """What has to do with an authority, or with grants. What is not for this car is declined before anything is
        loaded."""
        if _field(data) == ToLatchkey.parcel:
            roster = self.parts.car.desk.keychain.roster
            begin = bytes(data[:21])  # after a length of one byte or two, its first field: an address
            if not roster or b"\x0a\x10" + roster.address not in (begin[2:20], begin[3:]):
                reply.conn.bad_tag()
                code = Decline.ADDRESS if roster else Decline.NO_AUTHORITY
                self._record(LogKind.DECLINED, reply.conn.name, None, 0, 0, code)
                reply.payload(_DECLINED + bytes((code,)))
                return
        if _field(data) >= ToLatchkey.grant:
            from latchkey import grants  # rare

            grants.act(self.parts, reply, self.failed, data)
            return
        from latchkey import courier  # rare

        courier.act(self.parts, reply, self.failed, data)

    def _handshake(self, request: envelope.Request, reply: Reply) -> None:
        public = request.body[RoutableMessage.session_info_request].get(SessionInfoRequest.public_key, b"")
        if len(public) != 65:
            raise Fault(MessageFault.BAD_PARAMETER, "public key", 65, len(public))
        session = self._sessions.find(public, reply.domain)
        if session is None and self._sessions.listed(public):
            from latchkey.roster import turns  # rare

            reply.hello = self._hello
            turns.ask(self.parts, public, reply)
        else:
            self._greet(session, reply)

    def _hello(self, public: bytes | memoryview, reply: Reply) -> None:
        """Answer a handshake that had to wait."""
        self._greet(self._sessions.find(public, reply.domain), reply)

    def _greet(self, session: Session | None, reply: Reply) -> None:
        if self._emit:
            self._emit({"event": "handshake", "conn": reply.conn.name, "known": session is not None})
        reply.session_info(session, self._sessions.public, self._clock.now())

    def _refuse(
        self,
        conn: Connection,
        who: Session | None,
        about: bytes,
        why: str,
        fault: int,
        information: int = 0,
        error: int = 0,
        expected: object = None,
        got: object = None,
    ) -> None:
        """By a MessageFault, or else by a whitelist information or a GenericError; `about` is a verified request's
        hash."""
        key_id = who.record.id if who else None
        kind = LogKind.PREVENTED if error else LogKind.REFUSED
        self._record(kind, conn.name, key_id, 0, fault, information or error, about)
        if not self._emit:
            return
        event = {"event": "refused", "conn": conn.name, "fault": fault, "why": why}
        if information:
            event["information"] = information
        if error:
            event["error"] = error
        if key_id:
            event["key"] = key_id.hex()
        if expected is not None or got is not None:
            event["expected"] = expected
            event["got"] = got
        self._emit(event)


def _field(message: memoryview | bytes) -> int:
    """The number of its first field."""
    return message[0] >> 3 if message else 0
