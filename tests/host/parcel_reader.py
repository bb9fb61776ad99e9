# SPDX-License-Identifier: Apache-2.0
"""What a car that only reads makes of a file: the rules of docs/protocol.md ("The authority") that need no state."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from google.protobuf.message import DecodeError

from host_tools.authority.parcels import Entry, Roster, Seal
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import parcelfile

_ROLES = frozenset({2, 3, 4, 5, 6, 8})


class Declined(Exception):
    """By the name of a Decline."""


def read(file: bytes, seal: Seal, root: bytes, vin: str) -> Roster:
    """The roster in a file for the car of that seal and VIN that knows `root`. Raises Declined or BadParcels."""
    signers, generation, wanted = b"", 0, b""
    head: Any = None
    packed: list[bytes] = []
    for parcel in parcelfile.split(file):
        _only(parcel.address == seal.address, "ADDRESS")
        try:
            inside = seal.open(parcel)
        except InvalidTag:
            raise Declined("SEAL") from None
        if not parcel.version:
            root, generation, signers = _delegation(inside, root, parcel.generation, generation)
        elif not parcel.part:
            head = _head(inside, generation, signers)
            _only((head.generation, head.version) == (parcel.generation, parcel.version), "ENCODING")
            _only(head.vin == vin.encode(), "VIN")
            wanted = head.first
        else:
            _only(bool(wanted) and hashlib.sha256(inside).digest() == wanted, "PART")
            part = canonical(ours.Part, inside)
            _only(0 < len(part.entries) <= 768 and len(part.entries) % 96 == 0, "ENTRIES")
            packed += [part.entries[at : at + 96] for at in range(0, len(part.entries), 96)]
            wanted = part.next
    _only(head is not None and not wanted and len(packed) == head.keys, "PART")
    _only(all(one[:64] < other[:64] for one, other in pairwise(packed)), "ENTRIES")
    return Roster(
        vin, head.generation, head.version, head.issued, head.expires, [_entry(one) for one in packed], head.interval
    )  # fmt: skip


def canonical(kind: Any, data: bytes) -> Any:
    """The message, if these bytes are the one encoding of what it says."""
    try:
        message = kind.FromString(data)
    except DecodeError:
        raise Declined("ENCODING") from None
    message.DiscardUnknownFields()
    _only(message.SerializeToString(deterministic=True) == data, "ENCODING")
    return message


def _delegation(inside: bytes, root: bytes, generation: int, last: int) -> tuple[bytes, int, bytes]:
    signed = canonical(ours.Signed, inside)
    said = canonical(ours.Delegation, signed.body)
    _only(said.generation == generation > last, "OLD")
    _only(len(said.signers) in (65, 130, 195, 260), "ENCODING")
    _signed(root, b"latchkey delegation", signed.body, signed.signature)
    if said.root != root:
        _signed(said.root, b"latchkey delegation", signed.body, signed.successor)
    return said.root, generation, said.signers


def _head(inside: bytes, generation: int, signers: bytes) -> Any:
    signed = canonical(ours.Signed, inside)
    head = canonical(ours.Head, signed.body)
    _only(head.generation == generation, "GENERATION")
    _signed(signers[65 * signed.signer :][:65], b"latchkey roster", signed.body, signed.signature)
    return head


def _signed(public: bytes, domain: bytes, body: bytes, signature: bytes) -> None:
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key.verify(encode_dss_signature(r, s), domain + b"\0" + body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise Declined("SIGNATURE") from None


def _entry(packed: bytes) -> Entry:
    _only(packed[64] in _ROLES and packed[66:68] == b"\0\0", "ENTRIES")
    label = packed[72:].rstrip(b"\0")
    _only(b"\0" not in label and label.decode("utf-8", "replace").isprintable(), "ENTRIES")
    return Entry(b"\x04" + packed[:64], packed[64], packed[65], int.from_bytes(packed[68:72], "little"), label)


def _only(fine: bool, otherwise: str) -> None:
    if not fine:
        raise Declined(otherwise)
