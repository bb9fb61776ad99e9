# SPDX-License-Identifier: Apache-2.0
"""What a car tells those who hold its keys: state, keychain and access log, whatever carries the messages.

An owner is told all of it, others what is theirs: that is the car's to decide. The names are those of the bench
(docs/bench.md), so that who shows it need not know where it came from.
"""

from __future__ import annotations

import itertools
import re
from typing import Any

from google.protobuf.message import DecodeError

from host_tools.faults import LatchkeyError
from host_tools.phone import keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Exchange, Phone
from host_tools.phone.session import Unverified

_MOST_PAGES = 4096  # more than any board has to tell
_LIMITS = ("commands", "not_before", "not_after", "uses", "used", "powered_left", "number")
_CLOSURES = [re.sub(r"(?=[A-Z])", "_", field).lower() for field in messages.CLOSURES.values()]


class BadPage(LatchkeyError):
    """The car's proven answer does not go on from where the one before it ended."""

    name = "BAD_PAGE"

    def __init__(self, what: str) -> None:
        super().__init__(f"the car's {what} does not go on, or does not end", "is it a Latchkey car?")


class View(Exchange):
    """A key's look at its car, beside the phone whose connection it shares. Nothing that is asked here changes
    anything, so its session is remembered no longer than itself."""

    domain = ours.Domain.Value("DOMAIN_LATCHKEY")
    reads = True

    def __init__(self, phone: Phone) -> None:
        super().__init__(
            phone.connection,
            phone.vin,
            phone.key,
            SessionCache(),
            timeout=phone.timeout,
            lifetime=phone.lifetime,
            pause=phone.pause,
        )
        self.known = phone.known

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
            found += map(_entry, page.entries)
            if not page.next:
                return found
            since = page.next
        raise BadPage("log")

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

    def _ask(self, request: Any) -> Any:
        """The answer to that request."""
        return self.exchange(request, lambda plain: self.answer_to(request, plain))

    @staticmethod
    def answer_to(request: Any, plain: bytes) -> Any:
        """What a proven answer's plaintext says to that request. Raises Unverified."""
        kind = request.WhichOneof("request")
        try:
            answer = ours.FromLatchkey.FromString(plain)
        except DecodeError:
            raise Unverified("the answer cannot be read") from None
        if not answer.HasField(kind):
            raise Unverified("the answer is to another request")
        return getattr(answer, kind)


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


def _entry(entry: Any) -> dict[str, Any]:
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
