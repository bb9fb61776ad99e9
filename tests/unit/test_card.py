# SPDX-License-Identifier: Apache-2.0
"""Whom a tap approves, over random sequences of people, strangers, taps and time, against a model of its own."""

import random

from latchkey.clock import Clock
from latchkey.faults import KeyRefused
from latchkey.keys.card import ALONE, COLLISION, TURNED_AWAY, WINDOW, Card
from latchkey.keys.enrolment import TAP_WINDOW, Enrolment
from latchkey.keys.report import Report
from named import WHITELIST_OPERATION, encode
from runner import needs_memory
from support import CLIENT_PUBLIC, VEHICLE_PRIVATE, VEHICLE_PUBLIC, Conn, Keys, Log

SEEDS = 60
STEPS = 400
COULD_NOT_START = 23
PAUSES = (0, 0, 0, 1, 2, 3, 4, 5, 14, 15, 25, 29, 30, 31, 45, 59, 60, 61)


class Sessions:
    pass


class Reply:
    def __init__(self, conn):
        self.conn = conn

    def payload(self, payload, fault=0):
        pass

    def waiting(self):
        pass


def operations():
    """The owner's own request, and what strangers ask for: its own key, and others in its name."""
    asked = []
    others = ((CLIENT_PUBLIC, {"secondsToBeActive": 1}), (CLIENT_PUBLIC, {"label": b"x"}))
    for public, more in ((CLIENT_PUBLIC, {}), (VEHICLE_PUBLIC, {})) + others:
        change = {"key": {"PublicKeyRaw": public}, "keyRole": 2}
        change.update(more)
        asked.append(encode(WHITELIST_OPERATION, {"addKeyToWhitelistAndAddPermissions": change}))
    return asked


def connection(inside):
    conn = Conn()
    conn.inside = inside
    return conn


def made(clock, emit):
    report = Report(Log(), emit)

    def run(name, task, ends):
        task.close()

    return Enrolment(Keys(), Sessions(), clock, VEHICLE_PRIVATE, report, run, ())


class Model:
    """All that ever happened, and what follows from it by looking back: nothing is kept but the past."""

    def __init__(self):
        self.past = []  # (when, inside, who, what) of each request
        self.tapped = {False: -1000, True: -1000}  # index into the past: what a tap was for is settled
        self.last_tap = -1000

    def asked(self, inside, since):
        settled = self.tapped[inside]
        return [e for i, e in enumerate(self.past) if e[1] == inside and e[0] > since and i >= settled]

    def approves(self, now, inside, who, what):
        """May a tap now enrol this?"""
        lately = self.asked(inside, now - TAP_WINDOW)
        if not lately or any((e[2], e[3]) != (who, what) for e in lately):
            return False
        return inside or (now - self.last_tap > 3 and not self.asked(True, now - TAP_WINDOW))

    def alone(self, now):
        """Did one ask, and nobody else at all since two windows passed without a request?"""
        both = sorted(self.asked(False, -1000) + self.asked(True, -1000), key=lambda e: e[0])
        if not both or both[-1][0] <= now - TAP_WINDOW:
            return False
        last = both[-1]
        if any(e[1] and not last[1] and e[0] > now - 3 * TAP_WINDOW for e in self.past):
            return False  # it may have had to make way for somebody inside
        for e in reversed(both):
            if last[0] - e[0] >= 2 * TAP_WINDOW:
                break
            if e[1:] != last[1:]:
                return False
            last = e
        return True

    def tap(self, now, inside):
        self.tapped[inside] = len(self.past)
        self.last_tap = now


def play(seed, bias):
    random.seed(seed)
    clock = Clock()
    told = []
    enrolment = made(clock, told.append)
    model = Model()
    conns = [connection(False) for _ in range(3)] + [connection(True) for _ in range(2)]
    what = operations()
    began = clock.now()
    approved = asked = 0
    for step in range(STEPS):
        clock.advance(random.choice(PAUSES))
        now = clock.now()
        where = (seed, step, now - began)
        if random.random() < bias:
            who = random.randrange(len(conns))
            which = 0 if random.random() < 0.5 else random.randrange(len(what))
            conn = conns[who]
            model.past.append((now, conn.inside, conn, which))
            asked += 1
            try:
                enrolment.ask(what[which], Reply(conn), None, "latchkey.keys.whitelist")
            except KeyRefused as refusal:
                assert refusal.code == COULD_NOT_START, where
            else:
                pending = enrolment.pending
                assert (pending.asked.reply.conn, pending.asked.operation) == (conn, what[which]), where
            if random.random() < 0.1:  # a phone leaves, and another takes its place and its name
                conns[who] = connection(conn.inside)
        else:
            enrolment.tick()
            pending = enrolment.pending
            closed = enrolment.collision
            if enrolment.tap():
                approved += 1
                conn = pending.asked.reply.conn
                assert not closed, where
                assert model.approves(now, conn.inside, conn, what.index(pending.asked.operation)), where
                model.tap(now, conn.inside)
                enrolment.job = False  # the worker is not the subject here, and the keychain stays empty
            elif pending:  # a second tap in a row, on the air: the only reason
                assert not pending.asked.reply.conn.inside and now - model.last_tap <= 3, where
                model.last_tap = now
            else:
                assert not model.alone(now), where
                if closed or now - model.last_tap <= 3:
                    model.last_tap = now
                if closed:
                    assert told[-1]["event"] == "refused" and told[-1]["by"] == "card", where
    return approved, asked


