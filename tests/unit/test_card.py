# SPDX-License-Identifier: Apache-2.0
"""Whom a tap approves, over random sequences of people, strangers, taps and time, against a model of its own."""

import random

from latchkey.clock import Clock
from latchkey.faults import KeyRefused
from latchkey.keys.enrolment import TAP_WINDOW, Enrolment
from latchkey.keys.report import Report
from named import WHITELIST_OPERATION, encode
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
                enrolment.pair(what[which], Reply(conn))
            except KeyRefused as refusal:
                assert refusal.code == COULD_NOT_START, where
            else:
                pending = enrolment.pending
                assert (pending.reply.conn, pending.operation) == (conn, what[which]), where
            if random.random() < 0.1:  # a phone leaves, and another takes its place and its name
                conns[who] = connection(conn.inside)
        else:
            enrolment.tick()
            pending = enrolment.pending
            closed = enrolment.collision
            if enrolment.tap():
                approved += 1
                conn = pending.reply.conn
                assert not closed, where
                assert model.approves(now, conn.inside, conn, what.index(pending.operation)), where
                model.tap(now, conn.inside)
                enrolment._job = False  # the worker is not the subject here, and the keychain stays empty
            elif pending:  # a second tap in a row, on the air: the only reason
                assert not pending.reply.conn.inside and now - model.last_tap <= 3, where
                model.last_tap = now
            else:
                assert not model.alone(now), where
                if closed or now - model.last_tap <= 3:
                    model.last_tap = now
                if closed:
                    assert told[-1]["event"] == "refused" and told[-1]["by"] == "card", where
    return approved, asked


def test_a_tap_enrols_only_who_asked_alone_for_a_whole_window():
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
            enrolment.pair(operations()[0], Reply(conn))
            assert enrolment.tap()
            enrolment._job = False
            enrolment._clock.advance(4)


def test_a_second_who_asks_beside_the_first_keeps_every_tap_away_whatever_its_timing():
    """Every pause between the two, and every pause before the tap, on the air."""
    first, second = operations()[:2]
    for before in range(2 * TAP_WINDOW + 2):
        for then in range(0, TAP_WINDOW + 2, 3):
            enrolment = made(Clock(), lambda told: None)
            enrolment.pair(first, Reply(connection(False)))
            enrolment._clock.advance(before)
            enrolment.tick()
            try:
                enrolment.pair(second, Reply(connection(False)))
                alone = True
            except KeyRefused:
                alone = False
            enrolment._clock.advance(then)
            assert alone == (before >= 2 * TAP_WINDOW)
            assert bool(enrolment.tap()) == (alone and then < TAP_WINDOW), (before, then)
