# SPDX-License-Identifier: Apache-2.0
"""Where keys are asked for, and the card is tapped. Enrolment itself is loaded when somebody asks, which may be never,
and dropped when nothing has to be remembered any more."""

from micropython import const

from latchkey import forget
from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.enrolment import Enrolment, Reply, Sessions
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.loading import Loading
    from latchkey.keys.record import Record
    from latchkey.link.connection import Connection
    from latchkey.store.accesslog import AccessLog

_PAUSE = const(5)  # seconds, after enrolment found no memory: each attempt keeps the loop busy, and anybody can ask


class Desk:
    """What enrolment is made of: `private` is the vehicle's own key; run(name, task, True) runs a task; emit(dict),
    where there is a bench, tells it; `failed` refuses a request that was taken (the router's, once there is one)."""

    failed: Callable[[Connection, Any, Exception], None]

    def __init__(
        self,
        clock: Clock,
        keychain: Keychain,
        sessions: Sessions,
        private: bytes,
        log: AccessLog,
        run: Callable[[str, Coroutine[Any, Any, None], bool], None],
        emit: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.clock = clock
        self.keychain = keychain
        self.sessions = sessions
        self.private = private
        self.log = log
        self.run = run
        self.emit = emit
        self.enrolment: Enrolment | Loading | None = None  # while somebody asks
        self.since = -_PAUSE  # when it last could not be loaded

    def ask(self, operation: memoryview, reply: Reply, actor: Record | None) -> None:
        """A key operation: signed by that key, or by nobody. Raises KeyRefused, Fault."""
        if self.enrolment is None:
            if self.clock.now() - self.since < _PAUSE:
                raise Fault(MessageFault.BUSY, "enrolment found no memory")
            from latchkey.keys.loading import Loading  # and the rest of it by and by

            self.enrolment = Loading(self)
        self.enrolment.ask(operation, reply, actor)

    def tap(self) -> bytes | None:
        """The card was tapped. Returns the id of the key that this approves, or None."""
        return self.enrolment.tap() if self.enrolment else None

    def tick(self) -> int | None:
        """Housekeeping. How the LED blinks (vehicle/pins.py); None: nobody asks."""
        enrolment = self.enrolment
        if enrolment is None:
            return None
        if enrolment.tick():  # over: whoever asks next has it loaded again
            self.enrolment = None
            forget(*enrolment.modules)
        return 2 if enrolment.collision else 1 if enrolment.pending else 0
