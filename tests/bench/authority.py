# SPDX-License-Identifier: Apache-2.0
"""An authority for a test's car: installed by its owner, and its parcels brought over the bench's line."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import Refused
from host_tools.phone import keyfile, messages, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import public_bytes
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from tests.bench.support import stranger
from tests.host.rosters import ROOT, SEAL, private

DOMAIN = ours.Domain.Value("DOMAIN_LATCHKEY")
PAUSE = 5  # seconds from one first contact to the next (docs/protocol.md, R26)
_PATIENCE = 10.0


@dataclass
class Told:
    """A Delivered: `why` is the name of its Decline, or "taken"."""

    why: str
    generation: int
    version: int
    wanted: int


def bring(phone: Phone, parcel: ours.Parcel) -> Told:
    """What the car says to one parcel. A car that is busy is asked again. Raises Refused for a fault."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        uuid, address = os.urandom(16), os.urandom(16)
        message = messages.routable(ours.ToLatchkey(parcel=parcel), address, uuid, DOMAIN)
        phone.connection.send(message.SerializeToString())
        reply = next(View(phone).replies(uuid, address, deadline))
        fault = reply.signedMessageStatus.signed_message_fault
        if fault:
            raise Refused(universal.MessageFault_E.Name(fault), "", "")
        answer = ours.FromLatchkey.FromString(reply.protobuf_message_as_bytes).parcel
        why = ours.Decline.Name(answer.declined).removeprefix("DECLINE_")
        if why != "BUSY" or time.monotonic() > deadline:
            return Told("taken" if why == "NONE" else why, answer.generation, answer.version, answer.wanted)
        time.sleep(0.1)


def deliver(phone: Phone, file: bytes) -> Told:
    """Bring a whole file as a courier does: delegations and head, then what is wanted."""
    told = Told("nothing", 0, 0, 0)
    for parcel in parcelfile.split(file):
        if parcel.part and parcel.part != told.wanted:
            continue
        told = bring(phone, parcel)
        if told.why not in ("taken", "OLD"):
            break
    return told


def install(
    car: Bench,
    owner: Phone,
    *,
    role: int = 0,
    root: bytes = b"",
    seal: bytes = SEAL.secret,
    url: bytes = b"",
    tap: bool = True,
) -> int:
    """Have the owner install it, and tap the card. Returns the information that the car ends with."""
    view = View(owner)
    root = root or public_bytes(ROOT.public_key())
    request = ours.ToLatchkey(install=ours.Authority(root=root, seal=seal, role=role, url=url))

    def read(plain: bytes) -> ours.AuthorityAnswer | None:
        answer = ours.FromLatchkey.FromString(plain).install
        if answer.waiting and tap:
            car.tap()
        return None if answer.waiting else answer

    information: int = view.exchange(request, read).information
    car.clock(4)  # a tap is over, and so is what has to be remembered of it
    return information


def remove(owner: Phone) -> int:
    """Have the owner remove it."""
    request = ours.ToLatchkey(remove=ours.RemoveAuthority())
    information: int = (
        View(owner).exchange(request, lambda plain: ours.FromLatchkey.FromString(plain).remove).information
    )
    return information


def status(phone: Phone) -> ours.RosterStatus:
    """What the car says of its authority."""
    return View(phone).exchange(
        ours.ToLatchkey(roster=ours.RosterRequest()), lambda plain: ours.FromLatchkey.FromString(plain).roster
    )


def listed(car: Bench, number: int) -> Phone:
    """The phone of the roster's key of that number, on a connection of its own: its first contact need not wait."""
    car.clock(PAUSE)
    return stranger(car, keyfile.Key(private(number)))
