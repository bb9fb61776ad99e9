# SPDX-License-Identifier: Apache-2.0
"""Whom a tap of the card can mean: one who asked alone, and nobody while two have asked (law 5).

Who asks is a connection and all of what it asks for: anybody can ask, so anybody can ask for nearly the same in
somebody's name. There are two ranks. What comes from inside the car (the serial port) is stopped by nothing from the
air. On the air a stranger may wait for a moment when a tap would mean him: so there, what was asked last is remembered
for one window after its time for a tap is over, and a tap is over only when the card has been away for a while.
"""

from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.link.connection import Connection

WINDOW = const(30)  # seconds in which a tap approves
ALONE = const(0)  # what becomes of who asks: a tap approves it
TURNED_AWAY = const(1)
COLLISION = const(2)  # turned away, and so is who asked before: a window begins in which a tap approves nobody

_SAME_TAP = const(3)  # seconds: people tap twice


class _Asked:
    """What was asked last at one rank, and not tapped for."""

    def __init__(self) -> None:
        self.conn: Connection | None = None
        self.operation = b""
        self.at = 0
        self.many = False  # and something else within a window before it


class Card:
    """All times are seconds of the car's clock."""

    def __init__(self) -> None:
        self._air = _Asked()
        self._inside = _Asked()
        self._tapped: int | None = None

    def ask(self, conn: Connection, operation: bytes, now: int) -> int:
        """A pairing request came: ALONE, TURNED_AWAY or COLLISION."""
        self.tick(now)
        asked = self._inside if conn.inside else self._air
        recent = now - asked.at < WINDOW
        was_many = asked.many and recent
        if asked.conn is None:
            asked.many = False
        elif recent:
            asked.many = was_many or asked.conn is not conn or asked.operation != operation
        else:  # no tap can mean it any more, but one that was meant for it may be on its way
            asked.many = not conn.inside and asked.operation != operation
        asked.conn = conn
        asked.operation = operation
        asked.at = now
        if asked.many:
            return TURNED_AWAY if was_many else COLLISION
        return TURNED_AWAY if not conn.inside and self._inside.conn is not None else ALONE

    def tap(self, conn: Connection | None, now: int) -> bool:
        """The card was tapped while that connection's request was pending, or none: whether it meant that.

        Who taps on and on means what he began with: each tap that follows another one belongs to it.
        """
        again = self._tapped is not None and now - self._tapped <= _SAME_TAP
        if again or conn or self.closed(now):
            self._tapped = now
        if conn is None or (again and not conn.inside):
            return False
        (self._inside if conn.inside else self._air).conn = None
        return True

    def closed(self, now: int) -> int:
        """Seconds for which a tap approves nobody, because two have asked; 0 if there is no such window."""
        left = 0
        for asked in (self._air, self._inside):
            if asked.conn and asked.many:
                left = max(left, asked.at + WINDOW - now)
        return left

    def busy(self, now: int) -> bool:
        """Is there anything that has to be remembered?"""
        tapped = self._tapped is not None and now - self._tapped <= _SAME_TAP
        return tapped or self._air.conn is not None or self._inside.conn is not None

    def tick(self, now: int) -> None:
        """Forget what is over, and with it the connections it came from."""
        for asked in (self._air, self._inside):
            if now - asked.at >= (WINDOW if asked.many and asked is self._air else 2 * WINDOW):
                asked.conn = None
