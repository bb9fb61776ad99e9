# SPDX-License-Identifier: Apache-2.0
"""Settings of a car: one `config.json`, validated in full before anything starts.

Unknown and mistyped settings are refused by name: a typing error must not silently become a default.
"""

import json

from latchkey.store.files import StoreError


class ConfigError(StoreError):
    """The message is one line that names the setting."""

    what = "settings"


class Config:
    """vin: 17 characters (ISO 3779). radio: advertise over BLE. bench: the harness's channel on the serial port.
    pins: name to GPIO number or null, over the board's own table."""

    def __init__(
        self, vin: str, radio: bool = True, bench: bool = True, pins: dict[str, int | None] | None = None
    ) -> None:
        self.vin = vin
        self.radio = radio
        self.bench = bench
        self.pins = pins or {}


def check_vin(vin: object) -> str:
    if not isinstance(vin, str) or len(vin) != 17:
        raise ConfigError("vin: must be 17 characters")
    for code in vin.encode():  # as numbers: each character of a string would be interned for ever
        if not (48 <= code <= 57 or 65 <= code <= 90) or code in b"IOQ":  # ISO 3779: letters a VIN does not use
            raise ConfigError("vin: may hold digits and capital letters except I, O and Q")
    return vin


def parse(text: bytes, pin_names: tuple[str, ...] = ()) -> Config:
    """Config from JSON text. Raises ConfigError."""
    try:
        settings = json.loads(text)
    except ValueError:
        raise ConfigError("config.json: is not valid JSON")
    if not isinstance(settings, dict):
        raise ConfigError("config.json: must be one JSON object")
    known = {"radio": True, "bench": True}
    for name in settings:
        value = settings[name]
        if name in known:
            if not isinstance(value, bool):
                raise ConfigError("%s: must be true or false" % name)
            known[name] = value
        elif name == "pins":
            _check_pins(value, pin_names)
        elif name != "vin":
            raise ConfigError("%s: unknown setting" % name)
    return Config(check_vin(settings.get("vin")), known["radio"], known["bench"], settings.get("pins"))


def _check_pins(pins: object, names: tuple[str, ...]) -> None:
    if not isinstance(pins, dict):
        raise ConfigError("pins: must be an object of pin name to number or null")
    used = []
    for name in pins:
        number = pins[name]
        if name not in names:
            raise ConfigError("pins.%s: unknown pin, this board has %s" % (name, ", ".join(names)))
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 64):
            raise ConfigError("pins.%s: must be a GPIO number or null" % name)
        if number is not None and number in used:
            raise ConfigError("pins.%s: GPIO %d is used twice" % (name, number))
        used.append(number)
