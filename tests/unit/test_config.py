# SPDX-License-Identifier: Apache-2.0
"""Settings: what is wrong is refused by name."""

import json
import sys

import latchkey.prompt  # noqa: F401 - a development build
from latchkey.config import ConfigError, parse, unprovisioned

VIN = "5YJS0000000000000"


class Board:
    PINS = {"start": 26, "lock": 27, "led": None, "card": 18, "brake": 19}
    OUTPUTS = bytes((4, 18, 19, 21, 26, 27))
    INPUTS = bytes((14,))


def refusal(settings):
    text = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
    try:
        parse(text, Board)
    except ConfigError as error:
        assert "\n" not in str(error)
        return str(error)
    raise AssertionError("accepted")


def in_force(pins):
    """These over the board's own."""
    return {name: pins.get(name, Board.PINS[name]) for name in Board.PINS}


def test_a_vin_is_enough():
    config = parse(json.dumps({"vin": VIN}).encode(), Board)
    assert (config.vin, config.radio, config.bench, config.pins) == (VIN, True, True, Board.PINS)


def test_the_bench_is_off_on_the_road_unless_it_is_named():
    prompt = sys.modules.pop("latchkey.prompt")
    try:
        assert not parse(json.dumps({"vin": VIN}).encode(), Board).bench
        assert not unprovisioned(Board).bench
        assert parse(json.dumps({"vin": VIN, "bench": True}).encode(), Board).bench
    finally:
        sys.modules["latchkey.prompt"] = prompt
    assert unprovisioned(Board).bench


def test_every_setting_is_taken():
    settings = {
        "vin": VIN,
        "radio": False,
        "bench": False,
        "pins": {"start": 4, "card": None},
        "wifi": {"ssid": "Home"},
    }
    config = parse(json.dumps(settings).encode(), Board)
    assert (config.radio, config.bench, config.pins) == (False, False, in_force({"start": 4, "card": None}))
    assert config.wifi == ("Home", "")


def test_a_network_is_none_unless_it_is_named():
    assert parse(json.dumps({"vin": VIN}).encode(), Board).wifi is None
    assert unprovisioned(Board).wifi is None
    for ssid, password in (("x", "8 places"), ("ü" * 16, "p" * 63), ("a" * 32, "0123456789abcdef" * 4)):
        wifi = {"ssid": ssid, "password": password}
        assert parse(json.dumps({"vin": VIN, "wifi": wifi}).encode(), Board).wifi == (ssid, password)


def test_a_network_that_is_none_is_refused_by_name_and_its_password_is_never_shown():
    secret = "correct horse battery staple"
    for wifi, named in (
        (None, "wifi:"),
        ("Home", "wifi:"),
        (["Home", secret], "wifi:"),
        ({}, "wifi.ssid:"),
        ({"ssid": "", "password": secret}, "wifi.ssid:"),
        ({"ssid": 7, "password": secret}, "wifi.ssid:"),
        ({"ssid": "ü" * 17, "password": secret}, "wifi.ssid:"),
        ({"ssid": "Home", "password": None}, "wifi.password:"),
        ({"ssid": "Home", "password": 12345678}, "wifi.password:"),
        ({"ssid": "Home", "password": "seven77"}, "wifi.password:"),
        ({"ssid": "Home", "password": secret * 3}, "wifi.password:"),
        ({"ssid": "Home", "key": secret}, "wifi.key:"),
    ):
        told = refusal({"vin": VIN, "wifi": wifi})
        assert told.startswith(named) and secret not in told and "seven77" not in told, told


AUTHORITY = {"root": "04" + "ab" * 64, "seal": "cd" * 16}
URL = "http://keys.example:8080/cars"
NO_URLS = ("http:/keys.example", "https", "httpx://keys.example", "ftp://keys.example", "keys.example", "http://")
NO_URLS += ("http://keys.example/a b", "http://keys.example/\n", "http://k\xe9ys.example", URL + "x" * 160)


def test_an_authority_is_none_unless_it_is_named():
    def authority(**more):
        return parse(json.dumps({"vin": VIN, "authority": dict(AUTHORITY, **more)}).encode(), Board).authority

    given = bytes.fromhex(AUTHORITY["root"]), bytes.fromhex(AUTHORITY["seal"])
    assert parse(json.dumps({"vin": VIN}).encode(), Board).authority is None
    assert authority() == given + (3, b"")
    assert authority(role=8, url=URL) == given + (8, URL.encode())
    assert authority(url="https" + URL[4:])[3] == b"https" + URL[4:].encode()


