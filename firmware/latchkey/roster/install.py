# SPDX-License-Identifier: Apache-2.0
"""The owner's part: whose roster the car takes, once the card is tapped, and the end of it (R22, R23)."""

from latchkey import store
from latchkey.crypto import CryptoError, publickey
from latchkey.faults import KeyRefused
from latchkey.keys import policy
from latchkey.keys.asked import Asked, Change
from latchkey.roster import held, kept, lookup
from latchkey.wire import authoritymessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import (
    Authority,
    AuthorityAnswer,
    AuthorityChange,
    LogKind,
    Origin,
    Permission,
    Role,
    ToLatchkey,
    Wire,
)
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain


class Installed(Change):
    """Another authority takes the place of the one before it; None: nobody does."""

    def __init__(self, state: kept.State | None) -> None:
        super().__init__(LogKind.AUTHORITY, None)
        self.origin = Origin.ROSTER
        self.detail = AuthorityChange.INSTALLED if state else AuthorityChange.REMOVED
        self._state = state
        if state:
            self.public = state.root
            self.role = state.role

    async def make(self, keychain: Keychain, clock: Clock) -> None:
        """Raises OSError: nothing has changed; journal.Unclear."""
        nobody = kept.nobody()
        state = self._state or nobody
        roster = held.Roster(keychain.root, clock, state, kept.floor(state)) if self._state else None
        with await store.alone():
            await kept.keep(keychain.root, state, keychain.roster.state if keychain.roster else nobody)
            before, keychain.roster = keychain.roster, roster
            if before:
                before.url = b""  # for who still has it: nothing is fetched any more


class _Asked(Asked):
    """A ToLatchkey of an owner's: `kind` is which."""

    def __init__(self, operation: bytes, reply: Any, actor: bytes | None) -> None:
        super().__init__(operation, reply, actor)
        self._kind: int = decode(authoritymessages.TO_LATCHKEY, operation).get(Wire.ONE_OF, 0)
        self.tap = self._kind == ToLatchkey.install

    def plan(self, keychain: Keychain) -> Change:
        """Raises KeyRefused."""
        record = keychain.find(self.actor) if self.actor else None
        if record is None or not policy.permitted(record, Permission.CHANGE_KEY, keychain):
            raise self._refused(Refusal.NO_PERMISSION_TO_CHANGE_PERMISSIONS, "its signer may not")
        if self._kind == ToLatchkey.remove:
            if not keychain.roster:
                raise self._refused(Refusal.PUBLIC_KEY_NOT_ON_WHITELIST, "there is no authority")
            return Installed(None)
        told = decode(authoritymessages.TO_LATCHKEY, self.operation)[ToLatchkey.install]
        root = bytes(told.get(Authority.root, b""))
        seal = bytes(told.get(Authority.seal, b""))
        role = told.get(Authority.role, 0) or Role.DRIVER
        url = bytes(told.get(Authority.url, b""))
        try:
            publickey.validate_public(root)
        except CryptoError:
            raise self._refused(Refusal.INVALID_PUBLIC_KEY, "root")
        if not lookup.rank(role):
            raise self._refused(Refusal.ATTEMPTING_TO_ADD_KEY_WITHOUT_ROLE, "role")
        if len(seal) != 16 or not kept.fetchable(url):
            raise self._refused(Refusal.UNDOCUMENTED_ERROR, "seal or url")
        return Installed(kept.State(root, seal, role, url))

    def waiting(self) -> None:
        """Say that the card is waited for."""
        self._answer({AuthorityAnswer.waiting: 1})

    def done(self, code: int, signer: bytes | None) -> None:
        """Answer it."""
        self._answer({AuthorityAnswer.information: code or None})

    def _answer(self, fields: Any) -> None:
        self.reply.payload(encode(authoritymessages.FROM_LATCHKEY, {self._kind: fields}))

    def _refused(self, code: int, why: str) -> KeyRefused:
        refusal = KeyRefused(code, why)
        answer = {self._kind: {AuthorityAnswer.information: code}}
        refusal.answer = encode(authoritymessages.FROM_LATCHKEY, answer)
        return refusal


asked = _Asked
