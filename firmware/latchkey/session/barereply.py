# SPDX-License-Identifier: Apache-2.0
"""The answer to a bare pairing message, which names no address: broadcasts to its connection alone."""

from latchkey.wire import answers, messages
from latchkey.wire.pb import encode
from latchkey.wire.schema import Destination, Domain, MessageStatus, OperationStatus, RoutableMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.link.connection import Connection
    from latchkey.session.sessions import Session


class BareReply:
    """Stands where a Reply does: `verified` is None, as nobody signed."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.verified = None

    def payload(self, payload: bytes, fault: int = 0) -> None:
        """Answer with a FromVCSECMessage, to nobody by name."""
        if payload:
            self.conn.send(answers.broadcast(payload))

    def waiting(self) -> None:
        """It will be answered later."""
        from latchkey.keys.answers import WAIT

        self.payload(WAIT)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        """From vehicle security, to nobody: as an envelope that names no address has it."""
        status = {MessageStatus.operation_status: OperationStatus.ERROR, MessageStatus.signed_message_fault: code}
        body = {
            RoutableMessage.from_destination: {Destination.domain: Domain.VEHICLE_SECURITY},
            RoutableMessage.signedMessageStatus: status,
        }
        self.conn.send(encode(messages.ROUTABLE_MESSAGE, body))
