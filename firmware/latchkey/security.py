# SPDX-License-Identifier: Apache-2.0
"""Vehicle security: what a message to it asks for, once it is known who sent it, and the answer.

A command is allowed, done, logged and answered in one go. Key operations are answered later, by `keys.enrolment`.
"""

from micropython import const

from latchkey.faults import Fault
from latchkey.keys import policy
from latchkey.vehicle import commands
from latchkey.wire import answers, messages
from latchkey.wire.pb import decode
from latchkey.wire.schema import (
    ClosureMoveType,
    InformationRequest,
    LogKind,
    MessageFault,
    Permission,
    UnsignedMessage,
    Wire,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.link.connection import Connection
    from latchkey.session.barereply import BareReply
    from latchkey.session.reply import Reply
    from latchkey.session.verify import Verified
    from latchkey.vehicle.state import Vehicle
    from latchkey.wire.pb import Fields

_SPARE = const(4)  # pieces of heap, for all that follows a change of the vehicle: its entry in the log, its answer
_PIECE = const(256)


class Security:
    """ask(operation, reply, record of its signer or None) takes a key operation, to be answered in its time.
    record(kind, name of the connection, key id or None, command, fault, detail, request hash) writes the access log;
    emit(dict), where there is a bench, tells it; `failed` refuses a command that was taken (the router's)."""

    failed: Callable[[Connection, Any, Exception], None]

    def __init__(
        self,
        vehicle: Vehicle,
        keychain: Keychain,
        ask: Callable[[memoryview, Any, Record | None], None],
        record: Callable[[int, str, bytes | None, int, int, int, bytes], None],
        emit: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.vehicle = vehicle
        self.keychain = keychain
        self._enrol = ask
        self._record = record
        self._emit = emit

    def unsigned(self, data: memoryview, reply: Reply) -> None:
        """Anybody's message. Raises Fault, KeyRefused."""
        message = decode(messages.UNSIGNED_MESSAGE, data)
        kind = message.get(Wire.ONE_OF)
        if kind == UnsignedMessage.InformationRequest:
            reply.payload(self._information(message[kind]))
        elif kind == UnsignedMessage.WhitelistOperation:
            self._enrol(message[kind], reply, None)
        else:
            raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "not signed")

    def bare(self, data: memoryview, reply: BareReply) -> None:
        """A message without an envelope: only pairing is answered. Raises Fault, KeyRefused."""
        message = decode(messages.UNSIGNED_MESSAGE, data)
        if UnsignedMessage.WhitelistOperation not in message:
            raise Fault(MessageFault.NONE, "not signed")
        self._enrol(message[UnsignedMessage.WhitelistOperation], reply, None)

    def signed(self, verified: Verified, reply: Reply) -> None:
        """An enrolled key's message. Raises Fault, KeyRefused, Refused."""
        record = verified.session.record
        message = decode(messages.UNSIGNED_MESSAGE, verified.plaintext)
        kind = message.get(Wire.ONE_OF, 0)
        asked: Any = message.get(kind)
        if kind == UnsignedMessage.InformationRequest:
            policy.check(record, Permission.READ, self.keychain)
            reply.payload(self._information(asked))
        elif kind == UnsignedMessage.WhitelistOperation:
            self._enrol(asked, reply, record)
        elif kind == UnsignedMessage.RKEAction and asked in commands.COMMANDS:
            command, act = commands.COMMANDS[asked]
            self._act(lambda: act(self.vehicle), command, reply)
        elif kind == UnsignedMessage.closureMoveRequest and max(asked.values(), default=0) <= ClosureMoveType.CLOSE:
            self._act(lambda: self.vehicle.move(asked), commands.closures(asked), reply)
        else:
            raise Fault(MessageFault.INVALID_COMMAND, "command")

    def perform(
        self, change: Callable[[], None], command: int, reply: Reply, answer: Callable[[Vehicle], bytes]
    ) -> bool:
        """Change the vehicle, which the key may (`command` is a Permission), log it, and answer. Whether the answer is
        on its way. Raises Refused.

        What runs out of memory does so before the change, which allocates nothing; after it only an answer can be lost.
        """
        verified: Any = reply.verified
        record = verified.session.record
        emit = self._emit
        event = (
            {"event": "command", "conn": reply.conn.name, "key": record.id.hex(), "command": command} if emit else {}
        )
        [bytearray(_PIECE) for _ in range(_SPARE)]  # not in one: a heap in use may have no longer piece left
        change()
        self._record(LogKind.COMMAND, reply.conn.name, record.id, command, 0, 0, verified.request_hash)
        told = False
        try:
            reply.payload(answer(self.vehicle))
            told = True
            if emit:
                emit(event)
        except MemoryError:
            pass  # it is done, whoever could not be told
        return told

    def act(self, change: Callable[[], None], command: int, reply: Reply) -> None:
        """Answer a command with the vehicle's state, which clients take for its end: its phone has been told then."""
        if self.perform(change, command, reply, answers.vehicle_status):
            reply.conn.untold = False

    def _act(self, change: Callable[[], None], command: int, reply: Reply) -> None:
        """Do it if the key may; in a moment, if its use has to be written down first. Raises Fault, Refused."""
        record = reply.verified.session.record  # type: ignore[union-attr]
        policy.check(record, command, self.keychain)
        if record.uses:
            from latchkey.keys import limits  # rare

            if limits.counted(policy.allowed(record)) == command:
                from latchkey import rare

                rare.answer("latchkey.keys.charging", (self, change, command), reply, self.failed)
                return
        self.act(change, command, reply)

    def _information(self, request: Fields) -> bytes:
        if not request.get(InformationRequest.informationRequestType):
            return answers.vehicle_status(self.vehicle)
        from latchkey.keys import answers as key_answers  # rare

        return key_answers.information(request, self.keychain)
