# SPDX-License-Identifier: Apache-2.0
"""The router: every message of every phone passes here, once, and every error becomes a reply here and nowhere else.

`handle` never awaits: a command is decoded, verified, allowed, done and answered in one go, so shared buffers are
safe and no phone waits for another. Key operations are the exception: `keys.enrolment` answers them later.
"""

import sys
import time

from micropython import const

from latchkey.clock import elapsed
from latchkey.faults import Fault, KeyRefused
from latchkey.keys import policy
from latchkey.session.reply import Reply
from latchkey.session.verify import verify
from latchkey.vehicle.state import Refused
from latchkey.wire import answers, envelope, messages
from latchkey.wire.pb import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.session.barereply import BareReply
    from latchkey.session.sessions import Session, Sessions
    from latchkey.session.verify import Verified
    from latchkey.vehicle.state import Vehicle
    from latchkey.wire.pb import Fields

    class Connection(Protocol):
        """What a link gives the router: a name, a way back, and room for what the router knows of it."""

        name: str
        inside: bool  # it comes from inside the car
        limiter: "Limiter | None"
        authenticated_ms: int

        def send(self, message: bytes) -> None: ...

# MessageFault_E
_BUSY = const(1)
_INVALID_SIGNATURE = const(5)
_INSUFFICIENT_PRIVILEGES = const(7)
_INVALID_DOMAINS = const(8)
_INVALID_COMMAND = const(9)
_INTERNAL = const(11)
_UNANSWERABLE = const(0)  # is met with silence
_BAD_PARAMETER = const(13)
_ONE_OF = const(0)  # wire/pb.py
# RoutableMessage
_PROTOBUF_MESSAGE_AS_BYTES = const(10)
_SIGNATURE_DATA = const(13)
_SESSION_INFO_REQUEST = const(14)
# SessionInfoRequest
_PUBLIC_KEY = const(1)
# UnsignedMessage
_INFORMATION_REQUEST = const(1)
_RKE_ACTION = const(2)
_CLOSURE_MOVE_REQUEST = const(4)
_WHITELIST_OPERATION = const(16)
# InformationRequest
_INFORMATION_REQUEST_TYPE = const(1)

_READ = const(1)  # a command of keys/policy.py
_CLOSE = const(4)  # the last ClosureMoveType_E
_VEHICLE_SECURITY = const(2)
_NOMINAL = const(0x100)  # marks a GenericError where a refusal's detail may be a whitelist information
_BAD_TAGS = const(8)  # in a row, before a connection is made to wait a second for each


class Limiter:
    """A connection's allowance of failed tags: refills by one a second. It never touches another connection."""

    def __init__(self, now: int) -> None:
        self._left = _BAD_TAGS
        self._at = now

    def check(self, now: int) -> None:
        """Raises Fault BUSY while the allowance is spent. `now` is the Clock's: ticks would come round."""
        self._left = min(_BAD_TAGS, self._left + now - self._at)
        self._at = now
        if self._left <= 0:
            raise Fault(_BUSY, "bad tags")

    def failed(self) -> None:
        self._left -= 1


