# SPDX-License-Identifier: Apache-2.0
"""The router: every message of every phone passes here, once, and every error becomes a reply here and nowhere else.

`handle` never awaits: a command is decoded, verified, allowed, done and answered in one go, so shared buffers are
safe and no phone waits for another. Key operations are the exception: `keys.enrolment` answers them later.
"""

import sys
import time

from micropython import const

from latchkey import faults
from latchkey.faults import Fault, KeyRefused, Unanswerable
from latchkey.keys import policy
from latchkey.session import verify as verifier
from latchkey.session.reply import BareReply, Reply
from latchkey.vehicle import commands
from latchkey.vehicle.commands import Unsupported
from latchkey.vehicle.state import Refused
from latchkey.wire import answers, envelope, messages
from latchkey.wire.pb import DecodeError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from latchkey.clock import Clock
    from latchkey.keys.enrolment import Enrolment
    from latchkey.keys.keychain import Keychain
    from latchkey.session.sessions import Session, Sessions
    from latchkey.session.verify import Verified
    from latchkey.vehicle.state import Vehicle
    from latchkey.wire.pb import Fields

    class Connection(Protocol):
        """What a link gives the router: a name, a way back, and room for what the router knows of it."""

        name: str
        limiter: "Limiter | None"
        authenticated_ms: int

        def send(self, message: bytes) -> None: ...

_VEHICLE_SECURITY = const(2)
_NOMINAL = const(0x100)  # marks a GenericError where a refusal's detail may be a whitelist information
_BAD_TAGS = const(8)  # in a row, before a connection is made to wait a second for each


class Limiter:
    """A connection's allowance of failed tags: refills by one a second. It never touches another connection."""

    def __init__(self) -> None:
        self._left = _BAD_TAGS
        self._at = time.ticks_ms()

    def check(self) -> None:
        """Raises Fault BUSY while the allowance is spent."""
        elapsed = time.ticks_diff(time.ticks_ms(), self._at) // 1000
        if elapsed:
            self._left = min(_BAD_TAGS, self._left + elapsed)
            self._at = time.ticks_ms()
        if self._left <= 0:
            raise Fault(faults.BUSY, "too many bad tags on this connection")

    def failed(self) -> None:
        self._left -= 1


