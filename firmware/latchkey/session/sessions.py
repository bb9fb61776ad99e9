# SPDX-License-Identifier: Apache-2.0
"""The table of live sessions over the keychain.

A session is one key's: its epoch is drawn when the object is made, so whatever is evicted, dropped or lost in a
reset comes back under another epoch and nothing said before works again. Unknown keys cost a flash look-up and no
public-key work: K was stored when the key was enrolled.
"""

from micropython import const

from latchkey import crypto

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

_PROVEN = const(8)  # sessions that have verified a tag
_CLAIMED = const(4)  # sessions opened for somebody who so far only named a key
_LAST_COUNTER = const(0xFFFFFFFF)


class Session:
    """One key's session: `record` as enrolled, 16-byte `epoch`, highest `counter` seen, `deadline` of a timed key."""

    def __init__(self, record: Record, deadline: int | None) -> None:
        self.record = record
        self.deadline = deadline
        self.public = record.public
        self.key = record.shared
        self.command_key = crypto.hmac_sha256(record.shared, b"authenticated command")
        self.info_key = crypto.hmac_sha256(record.shared, b"session info")
        self.handle = record.slot + 1
        self.proven = False
        self.renew()

    def renew(self) -> None:
        self.epoch = crypto.random_bytes(16)
        self.counter = 0

    def spend(self, counter: int) -> None:
        """Record a counter that has passed; the last one there is starts a new epoch."""
        self.counter = counter
        if counter >= _LAST_COUNTER:
            self.renew()


class Sessions:
    """A claimed session makes way only for claims: whoever recites public keys cannot unseat a driver's session."""

    def __init__(self, keychain: Keychain, clock: Clock, public: bytes) -> None:
        self.public = public  # the vehicle's own key, 65 bytes
        self._keychain = keychain
        self._clock = clock
        self._live: "list[Session]" = []  # least recently used first
        self._deadlines: "dict[bytes, int]" = {}  # id of a timed key: its last second

    def find(self, public: bytes | memoryview) -> Session | None:
        """The session of an enrolled key, made if need be; None if the key is unknown."""
        for session in self._live:
            if session.public == public:
                return session
        record = self._keychain.find(public) if len(public) == 65 else None
        if record is None:
            return None
        session = Session(record, self._deadlines.get(record.id))
        self._append(session)
        return session

    def find_handle(self, handle: int) -> Session | None:
        """A handle is told in a handshake, which opens the session: one that is not live is stale."""
        for session in self._live:
            if session.handle == handle:
                return session
        return None

    def prove(self, session: Session) -> None:
        """A tag of this session's key has verified."""
        session.proven = True
        self._live.remove(session)
        self._append(session)

    def active(self, session: Session) -> bool:
        """False once a key that was enrolled for some seconds has had them, or if a reset lost their count."""
        return not session.record.seconds or (session.deadline or 0) > self._clock.now()

    def start_time(self, record: Record) -> None:
        """Start the time of a key that is active for `record.seconds`, counted while the vehicle is powered."""
        now = self._clock.now()
        self._deadlines = {key: last for key, last in self._deadlines.items() if last > now}
        self._deadlines[record.id] = now + record.seconds

    def drop(self, public: bytes | None = None) -> None:
        """Forget one key's session, or all: it comes back with a new epoch, if its key still is enrolled."""
        self._live = [s for s in self._live if public is not None and s.public != public]

    def _append(self, session: Session) -> None:
        limit = _PROVEN if session.proven else _CLAIMED
        alike = [s for s in self._live if s.proven == session.proven]
        if len(alike) >= limit:
            self._live.remove(alike[0])
        self._live.append(session)
