# SPDX-License-Identifier: Apache-2.0
"""What stays loaded of an authority and its roster: their packed record (kept.py), and what is asked often. The rest is
loaded by who asks."""

from struct import unpack_from

from micropython import const

from latchkey import crypto

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.record import Record
    from latchkey.roster.kept import State

_SEAL = const(65)  # where they are in that record (kept.py)
_ROLE = const(81)
_INTERVAL = const(111)
_TIME = const(132)
_LAST = const(0xFFFFFFFF)  # seconds since 1970 that a message, and that record, have room for


class Roster:
    """`body` is the record in force; `floor`: no roster before it is taken, and NVS may know of a later one than that.

    `intake` is there while parcels come, `coming` while a roster is under way; `declined` is the last Decline of this
    start. `url`: where the car may fetch its parcels; empty: couriers bring them.
    """

    def __init__(self, root: str, clock: Clock, state: State, floor: tuple[int, int]) -> None:
        self.root = root
        self._clock = clock
        self.intake: Any = None
        self.coming: State | None = None
        self.declined = 0
        self.take(state, floor)

    def take(self, state: State, floor: tuple[int, int]) -> None:
        """From here on that one is in force."""
        from latchkey.roster import kept

        self.body = kept.pack(state)
        self.url = state.url
        self.floor = max(floor, kept.order(state))
        self.behind = self.floor > kept.order(state)
        self._since = self._clock.now()
        self._expires = state.expires
        self._current = not self.expired

    @property
    def state(self) -> State:
        """A copy of what is in force."""
        from latchkey.roster import kept

        return kept.unpack(self.body)

    @property
    def address(self) -> bytes:
        """The 16 bytes that couriers know the car by."""
        return crypto.hmac_sha256(self.body[_SEAL:_ROLE], b"latchkey address")[:16]

    @property
    def interval(self) -> int:
        """Seconds between two polls; 0: the car's own."""
        return int(unpack_from("<I", self.body, _INTERVAL)[0])

    @property
    def time(self) -> int:
        """Seconds since 1970, at least."""
        return min(int(unpack_from("<I", self.body, _TIME)[0]) + self._clock.now() - self._since, _LAST)

    @property
    def expired(self) -> bool:
        """It is known to be."""
        return max(self.time, self._clock.time()) >= self._expires

    def tick(self) -> bool:
        """Whether it has expired since this was asked last."""
        lapsed = self._current and self.expired
        self._current = not self.expired
        return lapsed

    def lists(self, public: bytes | memoryview, anew: bool = False) -> bool:
        """Whether that key may be used; with `anew`, enrolled."""
        from latchkey.roster import lookup

        return not (anew and (self.behind or self.expired)) and lookup.lists(self, public) is not None

    def permitted(self, record: Record) -> bool:
        """Whether it lists a key that came from a roster: what it may is filled in then."""
        from latchkey.roster import lookup

        return lookup.permitted(self, record)