class Router:
    """record(kind, conn, key id or None, command, fault, detail) writes the access log; emit(dict) tells the bench."""

    def __init__(
        self,
        vin: bytes,
        sessions: Sessions,
        keychain: Keychain,
        enrolment: Enrolment,
        vehicle: Vehicle,
        clock: Clock,
        record: Callable[[str, Connection | None, bytes | None, int, int, int], None],
        emit: Callable[[dict[str, Any]], None],
    ) -> None:
        self._vin = vin
        self._sessions = sessions
        self._keychain = keychain
        self._enrolment = enrolment
        self._vehicle = vehicle
        self._clock = clock
        self._record = record
        self._emit = emit
        self.on_command: Callable[[Connection], None] | None = None  # a command was done and answered
        self.verified = 0
        self.refused = 0
        self.handshakes = 0
        self.last_us = 0  # what the last message took
        self.relay_us = 0  # from the last message that changed the vehicle to its outputs' edge
        self._started = 0

    def handle(self, conn: Connection, data: memoryview) -> None:
        """Take one whole message from a connection; the answer, if there is one, is on its way when this returns."""
        started = self._started = time.ticks_us()
        reply: Reply | BareReply = BareReply(conn, self.deliver)
        try:
            bare = envelope.read_bare(data)
            if bare is not None:
                self._pair(bare, reply)
            else:
                request = envelope.read(data)
                reply = Reply(conn, request, self._vin, self.deliver)
                self._answer(conn, request, reply)
        except Unanswerable as error:
            self._refused(conn, None, 0, 0, str(error))
        except Fault as fault:
            if fault.code == faults.INVALID_SIGNATURE and conn.limiter:
                conn.limiter.failed()
            who = fault.session or _signer(reply)
            self._refused(conn, who, fault.code, 0, fault.why, fault.expected, fault.got)
            reply.fault(fault.code, fault.session, self._sessions.public, self._clock.now())
        except KeyRefused as refusal:
            who = _signer(reply)
            self._refused(conn, who, 0, refusal.code, refusal.why)
            reply.payload(answers.whitelist_status(refusal.code, who.record.id if who else None))
        except Refused as refusal:
            self._refused(conn, _signer(reply), 0, _NOMINAL | refusal.code, "vehicle state")
            reply.payload(answers.nominal_error(refusal.code))
        except Exception as error:  # noqa: BLE001 - a bug must not strand a driver: it is told, and answered
            sys.print_exception(error)
            self._refused(conn, None, faults.INTERNAL, 0, repr(error))
            reply.fault(faults.INTERNAL)
        self.last_us = time.ticks_diff(time.ticks_us(), started)

    def relayed(self) -> None:
        """The outputs have followed a change of the vehicle."""
        self.relay_us = time.ticks_diff(time.ticks_us(), self._started)

    def deliver(self, conn: Connection, message: bytes) -> None:
        """Hand a whole message to the connection's link."""
        conn.send(message)

    def closed(self, conn: Connection) -> None:
        """A connection is gone; what is pending from it (a pairing) may still be approved."""

    def _answer(self, conn: Connection, request: envelope.Request, reply: Reply) -> None:
        request.check()
        kind = request.body.get("payload")
        if request.domain != _VEHICLE_SECURITY:
            session = None
            if kind == "session_info_request":
                # Clients that open every domain first give up on all of them unless the info itself is sound.
                session = self._sessions.find(request.body[kind].get("public_key", b""))
            raise Fault(faults.INVALID_DOMAINS, "domain", session, _VEHICLE_SECURITY, request.domain)
        if kind == "session_info_request":
            self._handshake(request, reply)
            return
        if kind != "protobuf_message_as_bytes":
            raise Fault(faults.INVALID_COMMAND, "no payload")
        if "signature_data" not in request.body:
            self._unsigned(request.body[kind], reply)
            return
        if conn.limiter is None:
            conn.limiter = Limiter()
        conn.limiter.check()
        verified = verifier.verify(request, self._sessions, self._vin, self._clock.now())
        self.verified += 1
        conn.authenticated_ms = time.ticks_ms()
        reply.authenticate(verified)
        self._command(conn, verified, reply)

    def _handshake(self, request: envelope.Request, reply: Reply) -> None:
        public = request.body["session_info_request"].get("public_key", b"")
        if len(public) != 65:
            raise Fault(faults.BAD_PARAMETER, "public key", None, 65, len(public))
        session = self._sessions.find(public)
        self.handshakes += 1
        known = session is not None
        self._emit({"event": "handshake", "conn": reply.conn.name, "known": known})
        reply.session_info(session, self._sessions.public, self._clock.now())

    def _unsigned(self, data: memoryview, reply: Reply) -> None:
        message = _decode(data)
        kind = message.get("sub_message")
        if kind == "InformationRequest":
            reply.payload(answers.information(message[kind], self._keychain, self._vehicle))
        elif kind == "WhitelistOperation":
            self._enrolment.pair(message[kind], reply)
        else:
            raise Fault(faults.INSUFFICIENT_PRIVILEGES, "not signed")

    def _pair(self, data: memoryview, reply: Reply | BareReply) -> None:
        message = _decode(data)
        if message.get("sub_message") != "WhitelistOperation":
            raise Fault(faults.INVALID_COMMAND, "only pairing may be presented")
        self._enrolment.pair(message["WhitelistOperation"], reply)

    def _command(self, conn: Connection, verified: Verified, reply: Reply) -> None:
        record = verified.session.record
        message = _decode(verified.plaintext)
        kind = message.get("sub_message")
        try:
            if kind == "RKEAction":
                command = message[kind]
                if command not in policy.RKE:
                    raise Unsupported
                policy.check(record, policy.RKE[command])
                commands.rke(self._vehicle, command)
            elif kind == "closureMoveRequest":
                command = policy.closures(message[kind])
                policy.check(record, command)
                commands.move(self._vehicle, message[kind])
            elif kind == "InformationRequest":
                policy.check(record, policy.READ)
                reply.payload(answers.information(message[kind], self._keychain, self._vehicle))
                return
            elif kind == "WhitelistOperation":
                self._enrolment.manage(message[kind], reply, record)
                return
            else:
                raise Unsupported
        except Unsupported:
            raise Fault(faults.INVALID_COMMAND, "unknown command")
        reply.payload(b"")
        if self.on_command:
            self.on_command(conn)
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


def _signer(reply: Reply | BareReply) -> Session | None:
    return reply.verified.session if reply.verified else None


def _decode(data: bytes | memoryview) -> Fields:
    try:
        return decode(messages.UNSIGNED_MESSAGE, data)
    except DecodeError as error:
        raise Fault(faults.DECODING, str(error))
