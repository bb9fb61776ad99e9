# SPDX-License-Identifier: Apache-2.0
"""The answer to a bare pairing message, which names no address: broadcasts to its connection alone."""

from micropython import const

from latchkey.wire import answers, messages
from latchkey.wire.pb import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.router import Connection
    from latchkey.session.reply import Deliver
    from latchkey.session.sessions import Session

# RoutableMessage
_FROM_DESTINATION = const(7)
_SIGNED_MESSAGE_STATUS = const(12)
# MessageStatus
_OPERATION_STATUS = const(1)
_SIGNED_MESSAGE_FAULT = const(2)

_ERROR = const(2)  # OperationStatus_E


class BareReply:
    def __init__(self, conn: Connection, deliver: Deliver) -> None:
        self.conn = conn
        self.verified = None
        self._deliver = deliver

    def payload(self, payload: bytes, fault: int = 0) -> None:
        if payload:
            self._deliver(self.conn, answers.broadcast(payload))

    def waiting(self) -> None:
        from latchkey.keys.answers import WAIT

        self.payload(WAIT)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        """From vehicle security, to nobody: as an envelope that names no address has it."""
        status = {_OPERATION_STATUS: _ERROR, _SIGNED_MESSAGE_FAULT: code}
        body = {_FROM_DESTINATION: {1: 2}, _SIGNED_MESSAGE_STATUS: status}
        self._deliver(self.conn, encode(messages.ROUTABLE_MESSAGE, body))
