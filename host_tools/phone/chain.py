# SPDX-License-Identifier: Apache-2.0
"""The access log's chain (docs/protocol.md, "A log that proves itself"): what an entry says, and whether a log is
whole, in its order, and goes on from where it was seen to end before."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from host_tools.phone import latchkey_pb2 as ours

SIZE = 64
SEGMENT = 64  # entries that the car overwrites together
RING = 8 * SEGMENT
_LAYOUT = struct.Struct("<IIIHBBHHH4sBB8s16s8sI")
_HASHED = slice(0, 36)
_CHAINED, _UNCHAINED = 3, 2  # versions of an entry
_GAP = ours.LogKind.Value("LOG_KIND_GAP")
_NOTHING = bytes(16)  # what the first entry of a chain goes on from

# What may be wrong with a log.
ALTERED, MISSING, ORDER, GAP, HEAD, TRUNCATED, FORKED = (
    "ALTERED", "MISSING", "ORDER", "GAP", "HEAD", "TRUNCATED", "FORKED"
)  # fmt: skip
# And what is only said.
EARLIER, MOVED_ON = "EARLIER", "MOVED_ON"
NOTES = frozenset({EARLIER, MOVED_ON})


@dataclass(frozen=True)
class Head:
    """Where a log ends: the number of its newest entry in flash, and that one's link."""

    number: int
    chain: bytes
    signature: bytes = b""


@dataclass(frozen=True)
class Entry:
    """An entry as it lies in flash, which is sound as far as it can tell by itself."""

    told: ours.LogEntry
    version: int
    link: bytes
    raw: bytes

    @property
    def number(self) -> int:
        """Its place in the log."""
        return int(self.told.number)


@dataclass(frozen=True)
class Finding:
    """Something about entries `first` to `last`."""

    name: str
    first: int
    last: int
    text: str


def parse(raw: bytes) -> Entry | None:
    """What those bytes say; None for what is damaged, or none that this phone knows."""
    if len(raw) != SIZE or zlib.crc32(raw[:60]) != int.from_bytes(raw[60:], "little"):
        return None
    fields = _LAYOUT.unpack(raw)
    number, boot, at, count, kind, conn, command, outcome, detail, key, keyed, version, _, link, spare, _ = fields
    if version not in (_CHAINED, _UNCHAINED) or any(spare):
        return None
    told = ours.LogEntry(
        number=number, boot=boot, at=at, kind=kind, link=conn, key=key if keyed else b"", command=command,
        outcome=outcome, detail=detail, count=count,
    )  # fmt: skip
    return Entry(told, version, link, raw)


def number(raw: bytes) -> int:
    """The place in the log that an entry says it has."""
    return int.from_bytes(raw[:4], "little")


def link(before: bytes, raw: bytes) -> bytes:
    """The link of an entry, from that of the one before it."""
    return hashlib.sha256(before + raw[_HASHED]).digest()[:16]


def oldest(newest: int) -> int:
    """The number of the oldest entry that a log still has."""
    return max(1, (newest - 1) // SEGMENT * SEGMENT - (RING - SEGMENT) + 1)


def signed(vin: str, head: Head) -> bytes:
    """What the car signs when its head is asked for."""
    return b"latchkey log\0" + vin.encode() + head.number.to_bytes(4, "big") + head.chain


def is_signed(car_public: bytes, vin: str, head: Head) -> bool:
    """Whether the car with that key and VIN said that its log ends there."""
    if len(head.signature) != 64:
        return False
    signature = utils.encode_dss_signature(
        int.from_bytes(head.signature[:32], "big"), int.from_bytes(head.signature[32:], "big")
    )
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), car_public)
        public.verify(signature, signed(vin, head), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def check(raws: Sequence[bytes], head: Head, seen: Head | None = None) -> list[Finding]:
    """All that is to be said of a log that is said to end there, and was seen to end at `seen` before."""
    entries: list[Entry] = []
    found: list[Finding] = []
    for raw in raws:
        entry = parse(raw)
        after = entries[-1].number if entries else 0
        if entry is None:
            found.append(Finding(ALTERED, after + 1, after + 1, f"what comes after entry {after} is damaged"))
        elif entry.number <= after:
            found.append(Finding(ORDER, entry.number, entry.number, f"entry {entry.number} comes after entry {after}"))
        else:
            entries.append(entry)
    found += _links(entries, oldest(head.number) - 1)
    found += _end(entries, head)
    if seen is not None:
        found += _since(entries, head, seen)
    return found


def _links(entries: list[Entry], after: int) -> Iterator[Finding]:
    """Each goes on from the one before it, and the first has the number after that one."""
    before: Entry | None = None
    for entry in entries:
        n, last = entry.number, before.number if before else after
        if n > last + 1:
            yield Finding(MISSING, last + 1, n - 1, f"{_entries(last + 1, n - 1)} missing")
        if entry.version == _UNCHAINED:
            if before and before.version == _CHAINED:
                yield Finding(ALTERED, n, n, f"entry {n} has no link, and what is before it has one")
        else:
            begins = n == 1 or entry.told.kind == _GAP
            if begins and before:
                earlier = before.version == _UNCHAINED and n == last + 1
                yield _earlier(n) if earlier else Finding(GAP, n, n, f"the car found damage before entry {n}")
            if begins or (before and n == last + 1):
                goes_on_from = _NOTHING if begins or not before else before.link
                unlinked = before and before.version == _UNCHAINED and not begins
                if unlinked or link(goes_on_from, entry.raw) != entry.link:
                    yield Finding(ALTERED, n, n, f"entry {n}, or the one before it, is not as the car wrote it")
        before = entry


def _end(entries: list[Entry], head: Head) -> Iterator[Finding]:
    newest, chain = (entries[-1].number, entries[-1].link) if entries else (oldest(head.number) - 1, _NOTHING)
    if newest < head.number:
        yield Finding(MISSING, newest + 1, head.number, f"{_entries(newest + 1, head.number)} missing")
    elif (newest, chain) != (head.number, head.chain):
        yield Finding(HEAD, newest, newest, f"the car says that its log ends at another entry {head.number}")


def _since(entries: list[Entry], head: Head, seen: Head) -> Iterator[Finding]:
    """What was seen to be its end is in it."""
    n = seen.number
    if head.number < n:
        yield Finding(TRUNCATED, head.number + 1, n, f"the log was seen to have {n} entries, and has {head.number}")
    elif n and n < oldest(head.number):
        text = f"entry {n}, where the log was seen to end, is overwritten: nothing says that it went on from there"
        yield Finding(MOVED_ON, n, n, text)
    elif any(entry.number == n and entry.link != seen.chain for entry in entries):
        yield Finding(FORKED, n, n, f"entry {n} was another when this phone saw it last")


def _earlier(n: int) -> Finding:
    return Finding(EARLIER, n, n, f"what is before entry {n} was written by a firmware without a chain")


def _entries(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"
