# SPDX-License-Identifier: Apache-2.0
"""What was asked of the keychain, and the one change that it comes to: enrolment (keys/enrolment.py) plans it anew
whenever that matters, carries it out, and says how it ended."""

from micropython import const

from latchkey.keys.record import key_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

NO_KEY = const(b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")  # for K until it is carried out


class Change:
    """One atomic change of the keychain: a record to add or update, public keys to remove, its LogKind, and who is
    behind it where no key has signed."""

    def __init__(
        self, kind: int, record: Record | None, remove: tuple[bytes, ...] = (), drop: bool = False, by: str = "card"
    ) -> None:
        self.kind = kind
        self.record = record
        self.remove = remove
        self.drop_impermanent = drop
        self.by = by
        self.detail = 0  # of its entry in the log
        self.spent = b""  # grants that it spends (keys/spent.py): whose, and which are spent then
        self.origin = 0  # all sessions of that origin's keys end with it
        # The public key it is about; b"" for a change of many.
        self.public = record.public if record else remove[0] if remove else b""
        self.role = record.role if record else 0

    @property
    def key_id(self) -> bytes | None:
        """The 4-byte id of the key it is about; None for a change of many."""
        return key_id(self.public) if self.public else None

    @property
    def needs_agreement(self) -> bool:
        """K is still to be agreed (P-256) with a key that is new."""
        return self.record is not None and self.record.shared == NO_KEY

    async def make(self, keychain: Keychain, clock: Clock) -> None:
        """Raises what Keychain.apply does."""
        await keychain.apply(self.record, self.remove, self.drop_impermanent, self.spent)


class Asked:
    """`operation` is the bytes that came, `actor` the public key that signed them, or None. `tap`: it waits for the
    card."""

    tap = False
    more = False  # it is not over with one change: it is planned and carried out again, and then answered

    def __init__(self, operation: bytes, reply: Any, actor: bytes | None) -> None:
        self.operation = operation
        self.reply = reply
        self.actor = actor

    async def prepare(self, keychain: Keychain) -> None:
        """What takes a while, before it is planned for the last time. Raises KeyRefused."""

    def plan(self, keychain: Keychain) -> Change:
        """The change that it comes to now. Raises KeyRefused."""
        raise NotImplementedError

    def waiting(self) -> None:
        """Say that the card is waited for."""
        self.reply.waiting()

    def done(self, code: int, signer: bytes | None) -> None:
        """Answer: a WhitelistOperation_information, 0 for success, and the 4-byte id of who signed."""
        raise NotImplementedError
