# SPDX-License-Identifier: Apache-2.0
"""What an owner's phone keeps to make grants alone: what each car said of its key, and which it has made.

A number is on disk before a grant with it can be shown to anybody, so none is ever given twice. Nothing in the file is
a secret: what tags grants follows from the key file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from host_tools.faults import LatchkeyError
from host_tools.phone import beside, grants, session
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.keyfile import Key
from host_tools.phone.link import Link

_VERSION = 1
_LARGEST = 4 << 20  # bytes
_KEPT = 1024  # grants of one car: an older one that was never presented dies when the newest is


class BadGiven(LatchkeyError):
    """The file cannot be relied on, so that a number might be given twice."""

    name = "GIVEN_FILE"


@dataclass(frozen=True)
class Given:
    """A grant that was made here."""

    number: int
    made: int  # seconds since 1970
    limits: str  # the maker's, encoded, in hex; empty: not known here any more
    spent: bool = False  # the car said that this number is used: somebody presented it, or it was revoked
    key: str = ""  # the id of the key that came by it, when the car was last asked
    revoked: bool = False
    heard: bool = False  # the car has, too

    def allowed(self) -> grants.Allowed | None:
        """What it allowed, as far as that is known. Raises BadGrant for what is no grant of ours."""
        if not self.limits:
            return None
        limits = bytes.fromhex(self.limits)
        chain = bytes([len(limits)]) + limits
        return grants.allowed(ours.Grant(handle=1, number=1, limits=chain, tag=bytes(grants.TAG_BYTES)))


@dataclass(frozen=True)
class Account:
    """What a car said of this key, and what was given of it."""

    car_public: str
    handle: int
    salt: int
    next: int  # the number of the next grant
    time: int = 0  # that it was at least in the car when it was asked, seconds since 1970
    told: int = 0  # when this phone told the car the time last
    below: int = 0  # all numbers below it are revoked, and the car has not heard of it
    given: tuple[Given, ...] = field(default=())

    def unheard(self) -> list[tuple[list[int], int]]:
        """The revocations that the car has not heard: some numbers, and below which all are."""
        numbers = [it.number for it in self.given if it.revoked and not it.heard and it.number >= self.below]
        cut = [numbers[at : at + grants.MOST_NUMBERS] for at in range(0, len(numbers), grants.MOST_NUMBERS)]
        return [(some, self.below if at == 0 else 0) for at, some in enumerate(cut or [[]] if self.below else cut)]

    def revoked(self, numbers: Collection[int], below: int = 0) -> Account:
        """Taken back, and the car does not know it yet."""
        unknown = set(numbers) - {it.number for it in self.given}
        given = [*self.given, *(Given(number, 0, "") for number in unknown)]
        changed = [
            replace(it, revoked=True, heard=False) if it.number in numbers or it.number < below else it
            for it in sorted(given, key=lambda it: it.number)
        ]
        return replace(self, below=max(self.below, below), given=tuple(changed))

    def heard(self, told: list[tuple[list[int], int]]) -> Account:
        """The car has heard of these revocations."""
        below = max((below for _, below in told), default=0)
        numbers = {number for some, _ in told for number in some}
        given = tuple(
            replace(it, heard=it.heard or (it.revoked and (it.number in numbers or it.number < below)))
            for it in self.given
        )
        return replace(self, below=0 if self.below <= below else self.below, given=given)

    def seen(self, said: ours.Maker, keys: Mapping[int, str]) -> Account:
        """As the car sees it: which numbers are spent, and which key came by which. What is spent and has no key is as
        good as taken back."""

        def as_seen(it: Given) -> Given:
            at = it.number - said.below
            spent = at < 0 or (at < 8 * len(said.spent) and bool(said.spent[at // 8] >> at % 8 & 1))
            key = keys.get(it.number, "")
            return replace(it, spent=spent, key=key, heard=it.heard or (it.revoked and spent and not key))

        below = 0 if self.below <= said.below else self.below
        return replace(self, below=below, given=tuple(map(as_seen, self.given)))

    @classmethod
    def parse(cls, value: dict[str, Any]) -> Account:
        """From the file. Raises TypeError, ValueError."""
        account = cls(**{**value, "given": tuple(Given(**given) for given in value["given"])})
        numbers = [account.handle, account.salt, account.next, account.time, account.told, account.below]
        numbers += [number for given in account.given for number in (given.number, given.made)]
        if any(not isinstance(number, int) or not 0 <= number <= grants.ALL for number in numbers):
            raise ValueError("no number")
        for text in (account.car_public, *(given.limits for given in account.given)):
            bytes.fromhex(text)
        return account


class GivenFile:
    """The file of one key. What goes wrong with it is raised: a number is not guessed."""

    def __init__(self, key: Key) -> None:
        if key.path is None:
            raise BadGiven("a key without a file gives nothing", "keep it in a file")
        self._key_path = key.path
        self._key = key
        self.path = beside.beside(key.path, "given")

    def cars(self) -> dict[str, Account]:
        """By VIN. Raises BadGiven."""
        try:
            found = beside.document(self.path, _LARGEST)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _damaged(f"{self.path}: {error.strerror}") from None
        if found is not None and found.get("version") == _VERSION and found.get("key") != self._key.id:
            return {}  # another key had this file's name
        try:
            if found is None or found["version"] != _VERSION:
                raise ValueError("no file of ours")
            return {str(vin): Account.parse(value) for vin, value in found["cars"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _damaged(f"{self.path} is damaged, or of another version of Latchkey") from None

    def heard(self, vin: str, car_public: bytes, said: ours.Maker) -> Account:
        """Keep what a car said. Grants of an earlier enrolment are dead, and forgotten."""

        def learn(before: Account | None) -> Account:
            same = before is not None and (before.car_public, before.salt) == (car_public.hex(), said.salt)
            if before is not None and same:  # it knows its own numbers, be they on their way yet
                following = max(before.next, said.below + int.from_bytes(said.spent, "little").bit_length())
                return replace(before, handle=said.handle, next=following, time=said.time)
            return Account(car_public.hex(), said.handle, said.salt, said.next, said.time)

        return self.change(vin, learn)

    def give(self, vin: str, limits: ours.Limits, now: int) -> Link:
        """A grant with the next number, which is on disk when this returns. Raises BadGiven, BadGrant."""

        def take(account: Account | None) -> Account:
            if account is None:
                raise BadGiven(f"car {vin} has not told this key how to make grants", "share once near the car")
            if not 0 < account.next < grants.ALL:
                raise BadGiven(f"this key has no numbers left for car {vin}", "have it removed and enrolled anew")
            made = Given(account.next, now, grants.encoded(limits).hex())
            return replace(account, next=account.next + 1, given=(*account.given, made)[-_KEPT:])

        grants.make(b"", 1, 1, limits)  # what is no grant spends no number
        account = self.change(vin, take)
        key = grants.grant_key(self._shared(account), account.salt)
        made = grants.make(key, account.handle, account.given[-1].number, limits)
        return Link(vin, bytes.fromhex(account.car_public), made)

    def revoke(self, vin: str, numbers: Collection[int], below: int = 0) -> Account:
        """Take those back, and all with lower numbers than that; the car has to hear of it. Raises BadGiven."""

        def take_back(account: Account | None) -> Account:
            if account is None:
                raise BadGiven(f"this key has shared nothing of car {vin}", "which car is meant?")
            return account.revoked(numbers, below)

        return self.change(vin, take_back)

    def unheard(self, vin: str, account: Account) -> list[Link]:
        """What any phone may carry to the car, of what was taken back and it has not heard."""
        key, public = grants.revoke_key(self._shared(account), account.salt), bytes.fromhex(account.car_public)
        found = account.unheard()
        return [Link(vin, public, grants.revocation(key, account.handle, some, below)) for some, below in found]

    def change(self, vin: str, deed: Callable[[Account | None], Account]) -> Account:
        """Change what is kept of a car, one process at a time. Raises BadGiven."""
        try:
            with beside.locked(self._key_path):
                cars = self.cars()
                account = deed(cars.get(vin))
                if account != cars.get(vin):
                    kept = {name: asdict(it) for name, it in {**cars, vin: account}.items()}
                    beside.replace(self.path, json.dumps({"version": _VERSION, "key": self._key.id, "cars": kept}))
        except OSError as error:
            raise BadGiven(f"{self.path} cannot be written: {error.strerror}", "nothing was given") from None
        return account

    def _shared(self, account: Account) -> bytes:
        try:
            return session.shared_key(self._key.private, bytes.fromhex(account.car_public))
        except session.Unverified as error:
            raise _damaged(str(error)) from None


def _damaged(why: str) -> BadGiven:
    return BadGiven(why, "move it away, and share once near the car: it knows which numbers it has seen")
