# SPDX-License-Identifier: Apache-2.0
"""Where keys are asked for, and the card is tapped. Enrolment itself is loaded when somebody asks, which may be never,
and dropped when nothing has to be remembered any more."""

import sys

from micropython import const

from latchkey import forget
from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault, Origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.enrolment import Enrolment, Sessions
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.loading import Loading
    from latchkey.keys.record import Record
    from latchkey.link.connection import Connection
    from latchkey.store.accesslog import AccessLog

_WHITELIST = const("latchkey.keys.whitelist")
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

    def ask(self, operation: memoryview, reply: Any, actor: Record | None, kind: str = _WHITELIST) -> None:
        """A key operation, or what another module makes of it: signed by that key, or by nobody. Raises KeyRefused,
        Fault."""
        enrolment = self.enrolment
        if enrolment and enrolment.modules and kind == _WHITELIST and kind not in sys.modules and not self.drop():
            raise Fault(MessageFault.BUSY, "a key is being changed")  # as it was loaded without this
        if self.enrolment is None:
            if self.keychain.roster and self.keychain.roster.intake:
                self.keychain.roster.intake.drop()  # there is memory for one of them
            if self.clock.now() - self.since < _PAUSE:
                raise Fault(MessageFault.BUSY, "enrolment found no memory")
            from latchkey.keys.loading import Loading  # and the rest of it by and by

            self.enrolment = Loading(self)
        self.enrolment.ask(operation, reply, actor, kind)

    def tap(self) -> bytes | None:
        """The card was tapped. Returns the id of the key that this approves, or None."""
        return self.enrolment.tap() if self.enrolment else None

    def drop(self) -> bool:
        """Drop enrolment, if nothing has to be remembered. Whether there is room then for something else."""
        enrolment = self.enrolment
        if enrolment and enrolment.ends():
            forget(*enrolment.modules)  # where there is no memory for that, the next time
            self.enrolment = None
        return self.enrolment is None

    def tick(self) -> int | None:
        """Housekeeping. How the LED blinks (vehicle/pins.py); None: nobody asks."""
        enrolment = self.enrolment
        roster = self.keychain.roster
        if roster and roster.tick():
            self.sessions.drop(None, Origin.ROSTER)  # its guests may only look from now on
        if enrolment is None:
            return None
        if enrolment.tick():
            self.drop()  # whoever asks next has it loaded again
        return 2 if enrolment.collision else 1 if enrolment.pending else 0
