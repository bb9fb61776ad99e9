# SPDX-License-Identifier: Apache-2.0
"""The desk: enrolment is there while somebody asks, and the LED says what a tap would do."""

import sys

from latchkey.clock import Clock
from latchkey.keys import desk as module
from latchkey.keys.desk import Desk
from latchkey.keys.loading import Loading
from latchkey.session.sessions import Sessions
from support import VEHICLE_PRIVATE, VEHICLE_PUBLIC, Keys, Log


class Enrolment:
    """What the desk asks of it; `ended` when nothing has to be remembered."""

    modules = ("latchkey.keys.labels",)

    def __init__(self):
        self.collision = 0
        self.pending = None
        self.ended = False
        self.asked = []

    def ask(self, operation, reply, actor, kind):
        self.asked.append((operation, reply, actor, kind))

    def tap(self):
        return b"abcd"

    def tick(self):
        return self.ended

    def ends(self):
        return self.ended


def made():
    keys, clock = Keys(), Clock()
    return Desk(clock, keys, Sessions(keys, clock, VEHICLE_PUBLIC), VEHICLE_PRIVATE, Log(), None, None)


def test_nobody_asks_at_first_and_a_tap_means_nobody():
    desk = made()
    assert desk.tap() is None and desk.tick() is None and desk.enrolment is None


def test_who_asks_has_enrolment_loaded_and_who_asks_next_finds_it_there():
    desk, asked = made(), []
    real, Loading.ask = Loading.ask, lambda self, *request: asked.append(request)
    try:
        desk.ask(b"one", "reply", None)
        loading = desk.enrolment
        desk.ask(b"two", "reply", "actor")
    finally:
        Loading.ask = real
    assert type(loading) is Loading and desk.enrolment is loading
    kind = "latchkey.keys.whitelist"
    assert asked == [(b"one", "reply", None, kind), (b"two", "reply", "actor", kind)]


def test_the_led_says_whether_a_tap_would_approve_somebody_or_nobody():
    desk = made()
    desk.enrolment = enrolment = Enrolment()
    assert desk.tap() == b"abcd"
    assert desk.tick() == 0
    enrolment.pending = "somebody"
    assert desk.tick() == 1
    enrolment.collision = 30
    assert desk.tick() == 2
    assert desk.enrolment is enrolment


def test_what_is_over_is_dropped_with_its_modules():
    import latchkey.keys.labels  # noqa: F401 - loaded, as with a request

    desk = made()
    desk.enrolment = enrolment = Enrolment()
    desk.tick()
    assert "latchkey.keys.labels" in sys.modules
    enrolment.ended = True
    assert desk.tick() == 0, "the LED goes out once more"
    assert desk.enrolment is None and "latchkey.keys.labels" not in sys.modules
    assert desk.tick() is None


def test_where_there_is_no_memory_to_drop_it_with_the_next_round_does():
    """What it had loaded stayed, once nobody knew of it any more."""
    desk, dropped = made(), []
    desk.enrolment = Enrolment()
    desk.enrolment.ended = True
    real = module.forget

    def full(*names):
        raise MemoryError

    try:
        module.forget = full
        try:
            desk.tick()
        except MemoryError:
            pass  # as the task that ticks does
        module.forget = lambda *names: dropped.extend(names)
        desk.tick()
    finally:
        module.forget = real
    assert dropped == list(Enrolment.modules) and desk.enrolment is None
