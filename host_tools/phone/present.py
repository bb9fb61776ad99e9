# SPDX-License-Identifier: Apache-2.0
"""A guest's phone presents a grant: bound to its own key, so that nobody who listens can use it. The car's answer comes
in the clear; the proof is a handshake with the new key, which only the car can answer whose key is in the link."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from host_tools.faults import LatchkeyError, Misuse, NoAnswer, Refused
from host_tools.phone import bare, grants
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.cache import Saved
from host_tools.phone.client import Phone
from host_tools.phone.contact import Connection
from host_tools.phone.grants import Allowed
from host_tools.phone.link import Link
from host_tools.phone.messages import role_name
from host_tools.phone.refusals import grant_fault
from host_tools.phone.view import View

_BUSY = ours.GrantFault.Value("GRANT_FAULT_BUSY")


def present(phone: Phone, link: Link) -> None:
    """Have this phone's key enrolled by that grant. Again is the same as once. Raises Refused, BadGrant, CarChanged."""
    if not isinstance(link.message, ours.Grant):
        raise Misuse("that link takes grants back, and gives none", "bring it to the car: `latchkey carry LINK`")
    bound = grants.bind(link.message, phone.key.public)
    public = link.car_public.hex()
    if phone.known is not None and phone.known.car_public != public:
        raise Misuse(
            f"this key knows car {phone.vin} by another key than the link does",
            "if the car was provisioned anew, accept with a new key: --key FILE",
        )
    phone.known = phone.known or Saved(public, bytes(16).hex(), 0, 0.0, 0)  # the car has to be this one
    bring(phone.connection, ours.ToLatchkey(grant=bound), phone.timeout, phone.pause)
    phone.handshake()


def bring(connection: Connection, request: ours.ToLatchkey, timeout: float, pause: float = 0.3) -> None:
    """Give the car what anybody may, until it has an answer to it. Raises Refused, NoAnswer."""
    deadline = time.monotonic() + timeout
    kind = request.WhichOneof("request")
    while time.monotonic() < deadline:
        try:
            told = bare.ask(connection, request, deadline)
        except bare.Passing:
            time.sleep(pause)
            continue
        if told is None:
            continue
        fault = getattr(told, str(kind)).fault
        if not fault:
            return
        if fault != _BUSY:
            raise Refused(grant_fault(fault))
        time.sleep(pause)
    raise NoAnswer("the car had no answer to it in time", "do it again: once done, it stays done")


@dataclass(frozen=True)
class Left:
    """What a key may do, and what of that is spent."""

    allowed: Allowed
    used: int = 0
    over: bool = False  # its powered seconds are


def left(phone: Phone, given: Allowed) -> Left:
    """What the car says is left to this phone's key; what was given, if it does not say."""
    try:
        enrolled = View(phone).keys()
    except LatchkeyError:  # it is enrolled all the same
        return Left(given)
    entry = next((it for it in enrolled if it["public"] == phone.key.public.hex()), None)
    return Left(given) if entry is None else left_of(entry)


def left_of(entry: dict[str, Any]) -> Left:
    """The same of any key, as the car tells of it."""
    role = role_name(entry["role"])
    limits = entry.get("limits", {})
    told = Allowed(
        role,
        limits.get("commands") or grants.ROLES.get(role, 0),
        limits.get("not_before", 0),
        limits.get("not_after", 0),
        limits.get("uses", 0),
        limits.get("powered_left", 0),
        bytes.fromhex(entry["public"]),
        entry["label"],
    )
    return Left(told, limits.get("used", 0), bool(entry["seconds"]) and not told.seconds)
