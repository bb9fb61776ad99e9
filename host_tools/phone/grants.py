# SPDX-License-Identifier: Apache-2.0
"""Grants (docs/protocol.md, "Grants"): a chain of limits and the tag of its last one.

The first link is tagged with a key that owner and car share, each further one with the tag before it. So whoever holds
a grant without a key can add limits and take none off, and what is bound to a key is nobody else's.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from host_tools.faults import LatchkeyError
from host_tools.phone import keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.words import plain

MOST_LINKS = 4
TAG_BYTES = 16
MOST_NUMBERS = 32  # of one revocation
ALL = 0xFFFFFFFF  # below this number: all of them

_LONGEST = 255  # bytes of one Limits: its length is one byte
_MAGIC = b"latchkey"
_READ, _START, _UNLOCK = (ours.Permission.Value(f"PERMISSION_{name}") for name in ("READ", "START", "UNLOCK"))
_DRIVE = ours.Permission.Value("PERMISSION_ADD_KEY") - 1  # everything but key management

# What a grant may give, and what that may do (protocol.md, "Roles"); the first is the most.
ROLES = {
    "driver": _DRIVE,
    "guest": _DRIVE,
    "charging": sum(ours.Permission.Value(f"PERMISSION_{name}") for name in ("READ", "WAKE", "CHARGE_PORT")),
    "fm": _READ,
    "monitor": _READ,
}
_RANKS = {"driver": 4, "guest": 3, "charging": 2, "fm": 1, "monitor": 1}


class BadGrant(LatchkeyError):
    """Something that is no grant, or would be a wider one than it came from."""

    name = "BAD_GRANT"


@dataclass(frozen=True)
class Allowed:
    """What a chain allows: what all of its limits have in common."""

    role: str
    commands: int  # Permissions, never 0
    not_before: int = 0
    not_after: int = 0
    uses: int = 0
    seconds: int = 0
    key: bytes = b""  # empty: whoever presents it first
    label: str = ""

    @property
    def counts_starts(self) -> bool:
        """Whether a use is a start; else it is an unlocking."""
        return bool(self.commands & _START)


def grant_key(shared: bytes, salt: int) -> bytes:
    """What an owner's grants are tagged with."""
    return _hmac(shared, b"latchkey grant" + salt.to_bytes(4, "big"))


def revoke_key(shared: bytes, salt: int) -> bytes:
    """What an owner's revocations are tagged with."""
    return _hmac(shared, b"latchkey revoke" + salt.to_bytes(4, "big"))


def make(key: bytes, handle: int, number: int, limits: ours.Limits) -> ours.Grant:
    """A maker's grant with that grant_key. Raises BadGrant."""
    made = ours.Grant(handle=handle, number=number, limits=_link(limits))
    made.tag = _first_tag(key, made, limits)
    allowed(made)
    return made


def narrow(grant: ours.Grant, limits: ours.Limits) -> ours.Grant:
    """Less than that, as anybody can make it who holds it. Raises BadGrant for more."""
    narrower = ours.Grant(handle=grant.handle, number=grant.number, limits=grant.limits + _link(limits))
    narrower.tag = _hmac(grant.tag, encoded(limits))[:TAG_BYTES]
    allowed(narrower)
    return narrower


def bind(grant: ours.Grant, public: bytes) -> ours.Grant:
    """The grant as that key presents it: nobody else's from then on. Raises BadGrant."""
    owner = allowed(grant).key
    if owner and owner != public:
        raise BadGrant("this grant is another key's", "accept it with the key that it was made for")
    return grant if owner else narrow(grant, ours.Limits(key=public))


def is_genuine(key: bytes, grant: ours.Grant) -> bool:
    """Whether the maker with that grant_key made it, or it was made of one of his. Raises BadGrant."""
    first, *further = chain(grant)
    tag = _first_tag(key, grant, first)
    for limits in further:
        tag = _hmac(tag, encoded(limits))[:TAG_BYTES]
    return hmac.compare_digest(tag, grant.tag)


def chain(grant: ours.Grant) -> list[ours.Limits]:
    """The links of a grant, each canonical and sound by itself. Raises BadGrant."""
    found = []
    rest = grant.limits
    while rest:
        size, encoding, rest = rest[0], rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
        found.append(_parsed(encoding, size))
    if not 1 <= len(found) <= MOST_LINKS:
        raise BadGrant(f"a grant has one to {MOST_LINKS} limits, not {len(found)}", "ask its maker for another")
    if len(grant.tag) != TAG_BYTES or not grant.handle or not 0 < grant.number < ALL:
        raise BadGrant("the grant's handle, number or tag is not one", "was it copied whole?")
    return found


