# SPDX-License-Identifier: Apache-2.0
"""What a car tells those who hold its keys: state, keychain and access log, whatever carries the messages.

An owner is told all of it, others what is theirs: that is the car's to decide. The names are those of the bench
(docs/bench.md), so that who shows it need not know where it came from.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from host_tools.faults import LatchkeyError, Refused
from host_tools.phone import chain, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.aside import Aside

_MOST_PAGES = 4096  # more than any board has to tell
_LIMITS = ("commands", "not_before", "not_after", "uses", "used", "powered_left", "number")
_CLOSURES = [re.sub(r"(?=[A-Z])", "_", field).lower() for field in messages.CLOSURES.values()]


class BadPage(LatchkeyError):
    """The car's proven answer does not go on from where the one before it ended."""

    name = "BAD_PAGE"

    def __init__(self, what: str) -> None:
        super().__init__(f"the car's {what} does not go on, or does not end", "is it a Latchkey car?")


class BadSignature(LatchkeyError):
    """What the car should have signed it has not."""

    name = "BAD_SIGNATURE"


class View(Aside):
    """A key's look at its car. Nothing that is asked here changes anything."""

    def status(self) -> dict[str, Any]:
        """What the car is doing, and what it is: the bench's `info` and `state`."""
        told = self._ask(ours.ToLatchkey(status=ours.StatusRequest()))
        pending = told.pending
        return {
            "version": told.version,
            "vin": self.vin,
            "provisioned": True,
            "board": told.board,
            "boot": told.boot,
            "uptime": told.uptime,
            "radio": told.radio,
            "micropython": told.micropython,
            "build": "development" if told.development else "production",
            "locked": told.locked,
            "start_enabled": told.start_enabled,
            "start_left": told.start_left,
            "asleep": told.asleep,
            "user_present": told.user_present,
            "brake": told.brake,
            "closures": {name: "open" if told.open >> i & 1 else "closed" for i, name in enumerate(_CLOSURES)},
            "pending": {"key": pending.id.hex(), "role": pending.role, "left": pending.left}
            if told.HasField("pending")
            else None,
            "collision": told.collision or None,
        }

    def keys(self) -> list[dict[str, Any]]:
        """The keys that this one may see, in the order of their slots. Raises BadPage."""
        found: list[dict[str, Any]] = []
        start = 0
        for _ in range(_MOST_PAGES):
            page = self._ask(ours.ToLatchkey(keys=ours.KeysRequest(start=start)))
            _check("keychain", [start - 1, *(key.slot for key in page.keys)], page.next)
            found += map(_key, page.keys)
            if not page.next:
                return found
            start = page.next
        raise BadPage("keychain")

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The log's entries with numbers above `since` that this key may see, oldest first. Raises BadPage."""
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            page = self._ask(ours.ToLatchkey(log=ours.LogRequest(since=since)))
            _check("log", [since, *(entry.number for entry in page.entries)], page.next and page.next + 1)
            found += map(entry_told, page.entries)
            if not page.next:
                return found
            since = page.next
        raise BadPage("log")

    def raw_log(self) -> tuple[list[bytes], chain.Head]:
        """All entries as they lie in the car's flash, oldest first, and where the car says that they end. Raises
        BadPage; Refused when this key may not see all of them."""
        found: list[bytes] = []
        since = 0
        for _ in range(_MOST_PAGES):
            page = self._ask(ours.ToLatchkey(log=ours.LogRequest(since=since, raw=True)))
            if not page.HasField("head"):
                hint = "use an owner's key; an earlier firmware has no chain to verify"
                raise Refused("INSUFFICIENT_PRIVILEGES", "this key may not see the whole log", hint)
            raws = [entry.raw for entry in page.entries]
            _check("log", [since, *map(chain.number, raws)], page.next and page.next + 1)
            found += raws
            if not page.next:
                head = chain.Head(page.head.number, page.head.chain)
                overwritten = chain.oldest(head.number) - 1  # some of it while it was read
                return [raw for raw in found if chain.number(raw) > overwritten], head
            since = page.next
        raise BadPage("log")

    def head(self) -> chain.Head:
        """Where the log ends, signed by the car. Raises BadSignature, Refused."""
        told = self._ask(ours.ToLatchkey(head=ours.HeadRequest()))
        head = chain.Head(told.number, told.chain, told.signature)
        if self.session is None or not chain.is_signed(self.session.car_public, self.vin, head):
            raise BadSignature("the signature of the log's head is not this car's", "is it a Latchkey car?")
        return head

    def roster(self) -> dict[str, Any] | None:
        """What the car says of its authority and of the roster in force; None without an authority. Times are seconds
        since 1970, 0: not known."""
        told = self._ask(ours.ToLatchkey(roster=ours.RosterRequest()))
        if not told.address:
            return None
        return {
            "address": told.address.hex(),
            "url": told.url.decode(errors="surrogateescape"),
            "role": told.role,
            "generation": told.generation,
            "version": told.version,
            "keys": told.keys,
            "issued": told.issued,
            "expires": told.expires,
            "time": told.time,
            "wishes": told.wishes,
            "declined": _word(ours.Decline, told.declined, "DECLINE_").upper() if told.declined else None,
            "sync": told.sync.decode(errors="surrogateescape"),
        }


def _check(what: str, numbers: list[int], following: int) -> None:
    """Numbers rise, and so do pages: from what came before this one, to what follows it, if anything does."""
    if following:
        numbers = [*numbers, following]
    if any(after <= before for before, after in itertools.pairwise(numbers)):
        raise BadPage(what)


def _key(key: Any) -> dict[str, Any]:
    if not keyfile.is_public(key.public):
        raise BadPage("keychain")
    limits = {name: getattr(key, name) for name in _LIMITS}
    return {
        "slot": key.slot,
        "key": keyfile.key_id(key.public),
        "public": key.public.hex(),
        "role": key.role,
        "form": key.form,
        "origin": key.origin,
        "label": key.label.decode(errors="surrogateescape"),
        "impermanent": key.impermanent,
        "seconds": key.seconds,
        **({"limits": {**limits, "signer": key.signer.hex()}} if any(limits.values()) else {}),
    }


def entry_told(entry: Any) -> dict[str, Any]:
    """An entry of the log, in the bench's words."""
    return {
        "seq": entry.number,
        "boot": entry.boot,
        "at": entry.at,
        "kind": _word(ours.LogKind, entry.kind, "LOG_KIND_"),
        "conn": _word(ours.LogLink, entry.link, "LOG_LINK_") if entry.link else "",
        "key": entry.key.hex() or None,
        "command": entry.command,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "count": entry.count,
    }


def _word(enum: Any, number: int, prefix: str) -> str:
    """What the bench calls it. A newer car may know more."""
    names = {value: name for name, value in enum.items()}
    return str(names.get(number, f"{prefix}{number}")).removeprefix(prefix).lower()
