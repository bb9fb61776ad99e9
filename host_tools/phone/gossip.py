# SPDX-License-Identifier: Apache-2.0
"""After a command a phone hands over what it carries for that car, if the car has an older roster. It takes a few
seconds at most, says nothing, and changes nothing about the command: what does not come through does another time."""

from __future__ import annotations

from typing import Any

from host_tools.faults import LatchkeyError
from host_tools.phone.client import Phone
from host_tools.phone.courier import Courier
from host_tools.phone.pouch import Met, Pouch
from host_tools.phone.view import View

_PATIENCE = 5.0  # seconds


def hand_over(phone: Phone) -> bool:
    """Whether the car was given something."""
    if phone.key.path is None:
        return False
    pouch = Pouch(phone.key.path)
    try:
        if pouch.empty():
            return False
        car = pouch.cars().get(phone.vin) or asked(phone, pouch)
        carried = pouch.wanted_by(car)
        if carried is None:
            return False
        told = Courier(phone.connection, _PATIENCE).deliver(carried)
        pouch.met(phone.vin, Met(car.address, car.url, told.generation, told.version))
        return True
    except (LatchkeyError, OSError):
        return False


def asked(phone: Phone, pouch: Pouch) -> Met:
    """What the car says of its roster, which is remembered. Raises as a question does, and OSError."""
    view = View(phone)
    view.timeout = min(view.timeout, _PATIENCE)
    return remember(pouch, phone.vin, view.roster())


def remember(pouch: Pouch, vin: str, told: dict[str, Any] | None) -> Met:
    """Keep what a car said of its roster (View.roster). Raises OSError."""
    car = Met(**{name: told[name] for name in ("address", "url", "generation", "version")}) if told else Met("")
    pouch.met(vin, car)
    return car