def test_a_tap_enrols_only_who_asked_alone_for_a_whole_window():
    needs_memory()
    approved = asked = 0
    for seed in range(SEEDS):
        a, n = play(20211119 + seed, (0.3, 0.5, 0.8)[seed % 3])
        approved += a
        asked += n
    print("note: %d requests, %d approved" % (asked, approved))
    assert approved > 500, "somebody is let in, too"


def test_who_asks_alone_is_always_let_in():
    for inside in (False, True):
        enrolment = made(Clock(), lambda told: None)
        conn = connection(inside)
        for pause in (0, 4, 29, 30, 31, 59, 60, 61, 1000):
            enrolment._clock.advance(pause)
            enrolment.ask(operations()[0], Reply(conn), None, "latchkey.keys.whitelist")
            assert enrolment.tap()
            enrolment.job = False
            enrolment._clock.advance(4)


def test_a_second_who_asks_beside_the_first_keeps_every_tap_away_whatever_its_timing():
    """Every pause between the two, and every pause before the tap, on the air."""
    first, second = operations()[:2]
    for before in range(2 * TAP_WINDOW + 2):
        for then in range(0, TAP_WINDOW + 2, 3):
            enrolment = made(Clock(), lambda told: None)
            enrolment.ask(first, Reply(connection(False)), None, "latchkey.keys.whitelist")
            enrolment._clock.advance(before)
            enrolment.tick()
            try:
                enrolment.ask(second, Reply(connection(False)), None, "latchkey.keys.whitelist")
                alone = True
            except KeyRefused:
                alone = False
            enrolment._clock.advance(then)
            assert alone == (before >= 2 * TAP_WINDOW)
            assert bool(enrolment.tap()) == (alone and then < TAP_WINDOW), (before, then)


def test_a_window_is_half_a_minute():
    assert WINDOW == TAP_WINDOW == 30


def test_a_window_in_which_a_tap_approves_nobody_begins_once_and_ends_half_a_minute_after_the_last_who_asked():
    card, one, other = Card(), connection(False), connection(False)
    assert card.closed(1000) == 0
    assert card.ask(one, b"a", 1000) == ALONE
    assert card.closed(1000) == 0
    assert card.ask(other, b"a", 1010) == COLLISION
    assert card.closed(1010) == 30
    assert card.ask(one, b"a", 1020) == TURNED_AWAY, "the log has it already"
    assert [card.closed(now) for now in (1020, 1049, 1050)] == [30, 1, 0]
    assert card.ask(one, b"b", 1050) == ALONE, "all of it is forgotten then"
    assert len({ALONE, COLLISION, TURNED_AWAY}) == 3


def test_on_the_air_a_request_is_remembered_for_another_window_and_inside_it_is_not():
    for inside, then in ((False, COLLISION), (True, ALONE)):
        for pause, outcome in ((29, COLLISION), (30, then), (59, then), (60, ALONE), (61, ALONE)):
            card, conn = Card(), connection(inside)
            assert card.ask(conn, b"a", 1000) == ALONE
            assert card.ask(conn, b"b", 1000 + pause) == outcome, (inside, pause)
    card, one, other = Card(), connection(False), connection(False)
    card.ask(one, b"a", 1000)
    assert card.ask(other, b"a", 1030) == ALONE, "the same wish, from who has reconnected"


def test_inside_who_was_asked_twice_is_remembered_as_long_as_who_asked_alone():
    card, one, other = Card(), connection(True), connection(True)
    card.ask(one, b"a", 1000)
    assert card.ask(other, b"a", 1001) == COLLISION
    card.tick(1060)
    assert card.busy(1060)
    card.tick(1061)
    assert not card.busy(1061)


def test_who_asks_on_the_air_is_turned_away_while_somebody_asks_inside():
    card = Card()
    assert card.ask(connection(True), b"a", 1000) == ALONE
    assert card.ask(connection(False), b"b", 1059) == TURNED_AWAY
    assert card.ask(connection(False), b"b", 1200) == ALONE


def test_it_is_busy_while_a_request_or_a_tap_is_to_be_remembered():
    for inside in (False, True):
        card, conn = Card(), connection(inside)
        assert not card.busy(1000)
        card.ask(conn, b"a", 1000)
        card.tick(1059)
        assert card.busy(1059)
        card.tick(1060)
        assert not card.busy(1060)
        card.ask(conn, b"a", 1100)
        assert card.tap(conn, 1101)
        assert [card.busy(now) for now in (1101, 1104, 1105)] == [True, True, False]


def test_a_tap_that_was_for_nobody_does_not_approve_who_asks_right_after_it():
    card, one, other = Card(), connection(False), connection(False)
    card.ask(one, b"a", 1000)
    card.ask(other, b"a", 1000)
    assert not card.tap(None, 1029)
    card.tick(1030)
    assert card.ask(one, b"a", 1030) == ALONE
    assert not card.tap(one, 1032) and not card.tap(one, 1035), "he taps on and on"
    assert card.tap(one, 1039)
    assert not card.tap(None, 2000), "a tap at a car that nobody asked is over at once"
    assert card.ask(one, b"a", 2001) == ALONE and card.tap(one, 2001)
