# SPDX-License-Identifier: Apache-2.0
"""A courier: hands a file of parcels to the car that it is for, over any connection and without a key.

Delegations and head first, then what the car wants, until that is nothing. What was left undone another courier goes on
with. Nothing that the car says here is proven, nor need it be: the worst that a lie does is a parcel more or less.
"""

from __future__ import annotations

import time

from host_tools.faults import NoAnswer, Refused
from host_tools.phone import bare, parcelfile
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.contact import Connection

_BUSY, _OLD, _PART = (ours.Decline.Value(f"DECLINE_{name}") for name in ("BUSY", "OLD", "PART"))


class Courier:
    """Hands parcels over. All has to be done within `timeout` seconds."""

    def __init__(self, connection: Connection, timeout: float = 60.0, pause: float = 0.3) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + timeout
        self._pause = pause

    def deliver(self, parcels: list[ours.Parcel]) -> ours.Delivered:
        """Bring a whole file. Returns what the car has then: this roster, or a newer one that it had before.

        Raises Refused by the name of a Decline, NoAnswer when the car says nothing or the time is over.
        """
        parts = {parcel.part: parcel for parcel in parcels if parcel.part}
        for delegation in (parcel for parcel in parcels if not parcel.version):
            _check(self._bring(delegation))
        told = self._bring(parcelfile.head(parcels))
        _check(told)
        if told.declined:
            return told
        for _ in range(2 * len(parts)):  # another courier may be at work with the same car
            if told.wanted not in parts:
                break
            told = self._bring(parts[told.wanted])
            if told.declined != _PART:
                _check(told)
        if told.wanted:
            raise Refused("PART")
        return told

    def _bring(self, parcel: ours.Parcel) -> ours.Delivered:
        """What the car says to one parcel, once it has time for it."""
        while time.monotonic() < self._deadline:
            told = self._ask(parcel)
            if told is not None and told.declined != _BUSY:
                return told
            if told is not None:
                time.sleep(self._pause)
        raise NoAnswer("the car did not take all of it in time", "bring it again: it goes on where this ended")

    def _ask(self, parcel: ours.Parcel) -> ours.Delivered | None:
        try:
            answer = bare.ask(self._connection, ours.ToLatchkey(parcel=parcel), self._deadline)
        except bare.Passing:
            return ours.Delivered(declined=_BUSY)
        return None if answer is None else answer.parcel


def _check(told: ours.Delivered) -> None:
    """An older one than the car has is no fault of anybody's."""
    if told.declined and told.declined != _OLD:
        names = {number: name.removeprefix("DECLINE_") for name, number in ours.Decline.items()}
        raise Refused(names.get(told.declined, f"DECLINE_{told.declined}"))
