# SPDX-License-Identifier: Apache-2.0
"""What a car reads, made: delegation, head and parts, signed, then sealed to one car (docs/protocol.md).

Everything here is a function of what goes in. The same roster is the same bytes whenever it is made, so one that was
half delivered can be made anew and goes on.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import Message

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import parcelfile
from host_tools.phone.keyfile import public_bytes
from host_tools.phone.messages import LABEL_BYTES

DELEGATION, ROSTER = b"latchkey delegation", b"latchkey roster"
ENTRIES_A_PART = 8
_NONCE = 12
_ECDSA = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # RFC 6979


@dataclass(frozen=True)
class Entry:
    """A key of a roster: its 65 bytes, its role as a number of the protocol, form factor, permissions (0: those of the
    role), and a label of at most 24 bytes."""

    public: bytes
    role: int
    form: int = 0
    permissions: int = 0
    label: bytes = b""

    def packed(self) -> bytes:
        """The 96 bytes of it."""
        point, flags = self.public[1:], bytes([self.role, self.form, 0, 0])
        return point + flags + self.permissions.to_bytes(4, "little") + self.label.ljust(LABEL_BYTES, b"\0")


@dataclass(frozen=True)
class Roster:
    """What a head says of a car, and its keys. Times are seconds since 1970."""

    vin: str
    generation: int
    version: int
    issued: int
    expires: int
    entries: Sequence[Entry] = ()
    interval: int = 0  # seconds between two polls; 0: the car's own


@dataclass(frozen=True)
class Seal:
    """The 16 bytes that a car shares with its authority, and what follows from them."""

    secret: bytes

    def __repr__(self) -> str:
        return f"Seal(address={self.address.hex()})"

    @cached_property
    def address(self) -> bytes:
        """The car's name for couriers."""
        return self._derived(b"latchkey address", 16)

    @cached_property
    def parcel_key(self) -> bytes:
        """Opens and closes parcels."""
        return self._derived(b"latchkey parcel", 16)

    def associated(self, generation: int, version: int, part: int) -> bytes:
        """What a parcel is bound to."""
        return b"latchkey" + self.address + b"".join(n.to_bytes(4, "big") for n in (generation, version, part))

    def close(self, generation: int, version: int, part: int, plain: bytes) -> bytes:
        """A parcel with that inside. The nonce follows from what is sealed: no two things share one."""
        bound = self.associated(generation, version, part)
        nonce = self._derived(b"latchkey nonce" + bound + plain, _NONCE)
        sealed = nonce + AESGCM(self.parcel_key).encrypt(nonce, plain, bound)
        return encoded(
            ours.Parcel(address=self.address, generation=generation, version=version, part=part, sealed=sealed)
        )

    def open(self, parcel: ours.Parcel) -> bytes:
        """What is inside. Raises cryptography's InvalidTag."""
        nonce, sealed = parcel.sealed[:_NONCE], parcel.sealed[_NONCE:]
        bound = self.associated(parcel.generation, parcel.version, parcel.part)
        return AESGCM(self.parcel_key).decrypt(nonce, sealed, bound)

    def _derived(self, purpose: bytes, size: int) -> bytes:
        return hmac.digest(self.secret, purpose, "sha256")[:size]


def encoded(message: Message) -> bytes:
    """The one encoding: fields in the order of their numbers, nothing that is 0 or empty."""
    return message.SerializeToString(deterministic=True)


def signature(key: ec.EllipticCurvePrivateKey, domain: bytes, body: bytes) -> bytes:
    """r and s over the domain, a zero byte and the body."""
    r, s = decode_dss_signature(key.sign(domain + b"\0" + body, _ECDSA))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def delegation(
    generation: int,
    signers: Sequence[bytes],
    root: ec.EllipticCurvePrivateKey,
    successor: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    """A Signed with who may sign rosters from now on, by the root. A successor signs too, and takes its place."""
    named = public_bytes((successor or root).public_key())
    body = encoded(ours.Delegation(root=named, generation=generation, signers=b"".join(signers)))
    signed = ours.Signed(body=body, signature=signature(root, DELEGATION, body))
    if successor is not None:
        signed.successor = signature(successor, DELEGATION, body)
    return encoded(signed)


def parts(entries: Iterable[Entry]) -> list[bytes]:
    """The Parts of a roster, in order; each names the hash of the one after it. Raises ValueError for a key twice."""
    packed = sorted(entry.packed() for entry in entries)
    if any(one[:64] == other[:64] for one, other in pairwise(packed)):
        raise ValueError("a key is listed twice")
    chain: list[bytes] = []
    following = b""
    for at in reversed(range(0, len(packed), ENTRIES_A_PART)):
        chain.append(encoded(ours.Part(next=following, entries=b"".join(packed[at : at + ENTRIES_A_PART]))))
        following = hashlib.sha256(chain[-1]).digest()
    return chain[::-1]


def head(roster: Roster, first: bytes, key: ec.EllipticCurvePrivateKey, signer: int = 0) -> bytes:
    """A Signed with the head of a roster whose first part is `first` (empty: no keys), by that one of the signers."""
    body = encoded(
        ours.Head(
            vin=roster.vin.encode(),
            generation=roster.generation,
            version=roster.version,
            issued=roster.issued,
            expires=roster.expires,
            interval=roster.interval,
            keys=len(roster.entries),
            first=hashlib.sha256(first).digest() if first else b"",
        )
    )
    return encoded(ours.Signed(body=body, signature=signature(key, ROSTER, body), signer=signer))


def roster_file(
    seal: Seal,
    delegations: Iterable[tuple[int, bytes]],
    roster: Roster,
    key: ec.EllipticCurvePrivateKey,
    signer: int = 0,
) -> bytes:
    """The car's whole file: delegations (generation and Signed) that it needs, the head, and its parts."""
    inside = parts(roster.entries)
    inside.insert(0, head(roster, inside[0] if inside else b"", key, signer))
    return parcelfile.join([
        *(seal.close(generation, 0, 0, signed) for generation, signed in delegations),
        *(seal.close(roster.generation, roster.version, number, plain) for number, plain in enumerate(inside)),
    ])
