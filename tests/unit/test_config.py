# SPDX-License-Identifier: Apache-2.0
"""Settings: what is wrong is refused by name."""

import json

from latchkey.config import ConfigError, parse

VIN = "5YJS0000000000000"
PINS = ("start", "lock", "card")


def refusal(settings):
    text = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
    try:
        parse(text, PINS)
    except ConfigError as error:
        assert "\n" not in str(error)
        return str(error)
    raise AssertionError("accepted")


def test_a_vin_is_enough():
    config = parse(json.dumps({"vin": VIN}).encode(), PINS)
    assert (config.vin, config.radio, config.bench, config.pins) == (VIN, True, True, {})


def test_every_setting_is_taken():
    settings = {"vin": VIN, "radio": False, "bench": False, "pins": {"start": 4, "card": None}}
    config = parse(json.dumps(settings).encode(), PINS)
    assert (config.radio, config.bench, config.pins) == (False, False, {"start": 4, "card": None})


def test_a_vin_that_is_none_is_refused():
    for vin in (None, 7, "", VIN[:16], VIN + "0", "5yjs0000000000000", "5YJI0000000000000", "5YJS000000000000O"):
        assert refusal({"vin": vin}).startswith("vin:"), vin
    assert refusal({}).startswith("vin:")


def test_unknown_and_mistyped_settings_are_refused_by_name():
    assert refusal({"vin": VIN, "beench": True}).startswith("beench:")
    for wrong in (0, 1, "yes", None, []):
        assert refusal({"vin": VIN, "bench": wrong}).startswith("bench:")
        assert refusal({"vin": VIN, "radio": wrong}).startswith("radio:")


def test_pins_are_checked_one_by_one():
    assert refusal({"vin": VIN, "pins": [4]}).startswith("pins:")
    assert refusal({"vin": VIN, "pins": {"horn": 4}}).startswith("pins.horn:")
    for wrong in (-1, 64, "4", True, 1.5):
        assert refusal({"vin": VIN, "pins": {"start": wrong}}).startswith("pins.start:"), wrong
    assert "used twice" in refusal({"vin": VIN, "pins": {"start": 4, "lock": 4}})


def test_what_is_not_one_json_object_is_refused():
    for text in (b"", b"{", b"[]", b"7", b'"vin"', b"\xff\xfe"):
        assert refusal(text).startswith("config.json:"), text
