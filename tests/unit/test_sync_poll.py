# SPDX-License-Identifier: Apache-2.0
"""sync/poll: when it is the moment, whose turn the radio is, what is told, and when the next one is. Whatever happens,
Wi-Fi is off and BLE is on again afterwards."""

import asyncio
import os
import time

from latchkey import sync as package
from latchkey.sync import http, poll, polling, wifi

HOUR, USUAL, LATELY = 3600, 6 * 3600, 600
NAME = b"5ea1" + b"0" * 28


class Clock:
    def __init__(self):
        self.at = 1_000_000

    def now(self):
        return self.at


class Radio:
    """As link/radio's; `comes_back`: with an air of its own after a pause."""

    def __init__(self, car, trouble="", comes_back=True):
        self.car = car
        self.trouble = trouble
        self.comes_back = comes_back

    async def pause(self):
        self.car.steps.append("pause")
        self.trouble = "paused"

    def resume(self):
        self.car.steps.append("resume")
        self.trouble = "" if self.comes_back else "OSError(12,)"


class Phone:
    def __init__(self, authenticated_ms):
        self.authenticated_ms = authenticated_ms


class Car:
    """A car with Wi-Fi, an authority, and a network that does as told; it notes each step."""

    url, interval = b"http://roster.example/fleet", 0
    address = bytes.fromhex(NAME.decode())

    def __init__(self, answers=(), missing=("",), radio=False, joins=True):
        self.steps, self.events, self.asked, self.taken = [], [], [], []
        self.answers = list(answers)
        self.missing = list(missing)
        self.joins = joins
        self.clock = Clock()
        self.radio = Radio(self) if radio else None
        self.links = [self]
        self.phones = []
        self.settings = self.car = self.desk = self.log = self.tasks = self.vehicle = self
        self.wifi = "Home", "password"
        self.start_enabled = False
        self.sync = package.Sync(self, self, self.take)
        self.sync.at = self.clock.at

    def everybody(self):
        return self.phones

    def emit(self, event):
        self.events.append(event)

    async def flush(self):
        self.steps.append("flush")

    def reset(self):
        self.steps.append("reset")

    async def take(self, parcel):
        self.taken.append(bytes(parcel))
        return False

    def poll(self):
        """How long it waits for the next one."""

        async def get(url, server, etag, take):
            self.steps.append("get")
            self.asked.append((url, server, etag))
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if answer[0] == 200:
                await take(memoryview(b"parcel"))
            return answer

        async def up(ssid, password):
            self.steps.append("up")
            if isinstance(self.joins, Exception):
                raise self.joins
            return "192.0.2.53" if self.joins else ""

        def missing(tls):
            self.steps.append("tls" if tls else "room?")
            return self.missing.pop(0) if len(self.missing) > 1 else self.missing[0]

        def down():
            self.steps.append("down")

        real = http.get, wifi.up, wifi.missing, wifi.down, poll.asyncio
        http.get, wifi.up, wifi.missing, wifi.down, poll.asyncio = get, up, missing, down, Time
        try:
            asyncio.run(poll.poll(self.sync, int.from_bytes(os.urandom(4), "big") >> 2))
        finally:
            http.get, wifi.up, wifi.missing, wifi.down, poll.asyncio = real
        return self.sync.at - self.clock.at


class Time:
    """asyncio, whose sleep only counts."""

    slept = 0
    wait_for = staticmethod(asyncio.wait_for)

    @staticmethod
    async def sleep_ms(ms):
        Time.slept += ms
        await asyncio.sleep_ms(0)


def test_one_that_is_answered_keeps_the_etag_and_the_next_is_an_interval_away():
    car = Car([(200, b'"1"'), (304, b'"1"')])
    assert USUAL <= car.poll() < USUAL * 3 // 2
    assert car.steps == ["room?", "up", "get", "down"]
    assert car.taken == [b"parcel"]
    assert car.asked == [(b"http://roster.example/fleet/5e/" + NAME, "192.0.2.53", b"")]
    car.interval = 2 * HOUR
    assert 2 * HOUR <= car.poll() < 3 * HOUR
    assert car.asked[1][2] == b'"1"'
    assert car.taken == [b"parcel"]
    assert car.events == [{"event": "sync", "why": "fetched"}, {"event": "sync", "why": "no change"}]


def test_a_roster_cannot_have_the_car_poll_more_than_hourly():
    car = Car([(304, b"1")])
    car.interval = 1
    assert car.poll() >= HOUR


def test_what_fails_is_told_once_and_tried_more_seldom():
    car = Car([http.HttpError("HTTP 500", 0)] * 20 + [(304, b"")])
    car.sync.etag = b'"7"'
    waits = [car.poll() for _ in range(20)]
    assert max(waits[:1]) < 2 * USUAL and max(waits) < 8 * USUAL
    assert max(waits) > 3 * USUAL
    assert car.events == [{"event": "sync", "why": "HTTP 500"}]
    assert car.sync.failures == 20 and car.sync.etag == b'"7"'
    car.poll()
    assert car.sync.failures == 0 and car.events[-1]["why"] == "no change"


