# SPDX-License-Identifier: Apache-2.0
"""After a command a phone hands over what it carries for that car: revocations, a roster if the car has an older one,
and an owner's phone once a day what time it is. It takes a few seconds at most, says nothing, and changes nothing about
the command: what does not come through does another time."""

from __future__ import annotations

import contextlib
import copy
import time
from dataclasses import replace
from typing import Any

from host_tools.faults import LatchkeyError, NoAnswer, Refused
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.courier import Courier
from host_tools.phone.given import GivenFile
from host_tools.phone.owner import Owner, revoke_unheard
from host_tools.phone.pouch import Met, Pouch
from host_tools.phone.present import bring
from host_tools.phone.revocations import Revocations
from host_tools.phone.view import View

_PATIENCE = 5.0  # seconds
_DAY = 86400


def hand_over(phone: Phone) -> bool:
    """Whether the car was given a roster, or some of it."""
    if phone.key.path is None:
        return False
    phone = copy.copy(phone)
    phone.timeout = min(phone.timeout, _PATIENCE)
    for deed in (_take_back, _revoke, _tell_time):
        with contextlib.suppress(LatchkeyError, OSError):
            deed(phone)
    try:
        return _roster(phone)
    except (LatchkeyError, OSError):
        return False


def _take_back(phone: Phone) -> None:
    """What this owner has taken back."""
    revoke_unheard(phone, GivenFile(phone.key))


def _revoke(phone: Phone) -> None:
    """What others have given to this phone to carry."""
    if phone.key.path is None:
        return
    carried, now = Revocations(phone.key.path), int(time.time())
    for it in carried.due(phone.vin, now):
        try:
            bring(phone.connection, ours.ToLatchkey(revoke=it.message()), phone.timeout, phone.pause)
        except NoAnswer:
            return
        except Refused:  # nobody's any more, if the car says so itself
            pass
        carried.acknowledged(phone.vin, it, now)


def _tell_time(phone: Phone) -> None:
    """The time, as this owner's phone has it."""
    file, now = GivenFile(phone.key), int(time.time())
    account = file.cars().get(phone.vin)
    if account is None or account.told <= now < account.told + _DAY:
        return
    with contextlib.suppress(Refused):  # nor is that asked for every time
        Owner(phone).tell_time(now)
    file.change(phone.vin, lambda known: replace(known or account, told=now))


def _roster(phone: Phone) -> bool:
    if phone.key.path is None:
        return False
    pouch = Pouch(phone.key.path)
    if pouch.empty():
        return False
    car = pouch.cars().get(phone.vin) or asked(phone, pouch)
    carried = pouch.wanted_by(car)
    if carried is None:
        return False
    told = Courier(phone.connection, _PATIENCE).deliver(carried)
    pouch.met(phone.vin, Met(car.address, car.url, told.generation, told.version))
    return True


def asked(phone: Phone, pouch: Pouch) -> Met:
    """What the car says of its roster, which is remembered. Raises as a question does, and OSError."""
    return remember(pouch, phone.vin, View(phone).roster())


def remember(pouch: Pouch, vin: str, told: dict[str, Any] | None) -> Met:
    """Keep what a car said of its roster (View.roster). Raises OSError."""
    car = Met(**{name: told[name] for name in ("address", "url", "generation", "version")}) if told else Met("")
    pouch.met(vin, car)
    return car
