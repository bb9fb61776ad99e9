# SPDX-License-Identifier: Apache-2.0
"""Links (docs/protocol.md, "Links"): a grant, or a revocation, with the car that it is for, as people pass it on.

All of it is in the fragment, which no browser sends to a server. A link says where it ends and has a checksum, so that
one which a messenger cut, doubled, wrapped or escaped is read or told, and never taken for another.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import DecodeError

from host_tools.faults import Misuse
from host_tools.phone import grants
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.keyfile import public_bytes

BASE = "latchkey:link"  # what a link begins with that no page is there for
LONGEST = 16 << 10  # characters of what is read at all
_VERSION = 1
_VIN, _PUBLIC, _SUM = 17, 33, 4  # bytes
_BEFORE = 2 + _VIN + _PUBLIC + 2  # the bytes before the message, whose length the last two are
_FRAGMENT = re.compile(r"#([A-Za-z0-9_-]+)")
_KINDS: dict[type[ours.Grant | ours.Revocation], int] = {ours.Grant: 1, ours.Revocation: 2}


class BadLink(Misuse):
    """Something that is no link, or not a whole one."""

    name = "BAD_LINK"


@dataclass(frozen=True)
class Link:
    """What a link holds. Of a grant without a key its tag is a secret: whoever has the link has the grant."""

    vin: str
    car_public: bytes  # 65 bytes
    message: ours.Grant | ours.Revocation

    def encoded(self) -> bytes:
        """The bytes of the fragment."""
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.car_public)
        public = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
        message: bytes = self.message.SerializeToString(deterministic=True)
        head = bytes([_VERSION, _KINDS[type(self.message)]]) + self.vin.encode() + public
        data = head + len(message).to_bytes(2, "big") + message
        return data + _checksum(data)

    def url(self, base: str = BASE) -> str:
        """The link, below that page."""
        return f"{base}#{base64.urlsafe_b64encode(self.encoded()).rstrip(b'=').decode()}"


def read(text: str) -> Link:
    """The link in a text that somebody was sent. Raises BadLink."""
    if len(text) > LONGEST:
        raise BadLink(f"{len(text)} characters are too many for a link", "give the link alone")
    for _ in range(2):  # messengers escape, and some of them twice
        text = unquote(text)
    found = _FRAGMENT.findall("".join(filter(_is_seen, text)))
    if not found:
        raise BadLink("that is no link of Latchkey", "it has a # and many letters behind it: was it copied whole?")
    links, faults = [], {}
    for fragment in found:
        try:
            links.append(_decoded(_bytes_of(fragment)))
        except BadLink as fault:
            faults[len(fragment)] = fault
    if not links:
        raise faults[max(faults)]
    if any(other != links[0] for other in links):
        raise BadLink("there are two different links in that", "give one of them")
    return links[0]


def _is_seen(character: str) -> bool:
    """Messengers wrap lines, and put what is not seen where a line may be broken."""
    return not character.isspace() and unicodedata.category(character) != "Cf"


def _bytes_of(fragment: str) -> bytes:
    whole = fragment[: len(fragment) - (len(fragment) % 4 == 1)]  # one letter alone is no byte
    return base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4))


def _decoded(data: bytes) -> Link:
    """What the fragment says up to its own end: what a messenger put behind it is not looked at."""
    if not data or data[0] != _VERSION or data[1:2] not in (b"\1", b"\2"):
        raise BadLink("that is no link of Latchkey, or of a newer one", "was it copied whole? else update Latchkey")
    end = _BEFORE + int.from_bytes(data[_BEFORE - 2 : _BEFORE], "big") + _SUM
    if len(data) < _BEFORE or len(data) < end:
        raise BadLink("the link is cut off", "copy all of it: messengers break long lines")
    body, checksum = data[: end - _SUM], data[end - _SUM : end]
    if checksum != _checksum(body):
        raise BadLink("the link has changed on its way", "copy it again, or have it sent in another way")
    try:
        vin = body[2 : 2 + _VIN].decode("ascii")
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), body[2 + _VIN : _BEFORE - 2])
        kind = next(kind for kind, number in _KINDS.items() if number == body[1])
        message = kind.FromString(body[_BEFORE:])
    except (ValueError, DecodeError):
        vin = ""
    if not vin.isalnum():
        raise BadLink("the link holds what cannot be read", "ask for another")
    if isinstance(message, ours.Grant):
        _sound(message)
    return Link(vin, public_bytes(point), message)


def _sound(grant: ours.Grant) -> None:
    try:
        grants.allowed(grant)
    except grants.BadGrant as fault:
        raise BadLink(fault.text, fault.hint) from None


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(b"latchkey link" + data).digest()[:_SUM]
