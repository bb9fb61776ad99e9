# SPDX-License-Identifier: Apache-2.0
"""Owners who make grants and take them back with nobody online: which keys may, what is tagged by them, and how who
brings it is answered (docs/protocol.md, "Grants")."""

from micropython import const

from latchkey import crypto
from latchkey.crypto import CryptoError
from latchkey.faults import KeyRefused
from latchkey.keys.asked import Asked
from latchkey.store.formats import StoreError
from latchkey.wire import grantmessages
from latchkey.wire.pb import DecodeError, decode, encode
from latchkey.wire.schema import GrantAnswer, GrantFault, Role, Wire
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.keys.asked import Change
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record
    from latchkey.wire.pb import Fields

TAG = const(16)


class Refused(KeyRefused):
    """By a GrantFault."""

    def __init__(self, fault: int, why: str) -> None:
        super().__init__(Refusal.WHITELIST_FULL if fault == GrantFault.FULL else Refusal.NO_PERMISSION_TO_ADD, why)
        self.fault = fault


class Brought(Asked):
    """A ToLatchkey with a maker's tag, by anybody."""

    def __init__(self, operation: bytes, reply: Any, actor: bytes | None) -> None:
        super().__init__(operation, reply, actor)
        told = decode(grantmessages.TO_LATCHKEY, operation)
        self._kind: int = told[Wire.ONE_OF]
        self._told: Fields = told[self._kind]
        self._fault = 0

    def plan(self, keychain: Keychain) -> Change:
        """Raises Refused."""
        self._fault = 0
        keychain.buckets.failed = False
        try:
            return self._planned(keychain)
        except (OSError, StoreError) as error:
            raise self._refused(Refused(GrantFault.FLASH, repr(error)))
        except (DecodeError, ValueError) as error:
            raise self._refused(Refused(GrantFault.ENCODING, repr(error)))
        except Refused as refused:
            unread = keychain.buckets.failed  # who was not found may be there
            raise self._refused(Refused(GrantFault.FLASH, "a bucket cannot be read") if unread else refused)

    def done(self, code: int, signer: bytes | None) -> None:
        """Answer it."""
        fault = code and (self._fault or (GrantFault.FULL if code == Refusal.WHITELIST_FULL else GrantFault.FLASH))
        self.reply.payload(self._answer(fault))

    def _planned(self, keychain: Keychain) -> Change:
        """The change that it comes to now. Raises Refused, OSError, StoreError, DecodeError, ValueError."""
        raise NotImplementedError

    def _refused(self, refused: Refused) -> Refused:
        """With its answer."""
        self._fault = refused.fault
        refused.answer = self._answer(refused.fault)
        return refused

    def _answer(self, fault: int) -> bytes:
        return encode(grantmessages.FROM_LATCHKEY, {self._kind: {GrantAnswer.fault: fault or None}})


def maker(keychain: Keychain, handle: int) -> Record:
    """The owner with that handle, whom nothing limits. Raises Refused."""
    record = keychain.find_slot(handle - 1)
    if not record or record.role != Role.OWNER or record.commands or record.limited:
        raise Refused(GrantFault.MAKER, "no owner without limits has that handle")
    return record


def subkey(record: Record, purpose: bytes) -> bytes:
    """What an owner's phone tags with, far from the car: it dies with the owner's enrolment."""
    return crypto.hmac_sha256(record.shared, purpose, record.number.to_bytes(4, "big"))


def check(tag: bytes, told: bytes | memoryview) -> None:
    """Raises Refused unless that is the tag."""
    try:
        crypto.verify_equal(tag[:TAG], told)
    except CryptoError:
        raise Refused(GrantFault.TAG, "tag")
