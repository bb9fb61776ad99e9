# SPDX-License-Identifier: Apache-2.0
"""One key as it lies in flash: 160 bytes with a digest, so that a rotten record is denied and never read as another."""

import struct
from hashlib import sha1

from micropython import const

from latchkey.store import formats
from latchkey.wire.schema import Origin, Role

SIZE = const(160)
NO_SLOT = const(0xFFFF)
IMPERMANENT = const(1)  # flags
BARRED = const(2)  # an owner has removed it, and a roster lists it: not enrolled, until the card or an owner enrols it

_VERSION = const(1)
_LABEL = const(24)
_BODY = const(152)
# mark, slot, role, form, origin, flags, public x and y, shared key, label,
# signer id, seconds, commands, not before, not after, powered, uses, number, vehicle id, reserved
_LAYOUT = const("<4sHBBBB64s16s24s4sIIIIIII4s2x")


def key_id(public: bytes | memoryview) -> bytes:
    """4 bytes: the beginning of the SHA-1 of a 65-byte public key, as vcsec.proto names keys."""
    id4: bytes = sha1(public).digest()[:4]
    return id4


def clean_label(label: str) -> str:
    """At most 24 bytes of UTF-8, cut between characters."""
    raw = label.encode()
    end = min(_LABEL, len(raw))
    while end < len(raw) and raw[end] & 0xC0 == 0x80:
        end -= 1
    return str(raw[:end], "utf-8")


class Record:
    """Limits of 0 mean: no limit."""

    def __init__(
        self,
        public: bytes,
        shared: bytes,
        role: int,
        form: int = 0,
        origin: int = 0,
        flags: int = 0,
        label: str = "",
        signer: bytes = b"\0\0\0\0",
        seconds: int = 0,
        commands: int = 0,
        not_before: int = 0,
        not_after: int = 0,
        powered: int = 0,
        uses: int = 0,
        number: int = 0,
        vehicle: bytes = b"\0\0\0\0",
    ) -> None:
        if len(public) != 65 or len(shared) != 16 or len(signer) != 4:
            raise ValueError("sizes of a record's fields")
        self.slot = NO_SLOT  # given by the keychain
        self.public = public
        self.shared = shared
        self.role = role
        self.form = form
        self.origin = origin
        self.flags = flags
        self.label = clean_label(label)
        self.signer = signer
        self.seconds = seconds  # powered, of a key that has so many
        self.commands = commands
        self.not_before = not_before
        self.not_after = not_after
        self.powered = powered  # the total of powered seconds at which it has had them
        self.uses = uses
        self.number = number  # of the grant that it came by; else a salt of the grants that it makes
        self.vehicle = vehicle  # id of the vehicle's key that K was agreed with; zeros: not known

    @property
    def id(self) -> bytes:
        """The 4-byte id."""
        return key_id(self.public)

    @property
    def impermanent(self) -> bool:
        """A key that goes when an owner clears such keys."""
        return bool(self.flags & IMPERMANENT)

    @property
    def limited(self) -> bool:
        """It has limits that are looked at with every command (keys/limits.py)."""
        return bool(self.seconds or self.not_before or self.not_after or self.powered or self.uses)

    @property
    def lasting_owner(self) -> bool:
        """An owner without limits, enrolled at the car or by an owner: the last-owner guard counts these."""
        if self.role != Role.OWNER or self.origin not in (Origin.CARD_TAP, Origin.OWNER_COMMAND) or self.impermanent:
            return False
        return not (self.limited or self.commands)

    def pack(self) -> bytearray:
        """SIZE bytes, as the flash has them."""
        raw = bytearray(SIZE)
        struct.pack_into(
            _LAYOUT,
            raw,
            0,
            formats.mark(_VERSION),
            self.slot,
            self.role,
            self.form,
            self.origin,
            self.flags,
            self.public[1:],
            self.shared,
            self.label.encode(),
            self.signer,
            self.seconds,
            self.commands,
            self.not_before,
            self.not_after,
            self.powered,
            self.uses,
            self.number,
            self.vehicle,
        )
        raw[_BODY:] = formats.digest(memoryview(raw)[:_BODY])
        return raw


def unpack(raw: bytes | bytearray | memoryview) -> Record:
    """Raises Damaged or UnknownVersion."""
    formats.check_mark("a key's record", raw, _VERSION)
    if len(raw) != SIZE or formats.digest(memoryview(raw)[:_BODY]) != bytes(memoryview(raw)[_BODY:]):
        raise formats.Damaged("a key's record is damaged")
    _, slot, role, form, origin, flags, point, shared, label, *rest = struct.unpack_from(_LAYOUT, raw, 0)
    try:
        label = label.rstrip(b"\0").decode()
    except UnicodeError:  # taken by a firmware that did not look: the key is as good without one
        label = ""
    record = Record(b"\x04" + point, shared, role, form, origin, flags, label, *rest)
    record.slot = slot
    return record
