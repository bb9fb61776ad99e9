# SPDX-License-Identifier: Apache-2.0
"""The roster in force, as far as it is asked about keys: found in flash, at a cost in RAM that does not grow."""

import struct

from micropython import const

from latchkey import crypto
from latchkey.store import formats
from latchkey.wire.schema import Permission, Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.record import Record

SIZE = const(104)  # an entry (docs/protocol.md, "Entries"), and a digest of it and of its roster
ENTRY = const(96)
_POINT = const(64)
_RANKS = const(b"\x00\x00\x05\x04\x01\x01\x02\x00\x03")  # by Role: which is more; 0: none that a roster may give


def path(root: str, place: int) -> str:
    """There are two: one in force, and one for the next."""
    return f"{root}/roster/{place}"


def rank(role: int) -> int:
    """How much a role is, 1 to 5; 0 for one that a roster cannot give."""
    return _RANKS[role] if role < len(_RANKS) else 0


class State:
    """What is kept: `root` (65 bytes), `seal` (16), `role` and `url` as installed; role 0: there is no authority.

    Of the delegation: `generation`, `delegation` (digest of the body), `signers` (65 bytes each). Of the roster: `made`
    (generation), `version`, `issued`, `expires`, `interval`, `keys`, `digest` (of the head's body), `place`, `wishes`.
    `time`: the latest at which anything accepted was issued. And of a roster that is under way: the `part` that is
    wanted, its `hash`, the `count` of entries so far, and the `last` of them.
    """

    def __init__(self, root: bytes, seal: bytes, role: int, url: bytes) -> None:
        self.root = root
        self.seal = seal
        self.role = role
        self.url = url
        self.generation = self.made = self.version = self.issued = self.expires = self.interval = 0
        self.keys = self.place = self.wishes = self.time = self.part = self.count = 0
        self.delegation = self.digest = bytes(8)
        self.signers = self.hash = self.last = b""


def order(state: State) -> tuple[int, int]:
    """Rosters are ordered by it (R3)."""
    return state.made, state.version


def find(root: str, state: State, public: bytes | memoryview, raw: bytearray) -> bool:
    """Whether that state's roster lists the key; its entry is in `raw` (SIZE bytes) then. A damaged one is denied.

    Raises OSError. Twelve reads for 4,000 keys.
    """
    want = bytes(public[1:])
    low, high = 0, state.keys
    if not high:
        return False
    with open(path(root, state.place), "rb") as f:
        while low < high:
            middle = (low + high) >> 1
            f.seek(middle * SIZE)
            if f.readinto(raw) != SIZE:
                return False
            point = bytes(raw[:_POINT])
            if point == want:
                return bool(formats.digest(raw[:ENTRY], state.digest) == raw[ENTRY:])
            if point < want:
                low = middle + 1
            else:
                high = middle
    return False


class Roster:
    """`state` is what is kept (kept.py); `floor`: no roster before it is taken; NVS may know of a
    later one than the files have.

    `intake` is there while parcels come, `coming` while a roster is under way; `declined` is the last Decline of this
    start.
    """

    def __init__(self, root: str, clock: Clock, state: State, floor: tuple[int, int]) -> None:
        self.root = root
        self._clock = clock
        self._raw = bytearray(SIZE)
        self.intake: Any = None
        self.coming: State | None = None
        self.declined = 0
        self.take(state, floor)

    def take(self, state: State, floor: tuple[int, int] = (0, 0)) -> None:
        """From here on that one is in force."""
        self.state = state
        self.floor = max(floor, order(state))
        self._since = self._clock.now()  # the time was state.time then, at least
        self._current = not self.expired

    @property
    def address(self) -> bytes:
        """The 16 bytes that couriers know the car by."""
        return crypto.hmac_sha256(self.state.seal, b"latchkey address")[:16]

    @property
    def url(self) -> bytes:
        """Where its parcels are; empty: couriers bring them."""
        return self.state.url

    @property
    def interval(self) -> int:
        """Seconds between two polls; 0: the car's own."""
        return self.state.interval

    @property
    def time(self) -> int:
        """Seconds since 1970, at least."""
        return self.state.time + self._clock.now() - self._since

    @property
    def expired(self) -> bool:
        """It is known to be."""
        return self.time >= self.state.expires

    def lapses(self) -> bool:
        """Whether it has expired since this was asked last."""
        lapses = self._current and self.expired
        self._current = not self.expired
        return lapses

    def lists(self, public: bytes | memoryview, anew: bool = False) -> bool:
        """Whether that key may be used; with `anew`, enrolled."""
        if anew and (self.floor > order(self.state) or self.expired):
            return False
        try:
            return len(public) == 65 and find(self.root, self.state, public, self._raw)
        except OSError as error:
            print("roster:", error)
            return False

    def governs(self, record: Record) -> bool:
        """Whether it lists a key that came from a roster: what it may is filled in then."""
        if not self.lists(record.public):
            return False
        role, form, commands, label = struct.unpack_from("<BB2xI24s", self._raw, _POINT)
        most = self.state.role
        record.role = role = most if rank(role) > rank(most) else role
        record.form = form
        record.commands = Permission.READ if role == Role.GUEST and self.expired else commands
        record.label = label.rstrip(b"\0").decode()
        return True
