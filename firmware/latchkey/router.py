# SPDX-License-Identifier: Apache-2.0
"""The router: every message of every phone passes here, once, and every error becomes a reply here and nowhere else.

`handle` never awaits: a command is decoded, verified, allowed, done and answered in one go, so shared buffers are
safe and no phone waits for another. Key operations are the exception: `keys.enrolment` answers them later.
"""

import time

from micropython import const

from latchkey.clock import elapsed
from latchkey.faults import Fault, KeyRefused, tell
from latchkey.keys import policy
from latchkey.session.reply import Reply
from latchkey.session.verify import verify
from latchkey.vehicle.state import Refused
from latchkey.wire import answers, envelope, messages
from latchkey.wire.pb import decode
from latchkey.wire.schema import (
    ClosureMoveType,
    Domain,
    InformationRequest,
    MessageFault,
    Permission,
    RoutableMessage,
    SessionInfoRequest,
    UnsignedMessage,
    Wire,
)

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
        untold: bool  # the vehicle has changed, and it does not know

        def send(self, message: bytes) -> None: ...


_BARE = const(0x0A)  # how a ToVCSECMessage begins, and no RoutableMessage: it has no field 1 to 5
_UNANSWERABLE = const(MessageFault.NONE)  # met with silence
_NOMINAL = const(0x100)  # marks a GenericError where a refusal's detail may be a whitelist information
_BAD_TAGS = const(8)  # in a row, before a connection is made to wait a second for each
_SPARE = const(4)  # pieces of heap, for all that follows a change of the vehicle: its entry in the log, its answer
_PIECE = const(256)


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
            raise Fault(MessageFault.BUSY, "bad tags")

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
        self.vehicle = vehicle
        self._clock = clock
        self._record = record
        self._emit = emit
        self.verified = 0
        self.refused = 0
        self.handshakes = 0
        self.last_us = 0  # what the last message took
        self.relay_us = 0  # from the last message that changed the vehicle to its outputs' edge
        self._started = 0

    def handle(self, conn: Connection, data: memoryview) -> None:
        """Take one whole message from a connection; the answer, if there is one, is on its way when this returns.

        Raises nothing: an allocation that fails costs this message, and the car is as it was or as it should be.
        """
        started = self._started = time.ticks_us()
        reply: Any = None  # a Reply, or a BareReply
        try:
            if data and data[0] == _BARE:
                from latchkey.session.barereply import BareReply  # rare

                reply = BareReply(conn, self.deliver)
                self._pair(envelope.read_bare(data), reply)
            else:
                request = envelope.read(data)
                reply = Reply(conn, request, self._vin, self.deliver)
                self._answer(conn, request, reply)
        except Exception as error:  # noqa: BLE001 - a bug must not strand a driver: it is told, and answered
            self.failed(conn, reply, error)
        self.last_us = elapsed(time.ticks_us(), started)
        self._started = 0

    def failed(self, conn: Connection, reply: Any, error: Exception) -> None:
        """Turn what became of a message into its answer; reply is None if it was too broken to be answered."""
        who = _signer(reply)
        try:
            if isinstance(error, MemoryError):
                error = Fault(MessageFault.BUSY, "memory")
            if isinstance(error, Fault):
                if error.code == MessageFault.INVALID_SIGNATURE and conn.limiter:
                    conn.limiter.failed()
                self.refuse(conn, error.session or who, error.code, 0, error.why, error.expected, error.got)
                if reply and error.code != _UNANSWERABLE:
                    reply.fault(error.code, error.session, self._sessions.public, self._clock.now())
            elif isinstance(error, KeyRefused):
                self.refuse(conn, who, 0, error.code, error.why)
                from latchkey.keys import answers as key_answers

                reply.payload(key_answers.whitelist_status(error.code, who.record.id if who else None))
            elif isinstance(error, Refused):
                self.refuse(conn, who, 0, _NOMINAL | error.code, "vehicle state")
                reply.payload(answers.nominal_error(error.code))
            else:
                tell(error)
                self.refuse(conn, None, MessageFault.INTERNAL, 0, repr(error))
                if reply:
                    reply.fault(MessageFault.INTERNAL)
        except MemoryError:
            pass  # the phone hears nothing, and asks again
        except Exception as worse:  # noqa: BLE001 - see handle
            tell(worse)

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
        kind = request.body.get(Wire.ONE_OF)
        if request.domain != Domain.VEHICLE_SECURITY and request.domain != Domain.INFOTAINMENT:
            raise Fault(MessageFault.INVALID_DOMAINS, "domain", None, Domain.VEHICLE_SECURITY, request.domain)
        if kind == RoutableMessage.session_info_request:
            self._handshake(request, reply)
            return
        if kind != RoutableMessage.protobuf_message_as_bytes:
            raise Fault(MessageFault.INVALID_COMMAND, "no payload")
        if RoutableMessage.signature_data not in request.body:
            if request.domain == Domain.INFOTAINMENT:
                raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "not signed")
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
        if request.domain == Domain.INFOTAINMENT:
            from latchkey import infotainment  # rare

            infotainment.act(self, verified, reply)
        else:
            self._command(verified, reply)

    def _handshake(self, request: envelope.Request, reply: Reply) -> None:
        public = request.body[RoutableMessage.session_info_request].get(SessionInfoRequest.public_key, b"")
        if len(public) != 65:
            raise Fault(MessageFault.BAD_PARAMETER, "public key", None, 65, len(public))
        session = self._sessions.find(public, request.domain)
        self.handshakes += 1
        known = session is not None
        self._emit({"event": "handshake", "conn": reply.conn.name, "known": known})
        reply.session_info(session, self._sessions.public, self._clock.now())

    def _unsigned(self, data: memoryview, reply: Reply) -> None:
        message = decode(messages.UNSIGNED_MESSAGE, data)
        kind = message.get(Wire.ONE_OF)
        if kind == UnsignedMessage.InformationRequest:
            reply.payload(self._information(message[kind]))
        elif kind == UnsignedMessage.WhitelistOperation:
            self._enrol(message[kind], reply, None)
        else:
            raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "not signed")

    def _pair(self, data: memoryview, reply: BareReply) -> None:
        message = decode(messages.UNSIGNED_MESSAGE, data)
        if UnsignedMessage.WhitelistOperation not in message:
            raise Fault(_UNANSWERABLE, "not signed")
        self._enrol(message[UnsignedMessage.WhitelistOperation], reply, None)

    def _information(self, request: Fields) -> bytes:
        if not request.get(InformationRequest.informationRequestType):
            return answers.vehicle_status(self.vehicle)
        from latchkey.keys import answers as key_answers  # rare

        return key_answers.information(request, self._keychain)

    def _command(self, verified: Verified, reply: Reply) -> None:
        record = verified.session.record
        message = decode(messages.UNSIGNED_MESSAGE, verified.plaintext)
        kind = message.get(Wire.ONE_OF, 0)
        command: Any = message.get(kind)
        if kind == UnsignedMessage.InformationRequest:
            policy.check(record, Permission.READ)
            reply.payload(self._information(command))
        elif kind == UnsignedMessage.WhitelistOperation:
            self._enrol(command, reply, record)
        elif kind == UnsignedMessage.RKEAction and command in policy.RKE:
            needed, method = policy.RKE[command]
            policy.check(record, needed)
            self._act(getattr(self.vehicle, method), command, reply)
        elif kind == UnsignedMessage.closureMoveRequest and max(command.values(), default=0) <= ClosureMoveType.CLOSE:
            needed = policy.closures(command)
            policy.check(record, needed)
            self._act(lambda: self.vehicle.move(command), needed, reply)
        else:
            raise Fault(MessageFault.INVALID_COMMAND, "command")

    def _act(self, change: Callable[[], None], command: int, reply: Reply) -> None:
        """Answer a command with the vehicle's state, which clients take for its end: its phone has been told then."""
        if self.perform(change, command, reply, answers.vehicle_status):
            reply.conn.untold = False

    def perform(
        self, change: Callable[[], None], command: int, reply: Reply, answer: Callable[[Vehicle], bytes]
    ) -> bool:
        """Change the vehicle, log it, and answer. Whether the answer is on its way.

        What runs out of memory does so before the change, which allocates nothing; after it only an answer can be lost.
        """
        key_id = reply.verified.session.record.id  # type: ignore[union-attr]
        event = {"event": "command", "conn": reply.conn.name, "key": key_id.hex(), "command": command}
        [bytearray(_PIECE) for _ in range(_SPARE)]  # not in one: a heap in use may have no longer piece left
        change()
        self._record("command", reply.conn, key_id, command, 0, 0)
        told = False
        try:
            reply.payload(answer(self.vehicle))
            told = True
            self._emit(event)
        except MemoryError:
            pass  # it is done, whoever could not be told
        return told

    def refuse(
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
