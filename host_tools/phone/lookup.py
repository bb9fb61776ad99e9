# SPDX-License-Identifier: Apache-2.0
"""Look up a key in a car's keychain, so that an owner may sign what was found.

Anybody may ask who is enrolled, and anybody in between may answer that. So the question is signed here, its encrypted
answer is the car's own, and what it names is held against what was asked. An id is four bytes of a hash, which a
patient enemy makes fit: one that two keys have is the name of neither.
"""

from __future__ import annotations

from collections.abc import Iterator

from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import LatchkeyError, Misuse, Refused
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone

_SLOTS = 4096
_ABSENT = frozenset({"PUBLIC_KEY_NOT_ON_WHITELIST", "KEY_NOT_FOUND"})


class WrongEntry(LatchkeyError):
    """The car's proven answer is about another key than the one that was asked for."""

    name = "WRONG_ENTRY"


class Ambiguous(Misuse):
    """An id that more than one key has."""

    name = "AMBIGUOUS_KEY_ID"


def by_public(phone: Phone, public: bytes) -> vcsec.WhitelistEntryInfo:
    """The entry of that key. Raises Refused when there is none."""
    entry = _entry(phone, public=public)
    if entry.publicKey.PublicKeyRaw != public:
        raise WrongEntry("the car told of another key than the one that was asked for", "is this a Latchkey car?")
    return entry


def by_slot(phone: Phone, slot: int) -> vcsec.WhitelistEntryInfo:
    """The entry in that slot. Raises Refused when it is empty."""
    entry = _entry(phone, slot=slot)
    if entry.slot != slot:
        raise WrongEntry(f"the car told of slot {entry.slot}, not {slot}", "is this a Latchkey car?")
    return entry


def by_id(phone: Phone, key_id: str) -> vcsec.WhitelistEntryInfo:
    """The one entry whose key has this id (8 hex digits). Raises Refused when there is none, Ambiguous when two."""
    entry = _entry(phone, key_id=bytes.fromhex(key_id))
    if keyfile.key_id(entry.publicKey.PublicKeyRaw) != key_id.lower():
        raise WrongEntry(f"the car told of another key than {key_id}", "is this a Latchkey car?")
    told = _ask(phone, messages.information(vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO)).whitelistInfo
    listed = [listed.publicKeySHA1[:4].hex() for listed in told.whitelistEntries]
    if told.numberOfEntries <= len(listed) and listed.count(key_id.lower()) == 1:
        return entry
    # The list is of the first slots only, or not clear: look into each.
    same = [found for found in _every(phone, told.numberOfEntries) if _id(found) == key_id.lower()]
    publics = sorted({found.publicKey.PublicKeyRaw.hex() for found in [entry, *same]})
    if len(publics) > 1:
        raise Ambiguous(
            f"{len(publics)} keys have the id {key_id}: {', '.join(publics)}", "give the whole public key to --which"
        )
    return entry


def _every(phone: Phone, count: int) -> Iterator[vcsec.WhitelistEntryInfo]:
    """All entries, one question each."""
    for slot in range(_SLOTS):
        if count <= 0:
            return
        try:
            yield by_slot(phone, slot)
        except Refused as refused:
            if refused.name not in _ABSENT:
                raise
        else:
            count -= 1


def _id(entry: vcsec.WhitelistEntryInfo) -> str:
    return keyfile.key_id(entry.publicKey.PublicKeyRaw)


def _entry(
    phone: Phone, slot: int | None = None, key_id: bytes | None = None, public: bytes | None = None
) -> vcsec.WhitelistEntryInfo:
    kind = vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO
    entry = _ask(phone, messages.information(kind, slot, key_id, public)).whitelistEntryInfo
    if not keyfile.is_public(entry.publicKey.PublicKeyRaw):
        raise WrongEntry("the car told of no P-256 public key", "is this a Latchkey car?")
    return entry


def _ask(phone: Phone, question: vcsec.UnsignedMessage) -> vcsec.FromVCSECMessage:
    """The car's own answer."""
    answer: vcsec.FromVCSECMessage = phone.command(question)
    return answer
