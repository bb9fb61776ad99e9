# SPDX-License-Identifier: Apache-2.0
"""A car that takes an authority's rosters, as a boot finds it; and that authority, which signs in the test."""

import asyncio
import struct

from cuts import CAR
from errors import Board, booted

from latchkey import crypto
from latchkey.clock import Clock
from latchkey.crypto import publickey
from latchkey.roster import kept, opening, parcels
from latchkey.roster.install import Installed
from latchkey.roster.intake import Intake
from latchkey.session.sessions import Sessions
from latchkey.wire import authoritymessages as messages
from latchkey.wire.pb import encode
from latchkey.wire.schema import Delegation, Head, Parcel, Part, Signed
from ramflash import ROOT, QuickFlash, key, public
from simulated import esp32
from support import VIN

DRIVER = 3
SEAL = b"s" * 16
ISSUED = 1_800_000_000
_KEYS = {name: bytes(31) + bytes((n,)) for n, name in enumerate(("root", "next root", "signer", "next signer"), 101)}
_PUBLIC = {name: asyncio.run(publickey.public_key(private)) for name, private in _KEYS.items()}


class Trusting(Board):
    """A boot, and the roster it has; it never raises. `nvs` is what NVS has then."""

    def __init__(self, image, flash=QuickFlash, error=None, nvs=None):
        esp32.ram.clear()
        esp32.ram.update(nvs or {})
        super().__init__(image, flash, error)
        clock = Clock()
        self.keys.roster = opening.opened(ROOT, clock, None)
        self.sessions = Sessions(self.keys, CAR)

    def intake(self):
        roster = self.keys.roster
        if not roster.intake:
            roster.intake = Intake(roster, self.keys, self.sessions, self.log, VIN, lambda: None)
        return roster.intake

    def seen(self):
        """All there is to see of it: of the roster too, whose keys are all there, or it would be none."""
        roster = self.keys.roster
        if not roster:
            return super().seen(), None, None, []
        return super().seen(), roster.body, roster.floor, self.listed(roster)

    def listed(self, roster):
        """Whom it lists."""
        listed = [i for i in range(100, 150) if roster.lists(public(i))]
        assert len(listed) == roster.state.keys, (listed, roster.state.keys)
        return listed


def nvs():
    """What it has now."""
    return dict(esp32.ram)


def install(seal=SEAL):
    """The act of an owner whose card was tapped."""
    state = kept.State(_PUBLIC["root"], seal, DRIVER, b"http://keys.example/")
    return lambda board: Installed(state).make(board.keys, Clock())


def remove(board):
    """The owner's word that there is no authority any more."""
    return Installed(None).make(board.keys, Clock())


def deliver(*brought):
    """The act of a courier. What the car has already it declines, and nothing else."""

    async def act(board):
        for parcel in brought:
            try:
                roster = board.keys.roster
                parcels.check(roster, parcel)
                plain = parcels.opened(roster.state.seal, parcel)
                if not parcels.known(roster, parcel, plain):
                    await board.intake().take(parcel, plain)
            except parcels.Declined as declined:
                if board.keys.roster.floor < (parcel[Parcel.generation], parcel.get(Parcel.version, 0)):
                    raise AssertionError(declined.code)

    return act


def rotation():
    """The parcel of the root's last word: another root, another signer."""
    body = _body(messages.DELEGATION, {
        Delegation.root: _PUBLIC["next root"], Delegation.generation: 2, Delegation.signers: _PUBLIC["next signer"],
    })  # fmt: skip
    text = _signed("root", b"latchkey delegation", body, {
        Signed.successor: _signature("next root", b"latchkey delegation", body),
    })  # fmt: skip
    return _parcel(2, 0, 0, text)


def delegation():
    """The parcel of its first word."""
    body = _body(messages.DELEGATION, {
        Delegation.root: _PUBLIC["root"], Delegation.generation: 1, Delegation.signers: _PUBLIC["signer"],
    })  # fmt: skip
    return _parcel(1, 0, 0, _signed("root", b"latchkey delegation", body))


def roster(version, count, first=100):
    """The parcels of a roster of so many keys, head and parts."""
    rest = struct.pack("<BB2xI24s", DRIVER, 0, 0, b"listed")
    entries = sorted(public(i)[1:] + rest for i in range(first, first + count))
    parts = []
    following = b""
    for at in reversed(range(0, count, 8)):
        parts.insert(0, _body(messages.PART, {Part.next: following, Part.entries: b"".join(entries[at : at + 8])}))
        following = crypto.sha256(parts[0])
    body = _body(messages.HEAD, {
        Head.vin: VIN, Head.generation: 1, Head.version: version, Head.issued: ISSUED + 10_000 * version,
        Head.expires: ISSUED + 10_000_000, Head.keys: count, Head.first: following,
    })  # fmt: skip
    inside = [_signed("signer", b"latchkey roster", body)] + parts
    return [_parcel(1, version, number, plain) for number, plain in enumerate(inside)]


def _body(table, fields):
    return bytes(encode(table, {number: value for number, value in fields.items() if value}))


def _signed(name, domain, body, more=None):
    fields = {Signed.body: body, Signed.signature: _signature(name, domain, body)}
    fields.update(more or {})
    return _body(messages.SIGNED, fields)


def _signature(name, domain, body):
    return asyncio.run(publickey.ecdsa_sign(_KEYS[name], crypto.sha256(domain + b"\0" + body)))


def _parcel(generation, version, part, plain):
    address = crypto.hmac_sha256(SEAL, b"latchkey address")[:16]
    bound = b"latchkey" + address + struct.pack(">III", generation, version, part)
    nonce = crypto.sha256(bound)[:12]
    sealed, tag = crypto.gcm_encrypt(crypto.hmac_sha256(SEAL, b"latchkey parcel")[:16], nonce, bound, plain)
    return {
        Parcel.address: address, Parcel.generation: generation, Parcel.version: version, Parcel.part: part,
        Parcel.sealed: nonce + sealed + tag,
    }  # fmt: skip


FIRST = [delegation()] + roster(1, 2)
LATER = {count: roster(2, count, 110) for count in (1, 40)}
ROTATION = [rotation()]


def trusted(*acts, blocks=128):
    """The image of a car with an owner and a friend, after these acts of an authority."""
    board = Trusting(booted(key(1), key(2, DRIVER), blocks=blocks))
    for act in acts:
        asyncio.run(act(board))
    return board.flash.image()
