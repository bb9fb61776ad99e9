# SPDX-License-Identifier: Apache-2.0
"""Settings of a car: one `config.json`, validated in full before anything starts.

Unknown and mistyped settings are refused by name: a typing error must not silently become a default.
"""

import json
import sys
from collections import namedtuple

from latchkey.store.formats import StoreError
from latchkey.vehicle.pins import OUTPUTS
from latchkey.wire.schema import Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ConfigError(StoreError):
    """The message is one line that names the setting."""

    what = "settings"


# vin: 17 characters (ISO 3779), None for a board that is no car. radio: advertise over BLE. bench: the harness's
# channel on the serial port, off in a production build unless it is named. pins: name to GPIO number or None, all those
# of the board. wifi: ssid and password of the network that the roster is fetched over (empty: it is open), or None.
# authority: root, seal, role and url of the one that a car has from the start, or None.
Settings = namedtuple("Settings", ("vin", "radio", "bench", "pins", "wifi", "authority"))

_ROLES = (Role.OWNER, Role.DRIVER, Role.FM, Role.VEHICLE_MONITOR, Role.CHARGING_MANAGER, Role.GUEST)


def unprovisioned(board: Any) -> Settings:
    """What is in force while there are none."""
    return Settings(None, False, "latchkey.prompt" in sys.modules, board.PINS, None, None)


def check_vin(vin: object) -> str:
    """The VIN, if it is one (ISO 3779: 17 digits and capitals without I, O and Q). Raises ConfigError."""
    if not isinstance(vin, str) or len(vin) != 17:
        raise ConfigError("vin: must be 17 characters")
    for code in vin.encode():  # as numbers: each character of a string would be interned for ever
        if not (48 <= code <= 57 or 65 <= code <= 90) or code in b"IOQ":  # ISO 3779: letters a VIN does not use
            raise ConfigError("vin: may hold digits and capital letters except I, O and Q")
    return vin


def parse(text: bytes, board: Any) -> Settings:
    """Settings from JSON text, for that board. Raises ConfigError."""
    try:
        settings = json.loads(text)
    except ValueError:
        raise ConfigError("config.json: is not valid JSON")
    if not isinstance(settings, dict):
        raise ConfigError("config.json: must be one JSON object")
    wifi = None
    known = {"radio": True, "bench": "latchkey.prompt" in sys.modules}
    authority = None
    for name in settings:
        value = settings[name]
        if name in known:
            if not isinstance(value, bool):
                raise ConfigError("%s: must be true or false" % name)
            known[name] = value
        elif name == "pins":
            _check_pins(value, board)
        elif name == "wifi":
            wifi = _check_wifi(value)
        elif name == "authority":
            authority = _authority(value)
        elif name != "vin":
            raise ConfigError("%s: unknown setting" % name)
    pins = dict(board.PINS)
    pins.update(settings.get("pins", {}))
    return Settings(check_vin(settings.get("vin")), known["radio"], known["bench"], pins, wifi, authority)


def _check_wifi(wifi: object) -> tuple[str, str]:
    """A password is never shown, also where it is wrong."""
    if not isinstance(wifi, dict):
        raise ConfigError("wifi: must be an object of ssid and password")
    for name in wifi:
        if name not in ("ssid", "password"):
            raise ConfigError("wifi.%s: unknown setting" % name)
    ssid, password = wifi.get("ssid"), wifi.get("password", "")
    if not isinstance(ssid, str) or not 1 <= len(ssid.encode()) <= 32:
        raise ConfigError("wifi.ssid: must be a text of 1 to 32 bytes")
    if not isinstance(password, str) or (password and not 8 <= len(password.encode()) <= 64):
        raise ConfigError("wifi.password: must be a text of 8 to 64 bytes, or left out")
    return ssid, password


def _authority(given: object) -> tuple[bytes, bytes, int, bytes]:
    """root and seal in hex, role as a number of the protocol (a driver, unless told otherwise), url."""
    if not isinstance(given, dict) or not {"root", "seal"} <= set(given) <= {"root", "seal", "role", "url"}:
        raise ConfigError("authority: must be an object of root, seal, role and url")
    try:
        root, seal = bytes.fromhex(given["root"]), bytes.fromhex(given["seal"])
    except (ValueError, TypeError):
        root = seal = b""
    from latchkey.roster import kept  # only with an authority

    role, url = given.get("role", Role.DRIVER), given.get("url", "")
    if len(root) != 65 or root[0] != 4 or len(seal) != 16:
        raise ConfigError("authority: root is a public key of 65 bytes and seal 16 bytes, both in hex")
    address = url.encode() if isinstance(url, str) else b" "
    if not isinstance(role, int) or role not in _ROLES or not kept.fetchable(address):
        raise ConfigError("authority: role is a number of the protocol, url an address (http://…, https://…) or empty")
    return root, seal, role, address


def _check_pins(pins: object, board: Any) -> None:
    """All pins together, as they will be in force: the settings' over the board's own."""
    if not isinstance(pins, dict):
        raise ConfigError("pins: must be an object of pin name to number or null")
    for name in pins:
        number = pins[name]
        if name not in board.PINS:
            raise ConfigError("pins.%s: unknown pin, this board has %s" % (name, ", ".join(board.PINS)))
        if number is None:
            continue
        if not isinstance(number, int) or isinstance(number, bool):
            raise ConfigError("pins.%s: must be a GPIO number or null" % name)
        free = board.OUTPUTS if name in OUTPUTS else board.OUTPUTS + board.INPUTS
        if number not in list(free):  # a list may be asked for a number of any size
            kind = "output" if name in OUTPUTS else "input"
            numbers = ", ".join(str(n) for n in free)
            raise ConfigError("pins.%s: GPIO %d cannot be an %s on this board, only %s" % (name, number, kind, numbers))
        for other in board.PINS:
            if other != name and pins.get(other, board.PINS[other]) == number:
                whose = "pins.%s has" % other if other in pins else "this board has pins.%s on" % other
                raise ConfigError("pins.%s: GPIO %d is used twice, %s it too" % (name, number, whose))
