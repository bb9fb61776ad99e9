# SPDX-License-Identifier: Apache-2.0
"""The desk: enrolment is there while somebody asks, and the LED says what a tap would do."""

import sys

from latchkey import forget
from latchkey.clock import Clock
from latchkey.faults import Fault
from latchkey.keys import desk as module
from latchkey.keys.desk import Desk
from latchkey.keys.loading import Loading
from latchkey.session.sessions import Sessions
from latchkey.wire.schema import MessageFault
from support import CLIENT_PUBLIC, VEHICLE_PRIVATE, VEHICLE_PUBLIC, Keys, Listing, Log, from_roster, other_key, owner


class Enrolment:
    """What the desk asks of it; `ended` when nothing has to be remembered, `over` once that has lasted a while."""

    modules = ("latchkey.keys.labels",)

    def __init__(self):
        self.collision = 0
        self.pending = None
        self.ended = self.over = False
        self.asked = []

    def ask(self, operation, reply, actor, kind):
        self.asked.append((operation, reply, actor, kind))

    def tap(self):
        return b"abcd"

    def tick(self):
        return self.over

    def ends(self):
        return self.ended


class Intake:
    """What takes a roster's parcels."""

    def __init__(self):
        self.dropped = 0

    def drop(self):
        self.dropped += 1


def made():
    keys, clock = Keys(), Clock()
    return Desk(clock, keys, Sessions(keys, VEHICLE_PUBLIC), VEHICLE_PRIVATE, Log(), None, None)


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


def test_a_whitelist_operation_waits_for_a_change_that_was_loaded_without_what_it_needs():
    forget("latchkey.keys.whitelist")
    desk = made()
    desk.enrolment = enrolment = Enrolment()
    desk.ask(b"one", "reply", None, "latchkey.roster.contact")
    try:
        desk.ask(b"two", "reply", None)
        raise AssertionError("taken")
    except Fault as busy:
        assert busy.code == MessageFault.BUSY
    assert len(enrolment.asked) == 1
    import latchkey.keys.whitelist  # noqa: F401 - as with a pairing that is pending

    desk.ask(b"two", "reply", None)
    assert len(enrolment.asked) == 2


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
    assert desk.tick() == 0 and desk.enrolment is enrolment, "somebody else may ask in a moment"
    enrolment.over = True
    assert desk.tick() == 0, "the LED goes out once more"
    assert desk.enrolment is None and "latchkey.keys.labels" not in sys.modules
    assert desk.tick() is None


def test_whoever_needs_its_room_drops_enrolment_unless_something_has_to_be_remembered():
    desk = made()
    assert desk.drop(), "there is room"
    desk.enrolment = enrolment = Enrolment()
    assert not desk.drop() and desk.enrolment is enrolment
    enrolment.ended = True
    assert desk.drop() and desk.enrolment is None
    assert "latchkey.keys.labels" not in sys.modules


def test_who_asks_drops_what_takes_parcels_since_there_is_memory_for_one_of_them():
    real, Loading.ask = Loading.ask, lambda self, *request: None
    try:
        desk = made()
        desk.keychain.roster = Listing()
        desk.ask(b"one", "reply", None)
        assert desk.enrolment, "nobody brings parcels"
        desk = made()
        desk.keychain.roster = Listing()
        desk.keychain.roster.intake = intake = Intake()
        desk.ask(b"one", "reply", None)
        desk.ask(b"two", "reply", None)
    finally:
        Loading.ask = real
    assert intake.dropped == 1


def test_when_a_roster_expires_the_sessions_of_its_keys_end_and_nobody_elses():
    desk = made()
    for record in (owner(), from_roster(other_key(1))):
        desk.keychain.put(record)
    desk.keychain.roster = roster = Listing(other_key(1))
    sessions = desk.sessions

    def proven():
        found = [sessions.find(public) for public in (CLIENT_PUBLIC, other_key(1))]
        for session in found:
            sessions.spend(session, session.counter + 1)
        return found

    owners, rosters = proven()
    desk.tick()
    assert proven() == [owners, rosters], "it is in force"
    roster.lapsed = True
    desk.tick()
    assert sessions.find(CLIENT_PUBLIC) is owners
    again = sessions.find(other_key(1))
    assert again is not rosters and again.epoch != rosters.epoch
    after = proven()
    desk.tick()
    assert proven() == after, "once"


def test_where_there_is_no_memory_to_drop_it_with_the_next_round_does():
    """What it had loaded stayed, once nobody knew of it any more."""
    desk, dropped = made(), []
    desk.enrolment = Enrolment()
    desk.enrolment.ended = desk.enrolment.over = True
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