class Router:
    """record(kind, conn, key id or None, command, fault, detail) writes the access log; emit(dict) tells the bench;
    enrolment(operation, reply, record of its signer or None) takes a key operation, to be answered in its time."""

    def __init__(
        self,
        vin: bytes,
        sessions: Sessions,
        keychain: Keychain,
        enrolment: Callable[[memoryview, Any, Record | None], None],
        vehicle: Vehicle,
        clock: Clock,
        record: Callable[[str, Connection | None, bytes | None, int, int, int], None],
        emit: Callable[[dict[str, Any]], None],
    ) -> None:
        self._vin = vin
        self._sessions = sessions
        self._keychain = keychain
        self._enrol = enrolment
        self._vehicle = vehicle
        self._clock = clock
        self._record = record
        self._emit = emit
        self.asker: Connection | None = None  # whose message is being handled
        self.verified = 0
        self.refused = 0
        self.handshakes = 0
        self.last_us = 0  # what the last message took
        self.relay_us = 0  # from the last message that changed the vehicle to its outputs' edge
        self._started = 0

    def handle(self, conn: Connection, data: memoryview) -> None:
        """Take one whole message from a connection; the answer, if there is one, is on its way when this returns."""
        started = self._started = time.ticks_us()
        self.asker = conn
        reply: Any = None  # a Reply, or a BareReply
        try:
            if envelope.is_bare(data):
                from latchkey.session.barereply import BareReply  # rare

                reply = BareReply(conn, self.deliver)
                self._pair(envelope.read_bare(data), reply)
            else:
                request = envelope.read(data)
                reply = Reply(conn, request, self._vin, self.deliver)
                self._answer(conn, request, reply)
        except Exception as error:  # noqa: BLE001 - a bug must not strand a driver: it is told, and answered
            self.failed(conn, reply, error)
        self.asker = None
        self.last_us = elapsed(time.ticks_us(), started)
        self._started = 0

    def failed(self, conn: Connection, reply: Any, error: Exception) -> None:
        """Turn what became of a message into its answer; reply is None if it was too broken to be answered."""
        who = _signer(reply)
        if isinstance(error, Fault):
            if error.code == _INVALID_SIGNATURE and conn.limiter:
                conn.limiter.failed()
            self._refused(conn, error.session or who, error.code, 0, error.why, error.expected, error.got)
            if reply and error.code:
                reply.fault(error.code, error.session, self._sessions.public, self._clock.now())
        elif isinstance(error, KeyRefused):
            self._refused(conn, who, 0, error.code, error.why)
            from latchkey.keys import answers as key_answers

            reply.payload(key_answers.whitelist_status(error.code, who.record.id if who else None))
        elif isinstance(error, Refused):
            self._refused(conn, who, 0, _NOMINAL | error.code, "vehicle state")
            reply.payload(answers.nominal_error(error.code))
        else:
            sys.print_exception(error)
            self._refused(conn, None, _INTERNAL, 0, repr(error))
            if reply:
                reply.fault(_INTERNAL)

    def relayed(self) -> None:
        """The outputs have followed a change of the vehicle."""
        if self._started:
            self.relay_us = elapsed(time.ticks_us(), self._started)

    def deliver(self, conn: Connection, message: bytes) -> None:
        """Hand a whole message to the connection's link."""
        conn.send(message)

    def closed(self, conn: Connection) -> None:
        """A connection is gone; what is pending from it (a pairing) may still be approved."""

    def _answer(self, conn: Connection, request: envelope.Request, reply: Reply) -> None:
        request.check()
        kind = request.body.get(_ONE_OF)
        if request.domain != _VEHICLE_SECURITY:
            session = None
            if kind == _SESSION_INFO_REQUEST:
                # Clients that open every domain first give up on all of them unless the info itself is sound.
                session = self._sessions.find(request.body[kind].get(_PUBLIC_KEY, b""))
            raise Fault(_INVALID_DOMAINS, "domain", session, _VEHICLE_SECURITY, request.domain)
        if kind == _SESSION_INFO_REQUEST:
            self._handshake(request, reply)
            return
        if kind != _PROTOBUF_MESSAGE_AS_BYTES:
            raise Fault(_INVALID_COMMAND, "no payload")
        if _SIGNATURE_DATA not in request.body:
            self._unsigned(request.body[kind], reply)
            return
        now = self._clock.now()
        if conn.limiter is None:
            conn.limiter = Limiter(now)
        conn.limiter.check(now)
        verified = verify(request, self._sessions, self._vin, now)
        self.verified += 1
        conn.authenticated_ms = time.ticks_ms()
        reply.verified = verified
        self._command(conn, verified, reply)

    def _handshake(self, request: envelope.Request, reply: Reply) -> None:
        public = request.body[_SESSION_INFO_REQUEST].get(_PUBLIC_KEY, b"")
        if len(public) != 65:
            raise Fault(_BAD_PARAMETER, "public key", None, 65, len(public))
        session = self._sessions.find(public, request.domain)
        self.handshakes += 1
        known = session is not None
        self._emit({"event": "handshake", "conn": reply.conn.name, "known": known})
        reply.session_info(session, self._sessions.public, self._clock.now())

    def _unsigned(self, data: memoryview, reply: Reply) -> None:
        message = decode(messages.UNSIGNED_MESSAGE, data)
        kind = message.get(_ONE_OF)
        if kind == _INFORMATION_REQUEST:
            reply.payload(self._information(message[kind]))
        elif kind == _WHITELIST_OPERATION:
            self._enrol(message[kind], reply, None)
        else:
            raise Fault(_INSUFFICIENT_PRIVILEGES, "not signed")

    def _pair(self, data: memoryview, reply: BareReply) -> None:
        message = decode(messages.UNSIGNED_MESSAGE, data)
        if _WHITELIST_OPERATION not in message:
            raise Fault(_UNANSWERABLE, "not signed")
        self._enrol(message[_WHITELIST_OPERATION], reply, None)

    def _information(self, request: Fields) -> bytes:
        if not request.get(_INFORMATION_REQUEST_TYPE):
            return answers.vehicle_status(self._vehicle)
        from latchkey.keys import answers as key_answers  # rare

        return key_answers.information(request, self._keychain)

    def _command(self, conn: Connection, verified: Verified, reply: Reply) -> None:
        record = verified.session.record
        message = decode(messages.UNSIGNED_MESSAGE, verified.plaintext)
        kind = message.get(_ONE_OF, 0)
        if kind == _INFORMATION_REQUEST:
            policy.check(record, _READ)
            reply.payload(self._information(message[kind]))
            return
        if kind == _WHITELIST_OPERATION:
            self._enrol(message[kind], reply, record)
            return
        command: Any = message.get(kind)
        if kind == _RKE_ACTION and command in policy.RKE:
            needed, method = policy.RKE[command]
            policy.check(record, needed)
            getattr(self._vehicle, method)()
        elif kind == _CLOSURE_MOVE_REQUEST and all(move <= _CLOSE for move in command.values()):
            moves = command
            command = policy.closures(moves)
            policy.check(record, command)
            self._vehicle.move(moves)
        else:
            raise Fault(_INVALID_COMMAND, "command")
        reply.payload(answers.vehicle_status(self._vehicle))  # clients take the state for the end of a command
        self._record("command", conn, record.id, command, 0, 0)
        self._emit({"event": "command", "conn": conn.name, "key": record.id.hex(), "command": command})

    def _refused(
        self,
        conn: Connection,
        who: Session | None,
        fault: int,
        detail: int,
        why: str,
        expected: object = None,
        got: object = None,
    ) -> None:
        self.refused += 1
        key_id = who.record.id if who else None
        self._record("refused", conn, key_id, 0, fault, detail)
        event = {"event": "refused", "conn": conn.name, "fault": fault, "why": why}
        if detail:
            event["error" if detail & _NOMINAL else "information"] = detail & 0xFF
        if key_id:
            event["key"] = key_id.hex()
        if expected is not None or got is not None:
            event["expected"] = expected
            event["got"] = got
        self._emit(event)


def _signer(reply: Reply | BareReply | None) -> Session | None:
    return reply.verified.session if reply and reply.verified else None