def test_an_authority_that_is_none_is_refused_and_where_it_could_not_be_fetched_from_too():
    for wrong in (None, [], "x", {"root": AUTHORITY["root"]}, dict(AUTHORITY, name="x")):
        assert refusal({"vin": VIN, "authority": wrong}).startswith("authority: must be an object")
    for more in ({"root": "04"}, {"root": "05" + "ab" * 64}, {"seal": "cd"}, {"seal": "xy" * 16}, {"seal": 7}):
        assert "65 bytes" in refusal({"vin": VIN, "authority": dict(AUTHORITY, **more)})
    for more in [{"role": 4711}, {"role": "driver"}, {"role": 0}, {"url": 7}] + [{"url": url} for url in NO_URLS]:
        assert "an address" in refusal({"vin": VIN, "authority": dict(AUTHORITY, **more)}), more


def test_a_vin_that_is_none_is_refused():
    for vin in (None, 7, "", VIN[:16], VIN + "0", "5yjs0000000000000", "5YJI0000000000000", "5YJS000000000000O"):
        assert refusal({"vin": vin}).startswith("vin:"), vin
    assert refusal({}).startswith("vin:")


def test_unknown_and_mistyped_settings_are_refused_by_name():
    assert refusal({"vin": VIN, "beench": True}).startswith("beench:")
    for wrong in (0, 1, "yes", None, []):
        assert refusal({"vin": VIN, "bench": wrong}).startswith("bench:")
        assert refusal({"vin": VIN, "radio": wrong}).startswith("radio:")


def pins(**pins):
    return {"vin": VIN, "pins": pins}


def test_pins_are_checked_one_by_one():
    assert refusal({"vin": VIN, "pins": [4]}).startswith("pins:")
    assert refusal(pins(horn=4)).startswith("pins.horn:")
    for wrong in (-1, 64, "4", True, False, 1.5, 4.0, [4], {}):
        assert refusal(pins(start=wrong)).startswith("pins.start:"), wrong
    huge = json.dumps(pins(start=7)).replace("7", "1" + "0" * 40).encode()
    assert refusal(huge).startswith("pins.start:")
    for odd in ("1e999", "-1e999", "4e0"):
        assert refusal(json.dumps(pins(start=7)).replace("7", odd).encode()).startswith("pins.start:"), odd


def test_no_gpio_is_two_wires_and_both_are_named():
    assert refusal(pins(start=4, lock=4)) in (
        "pins.start: GPIO 4 is used twice, pins.lock has it too",
        "pins.lock: GPIO 4 is used twice, pins.start has it too",
    )


def test_no_gpio_is_a_wire_of_the_settings_and_another_of_the_board():
    taken = (("start", 27, "lock"), ("lock", 26, "start"), ("led", 27, "lock"), ("start", 18, "card"))
    for name, number, other in taken:
        why = refusal(pins(**{name: number}))
        assert why == "pins.%s: GPIO %d is used twice, this board has pins.%s on it too" % (name, number, other)


def test_wires_may_change_places_and_take_one_that_was_given_up():
    for good in (pins(start=27, lock=26), pins(card=None, start=18), pins(lock=None, start=27), pins(start=26)):
        assert parse(json.dumps(good).encode(), Board).pins == in_force(good["pins"])


def test_a_gpio_that_the_board_cannot_drive_or_has_no_pull_up_is_refused():
    assert refusal(pins(start=14)) == (
        "pins.start: GPIO 14 cannot be an output on this board, only 4, 18, 19, 21, 26, 27"
    )
    assert parse(json.dumps(pins(card=14)).encode(), Board).pins == in_force({"card": 14})
    for number in (0, 1, 6, 34, 39):
        assert refusal(pins(led=number)).startswith("pins.led: GPIO %d cannot be an output" % number)
        assert refusal(pins(brake=number)).startswith("pins.brake: GPIO %d cannot be an input" % number)


def test_what_is_not_one_json_object_is_refused():
    for text in (b"", b"{", b"[]", b"7", b'"vin"', b"\xff\xfe"):
        assert refusal(text).startswith("config.json:"), text