def test_who_wants_to_be_left_alone_is_for_a_day_at_most():
    for asked, least in ((9 * HOUR, 9 * HOUR), (10**9, 86_400), (-5, 0)):
        wait = Car([http.HttpError("HTTP 503", asked)]).poll()
        assert least <= wait < least + 2 * USUAL, asked


def test_what_others_say_is_told_by_its_kind_alone():
    for error, told in (
        (OSError(111), "ECONNREFUSED"),
        (asyncio.TimeoutError(), "TimeoutError"),
        (ValueError("0123456789abcdef"), "ValueError"),
        (KeyError(b"secret"), "KeyError"),
        (MemoryError(), "MemoryError"),
    ):
        car = Car([error])
        car.poll()
        assert told in car.sync.told and "secret" not in car.sync.told and "0123" not in car.sync.told
        assert car.sync.failures == 1 and car.steps[-1] == "down"


def test_a_network_that_is_not_there_is_no_failure():
    car = Car(joins=False)
    assert USUAL <= car.poll() < USUAL * 3 // 2
    assert (car.sync.told, car.sync.failures) == ("no Wi-Fi", 0)
    assert car.steps == ["room?", "up", "down"]


def test_where_both_radios_fit_phones_may_be_here():
    car = Car([(304, b"1")], radio=True)
    car.sync.seen = car.clock.at
    car.poll()
    assert car.steps == ["room?", "up", "get", "down"]


def test_where_they_do_not_they_take_turns():
    car = Car([(304, b"1")], missing=["53 KB", ""], radio=True)
    car.poll()
    assert car.steps == ["room?", "pause", "room?", "up", "get", "down", "resume"]
    assert not car.radio.trouble


def test_ble_comes_on_and_wifi_goes_off_whatever_happens():
    for answer, joins in (
        (http.HttpError("HTTP 500", 0), True),
        (asyncio.TimeoutError(), True),
        (KeyError(1), True),
        (None, False),
        (None, OSError("WiFi Out of Memory")),
    ):
        car = Car([answer], missing=["53 KB", ""], radio=True, joins=joins)
        car.poll()
        assert car.steps[-2:] == ["down", "resume"], car.steps


def test_where_there_is_no_room_without_ble_either_couriers_are_told_to_come():
    car = Car(missing=["53 KB free, Wi-Fi needs 60"], radio=True)
    assert car.poll() >= USUAL
    assert car.steps == ["room?", "pause", "room?", "resume"]
    assert (car.sync.told, car.sync.failures) == ("couriers only: 53 KB free, Wi-Fi needs 60", 0)
    car = Car(missing=["53 KB"])  # a car without BLE
    car.poll()
    assert (car.steps, car.sync.told) == (["room?"], "couriers only: 53 KB")


def test_ble_is_not_switched_off_while_a_phone_is_here_or_was_a_moment_ago():
    for ago in (0, 1, LATELY - 1):
        car = Car(missing=["53 KB"], radio=True)
        car.sync.seen = car.clock.at - ago
        assert car.poll() == LATELY
        assert car.steps == ["room?"]
    car = Car([(304, b"1")], missing=["53 KB", ""], radio=True)
    car.sync.seen = car.clock.at - LATELY
    car.poll()
    assert "get" in car.steps


def test_a_handshake_of_tls_waits_until_nobody_is_here():
    car = Car([(304, b"1")])
    car.url = b"https://roster.example"
    car.sync.seen = car.clock.at
    assert car.poll() == LATELY
    assert car.steps == ["tls"]
    car.sync.seen = 0
    car.poll()
    assert car.steps[1:] == ["tls", "up", "get", "down"]


def test_a_car_that_may_be_started_polls_later():
    car = Car()
    car.start_enabled = True
    assert car.poll() == LATELY
    assert car.steps == ["room?"]


def test_a_radio_that_does_not_come_back_is_brought_back_by_a_restart():
    for trouble, enabled, end in (("", False, ["flush", "reset"]), ("OSError(116,)", False, []), ("", True, [])):
        car = Car([(304, b"1")], missing=["53 KB", ""])
        car.radio = Radio(car, trouble, comes_back=False)

        async def act(car=car, enabled=enabled):
            car.start_enabled = enabled

        real = car.radio.resume
        car.radio.resume = lambda car=car, enabled=enabled, real=real: (real(), setattr(car, "start_enabled", enabled))
        car.poll()
        assert car.steps[6:] == ["resume"] + end, (trouble, enabled, car.steps)


def test_a_phone_that_gives_commands_goes_first_and_not_for_ever():
    now = time.ticks_ms()
    car = Car([(200, b"")])
    car.phones = [Phone(0), Phone(now)]
    Time.slept = 0
    real = poll.ticks_ms
    poll.ticks_ms = lambda: now + Time.slept
    try:
        car.poll()
        assert 1000 <= Time.slept < 1500
        Time.slept = 0
        car = Car([(200, b"")])
        car.phones = [Phone(now)]
        poll.ticks_ms = lambda: now
        car.poll()
        assert 10_000 <= Time.slept <= 25_000 and car.taken == [b"parcel"]
    finally:
        poll.ticks_ms = real


def test_the_rules_of_when_are_pollings():
    assert polling.interval(0) == USUAL
