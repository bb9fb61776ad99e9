# SPDX-License-Identifier: Apache-2.0
"""The answer to a bare pairing message, which names no address: broadcasts to its connection alone."""

from latchkey.keys.answers import WAIT
from latchkey.wire import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.router import Connection
    from latchkey.session.reply import Deliver
    from latchkey.session.sessions import Session


class BareReply:
    def __init__(self, conn: Connection, deliver: Deliver) -> None:
        self.conn = conn
        self.verified = None
        self._deliver = deliver

    def payload(self, payload: bytes, fault: int = 0) -> None:
        if payload:
            self._deliver(self.conn, answers.broadcast(payload))

    def waiting(self) -> None:
        self.payload(WAIT)

    def fault(self, code: int, session: Session | None = None, public: bytes = b"", now: int = 0) -> None:
        pass
