# SPDX-License-Identifier: Apache-2.0
"""A phone's connection, whatever carries it: what the router needs of a link, and knows of it."""

from micropython import const

from latchkey.faults import Fault
from latchkey.wire.schema import MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BAD_TAGS = const(8)  # in a row, before a connection is made to wait a second for each


class Connection:
    """Its allowance of failed tags, and of parcels that nothing came of, refills by one a second, and never touches
    another connection's.

    `authenticated_ms` is the tick of its last authenticated command; `untold`: the vehicle has changed, and it does not
    know. Each link has its own way to `send` a whole message, an answer, and to `tell` what nobody asked for (the
    newest replaces the others). Both queue it and return at once.
    """

    send: Callable[[bytes], None]
    tell: Callable[[bytes], None]
    inside = False  # it comes from inside the car

    def __init__(self, name: str, authenticated_ms: int = 0) -> None:
        self.name = name
        self.authenticated_ms = authenticated_ms
        self.untold = False
        self._left = _BAD_TAGS
        self._at = 0

    def check(self, now: int) -> None:
        """Raises Fault BUSY while the allowance is spent. `now` is the Clock's: ticks would come round."""
        self._left = min(_BAD_TAGS, self._left + now - self._at)
        self._at = now
        if self._left <= 0:
            raise Fault(MessageFault.BUSY, "bad tags")

    def bad_tag(self) -> None:
        """One of its messages had a wrong tag, or was for nothing."""
        self._left -= 1
