# SPDX-License-Identifier: Apache-2.0
"""Epochs that need no table, and the small table of sessions that have verified a tag.

An epoch is a keyed hash of a secret of this boot, the key, the domain and a generation. So a handshake or a look-up
changes nothing at all, and whoever recites public keys (the whitelist is public) unseats nobody. Only a proven session
is kept, for its counter. When one goes (evicted, dropped, counted out) the generation of its place moves on: its epoch
never comes back, and nothing that was said in it works again. Unknown keys cost a flash look-up and no public-key work:
K was stored when the key was enrolled.
"""

from micropython import const

from latchkey import crypto
from latchkey.keys.record import BARRED
from latchkey.wire.schema import Domain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

_PROVEN = const(8)  # sessions that are kept
_PLACES = const(64)  # of generations, by slot, which no key can choose: up to so many keys have each its own
_LAST_GENERATION = const(0xFF)
_LAST_COUNTER = const(0xFFFFFFFF)


class Session:
    """One key's session with one domain: `record` as enrolled, 16-byte `epoch`, highest `counter` seen."""

    def __init__(self, record: Record, domain: int, epoch: bytes) -> None:
        self.record = record
        self.domain = domain
        self.epoch = epoch
        self.counter = 0
        self.key = record.shared
        self.handle = record.slot + 1


class Sessions:
    """What follows a verified tag (`spend`), and what ends sessions (`drop`), allocates nothing: it cannot fail."""

    def __init__(self, keychain: Keychain, public: bytes) -> None:
        self.public = public  # the vehicle's own key, 65 bytes
        self._keychain = keychain
        self._secret = b""  # drawn when first needed: by then the number of this boot has been stirred in
        self._generation = 0  # the highest in use
        self._generations = bytearray(_PLACES)
        self._live: "list[Session | None]" = [None] * _PROVEN  # most recently used first, but for gaps

    def find(self, public: bytes | memoryview, domain: int = Domain.VEHICLE_SECURITY) -> Session | None:
        """The session of an enrolled key with a domain; None if the key is unknown."""
        for session in self._live:
            if session and session.domain == domain and session.record.public == public:
                return session
        return self._open(self._keychain.find(public) if len(public) == 65 else None, domain)

    def listed(self, public: bytes | memoryview) -> bool:
        """Whether a roster lists a key that is not enrolled, so that it may be."""
        roster = self._keychain.roster
        if not roster or not roster.lists(public, True):
            return False
        old = self._keychain.find(public, True)
        return not old or not old.flags & BARRED

    def find_handle(self, handle: int, domain: int) -> Session | None:
        """The session of the key in a handle's slot: a handle is stale once that slot is empty."""
        for session in self._live:
            if session and session.domain == domain and session.handle == handle:
                return session
        return self._open(self._keychain.find_slot(handle - 1), domain)

    def spend(self, session: Session, counter: int) -> None:
        """Record a counter that has passed, once a tag of this session's key has verified."""
        session.counter = counter
        live = self._live
        place = -1
        for at in range(_PROVEN):
            if live[at] is session:
                place = at
                break
            if place < 0 and live[at] is None:
                place = at
        if place < 0:
            place = _PROVEN - 1
            self._end(place)
        while place:
            live[place] = live[place - 1]
            place -= 1
        live[0] = session
        if counter >= _LAST_COUNTER:
            self._end(0)

    def drop(self, public: bytes | None = None, origin: int = 0) -> None:
        """End one key's sessions, those of an origin's keys, or all: they have a new epoch then, if the key still is
        enrolled. So does each that is not proven yet: the key may come back in another slot."""
        generation = self._next()
        for place in range(_PLACES):
            self._generations[place] = generation
        for at in range(_PROVEN):
            session = self._live[at]
            if session is None or (origin and session.record.origin != origin):
                continue
            if public is None or session.record.public == public:
                self._live[at] = None

    def _open(self, record: Record | None, domain: int) -> Session | None:
        """A session as nobody has used it yet: the same until something of its place ends."""
        if record is None:
            return None
        if not self._secret:
            self._secret = crypto.random_bytes(32)
        named = bytes((domain, self._generations[record.slot % _PLACES]))
        return Session(record, domain, crypto.hmac_sha256(self._secret, named, record.public)[:16])

    def _end(self, at: int) -> None:
        """End one proven session, and nobody else's."""
        session = self._live[at]
        if session:
            self._generations[session.record.slot % _PLACES] = self._next()
        self._live[at] = None

    def _next(self) -> int:
        """A generation that no epoch was made of; with another secret when all have been."""
        if self._generation == _LAST_GENERATION:
            self._secret = b""
            for place in range(_PLACES):
                self._generations[place] = 0
            self._generation = 0
        self._generation += 1
        return self._generation