def allowed(grant: ours.Grant) -> Allowed:
    """What it allows, whoever made it. Raises BadGrant, also when nothing is left."""
    links = chain(grant)
    role = _role(links)
    commands = ROLES[role]
    for limits in links:
        commands &= limits.commands or commands
    keys = [limits.key for limits in links if limits.key]
    told = Allowed(
        role,
        commands,
        max(limits.not_before for limits in links),
        _least(limits.not_after for limits in links),
        _least(limits.uses for limits in links),
        _least(limits.seconds for limits in links),
        keys[0] if keys else b"",
        next((limits.label.decode() for limits in reversed(links) if limits.label), ""),
    )
    if len(keys) > 1 or (keys and not links[-1].key):
        raise BadGrant("the grant is a key's already", "only that key can present it, as it is")
    if not told.commands or (told.not_after and told.not_before >= told.not_after):
        raise BadGrant("nothing is left that this grant allows", "look at its commands and dates")
    return told


def enrolment(public: bytes, salt: int) -> bytes:
    """What names a maker's key as it is enrolled: whoever has its slot later is another."""
    return hashlib.sha256(public + salt.to_bytes(4, "big")).digest()[:8]


def revocation(
    key: bytes, handle: int, numbers: Iterable[int] = (), below: int = 0, maker: int = 0, whose: bytes = b""
) -> ours.Revocation:
    """What takes grants back, of an owner with that revoke_key: his own, or those of another maker with that handle and
    enrolment."""
    listed = b"".join(number.to_bytes(4, "big") for number in sorted(set(numbers)))
    made = ours.Revocation(handle=handle, maker=maker, numbers=listed, below=below)
    made.tag = revocation_tag(key, made, whose)
    return made


def revocation_tag(key: bytes, revocation: ours.Revocation, whose: bytes = b"") -> bytes:
    """What its tag has to be."""
    untagged = ours.Revocation()
    untagged.CopyFrom(revocation)
    untagged.ClearField("tag")
    return _hmac(key, _MAGIC + untagged.SerializeToString(deterministic=True) + whose)[:TAG_BYTES]


def numbers_of(revocation: ours.Revocation) -> list[int]:
    """The grants that it names."""
    raw = revocation.numbers
    return [int.from_bytes(raw[at : at + 4], "big") for at in range(0, len(raw), 4)]


def encoded(limits: ours.Limits) -> bytes:
    """The one encoding that is tagged: fields in order, and nothing that is 0 or empty."""
    encoding: bytes = limits.SerializeToString(deterministic=True)
    return encoding


def _link(limits: ours.Limits) -> bytes:
    encoding = encoded(limits)
    if len(encoding) > _LONGEST:
        raise BadGrant("there is too much in one limit", "give it a shorter label")
    return bytes([len(encoding)]) + encoding


def _parsed(encoding: bytes, size: int) -> ours.Limits:
    try:
        limits = ours.Limits.FromString(encoding)
        limits.DiscardUnknownFields()
        label = limits.label.decode()
    except (DecodeError, UnicodeDecodeError):
        raise BadGrant("a limit of the grant cannot be read", "was it copied whole?") from None
    if len(encoding) != size or encoded(limits) != encoding:
        raise BadGrant("a limit of the grant is not as it should be", "was it copied whole?")
    if plain(label) != label or len(limits.label) > messages.LABEL_BYTES:
        raise BadGrant("the grant's label is not plain text", "ask its maker for another")
    if limits.key and not keyfile.is_public(limits.key):
        raise BadGrant("the grant's key is no P-256 public key", "ask its maker for another")
    return limits


def _role(links: list[ours.Limits]) -> str:
    """The last one named; none may be more than the one before it, and the maker names one."""
    named = [messages.role_name(limits.role) for limits in links if limits.role]
    if not links[0].role or any(role not in _RANKS for role in named):
        raise BadGrant("the grant names no role that can be given", f"those are {', '.join(ROLES)}")
    if any(_RANKS[after] > _RANKS[before] for before, after in itertools.pairwise(named)):
        raise BadGrant("the grant's role is more than the one that it was made from", "give no higher one")
    return named[-1]


def _least(limits: Iterable[int]) -> int:
    """0 is no limit."""
    return min((limit for limit in limits if limit), default=0)


def _first_tag(key: bytes, grant: ours.Grant, limits: ours.Limits) -> bytes:
    named = grant.handle.to_bytes(4, "big") + grant.number.to_bytes(4, "big")
    return _hmac(key, _MAGIC + named + encoded(limits))[:TAG_BYTES]


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")
