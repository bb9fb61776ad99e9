# SPDX-License-Identifier: Apache-2.0
"""Owners who make grants and take them back with nobody online: which keys may, what is tagged by them, and how who
brings it is answered (docs/protocol.md, "Grants")."""

import asyncio

from micropython import const

from latchkey import crypto
from latchkey.crypto import CryptoError
from latchkey.faults import KeyRefused
from latchkey.keys import buckets
from latchkey.keys.asked import Asked
from latchkey.store.formats import StoreError
from latchkey.wire import grantmessages
from latchkey.wire.pb import DecodeError, decode, encode
from latchkey.wire.schema import GrantAnswer, GrantFault, Origin, Role, Wire
from latchkey.wire.schema import WhitelistOperation_information as Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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

    async def _granted(self, keychain: Keychain, wanted: Callable[[Record], bool], most: int) -> list[bytes]:
        """The keys that grants have brought and that are wanted, but no more than that. Raises Refused, OSError."""
        found: list[bytes] = []
        keychain.buckets.failed = False
        for bucket in range(buckets.COUNT):
            try:
                entries = keychain.buckets.entries(bucket)
            except StoreError as error:
                raise self._refused(Refused(GrantFault.FLASH, repr(error)))
            for _, slot, flags in entries:
                if flags & buckets.GRANTED and len(found) < most:
                    record = keychain.find_slot(slot, True)
                    if record and record.origin == Origin.GRANT and wanted(record):
                        found.append(record.public)
                    await asyncio.sleep_ms(0)
            await asyncio.sleep_ms(0)
        if keychain.buckets.failed:
            raise self._refused(Refused(GrantFault.FLASH, "a bucket cannot be read"))
        return found

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
