# SPDX-License-Identifier: Apache-2.0
"""Sessions: bounded, never the same epoch and counter twice, and not to be churned by reciting public keys."""

import gc
import random

import micropython

from latchkey.keys.record import Record, key_id
from runner import needs_memory
from support import CLIENT_PUBLIC, other_key, owner, sessions_of


class Twin(Record):
    """A key whose id is CLIENT_PUBLIC's."""

    @property
    def id(self):
        return key_id(CLIENT_PUBLIC)


def remembered(sessions):
    """All that sessions remember."""
    live = [(s, s.epoch, s.counter) for s in sessions._live if s]
    return live, sessions._generation, bytes(sessions._generations)


def same_place(sessions):
    """Have keys share places of generations: their slots differ by 64."""
    for n, record in enumerate(sessions._keychain.records):
        record.slot = n % 5 + 64 * n


def test_a_key_keeps_its_epoch_and_every_key_and_domain_has_its_own():
    sessions = sessions_of(owner(), owner(other_key(1)))
    first = sessions.find(CLIENT_PUBLIC)
    assert sessions.find(CLIENT_PUBLIC).epoch == first.epoch
    both = (CLIENT_PUBLIC, other_key(1))
    assert len({sessions.find(public, domain).epoch for public in both for domain in (2, 3)}) == 4
    sessions.spend(first, 1)
    assert sessions.find(CLIENT_PUBLIC) is first
    assert sessions.find(CLIENT_PUBLIC, 3) is not first
    before = sessions._keychain.looked_up
    sessions.find(CLIENT_PUBLIC)
    assert sessions._keychain.looked_up == before, "a proven session needs no flash"


def test_another_boot_has_other_epochs():
    assert sessions_of(owner()).find(CLIENT_PUBLIC).epoch != sessions_of(owner()).find(CLIENT_PUBLIC).epoch


def test_an_unknown_or_malformed_key_has_no_session():
    sessions = sessions_of(owner())
    assert sessions.find(other_key(1)) is None
    assert sessions.find(b"") is None
    assert sessions.find(CLIENT_PUBLIC + b"\0") is None
    assert sessions.find_handle(0, 2) is None and sessions.find_handle(2, 2) is None


def test_a_session_dropped_comes_back_with_another_epoch():
    sessions = sessions_of(owner())
    for proven in (False, True):
        first = sessions.find(CLIENT_PUBLIC)
        if proven:
            sessions.spend(first, 1)
        sessions.drop(CLIENT_PUBLIC)
        assert sessions.find(CLIENT_PUBLIC).epoch != first.epoch
        first = sessions.find(CLIENT_PUBLIC)
        sessions.drop()
        assert sessions.find(CLIENT_PUBLIC).epoch != first.epoch
    assert not any(sessions._live)


def test_a_look_up_changes_nothing_at_all():
    keys = [owner(other_key(n)) for n in range(40)]
    sessions = sessions_of(owner(), *keys)
    drivers, unproven = sessions.find(CLIENT_PUBLIC), sessions.find(other_key(0))
    sessions.spend(drivers, 5)
    before = remembered(sessions)
    for n in range(60):
        sessions.find(other_key(n))
        sessions.find(other_key(n), 3)
        sessions.find_handle(n, 2)
    assert remembered(sessions) == before
    assert sessions.find(CLIENT_PUBLIC) is drivers
    assert sessions.find(other_key(0)).epoch == unproven.epoch


def test_the_least_recently_used_of_the_verified_gives_way_and_its_epoch_never_comes_back():
    sessions = sessions_of(*[owner(other_key(n)) for n in range(9)])
    live = []
    for n in range(9):
        live.append(sessions.find(other_key(n)))
        sessions.spend(live[n], 1)
    assert sessions.find(other_key(0)) is not live[0]
    assert sessions.find(other_key(0)).epoch != live[0].epoch
    assert sessions.find(other_key(1)) is live[1]
    sessions.spend(live[1], 2)
    sessions.spend(sessions.find(other_key(0)), 1)
    assert sessions.find(other_key(1)) is live[1] and sessions.find(other_key(2)) is not live[2]


def test_keys_chosen_to_end_like_an_owners_keep_it_from_nothing_however_they_take_turns():
    """Five guests with two sessions each: there is one more than are kept, so each command of theirs evicts one."""
    guests = [other_key(n)[:64] + CLIENT_PUBLIC[-1:] for n in range(5)]
    sessions = sessions_of(owner(), *[owner(public, role=8) for public in guests])

    def turns():
        for public in guests:
            for domain in (2, 3):
                session = sessions.find(public, domain)
                sessions.spend(session, session.counter + 1)

    turns()
    for _ in range(3):
        told = sessions.find(CLIENT_PUBLIC)
        epoch, counter = told.epoch, told.counter
        turns()
        session = sessions.find(CLIENT_PUBLIC)
        assert session.epoch == epoch and session.counter == counter
        sessions.spend(session, 1)
        turns()


def test_who_counts_to_the_end_again_and_again_moves_nobodys_epoch_but_its_own():
    sessions = sessions_of(owner(), owner(other_key(1), role=8))
    told = sessions.find(CLIENT_PUBLIC)
    for _ in range(100):
        guest = sessions.find(other_key(1))
        sessions.spend(guest, 0xFFFFFFFF)
        assert sessions.find(other_key(1)).epoch != guest.epoch
    assert sessions.find(CLIENT_PUBLIC).epoch == told.epoch


def test_the_last_counter_ends_the_session():
    sessions = sessions_of(owner())
    first = sessions.find(CLIENT_PUBLIC)
    sessions.spend(first, 0xFFFFFFFF)
    again = sessions.find(CLIENT_PUBLIC)
    assert again.epoch != first.epoch and again.counter == 0


def test_what_follows_a_tag_and_what_ends_sessions_needs_no_memory():
    sessions = sessions_of(*[owner(other_key(n)) for n in range(12)])
    found = [sessions.find(other_key(n)) for n in range(12)]
    publics = [other_key(n) for n in range(12)]
    sessions._generation = 0xFF - 3
    micropython.heap_lock()
    try:
        for n in range(12):
            sessions.spend(found[n], 7)
        sessions.spend(found[11], 0xFFFFFFFF)
        for n in range(12):
            sessions.drop(publics[n])
        sessions.drop()
    finally:
        micropython.heap_unlock()
    assert not any(sessions._live)


def test_no_epoch_and_counter_are_ever_accepted_twice():
    """A model of phones, strangers and key changes over 20 keys that share places: whoever asks, in whatever order, and
    whatever ends sessions in between."""
    needs_memory()
    random.seed(11)
    publics = [other_key(n) for n in range(17)] + [CLIENT_PUBLIC]
    sessions = sessions_of(*[owner(public) for public in publics])
    same_place(sessions)
    accepted = {}
    said = []
    highest = {}
    resyncs = 0
    known = {}
    secrets = set()
    for step in range(12000):
        if step % 500 == 0:
            gc.collect()  # or what lives long lies in pieces all over the heap, and the tables cannot grow
        public, domain = random.choice(publics), random.choice((2, 2, 3))
        act = random.randrange(100)
        if act < 40:  # a handshake, perhaps a stranger's
            session = sessions.find(public, domain)
            known[public, domain] = (session.epoch, session.counter)
            continue
        if act < 43:
            sessions.drop(public)
            continue
        if act < 44:
            sessions.drop()
            continue
        if act < 60 and said:  # anything that was ever said, again
            public, domain, epoch, counter = random.choice(said)
        elif (public, domain) in known:
            epoch, counter = known[public, domain]
            jump = random.randrange(40)
            counter = 0xFFFFFFFF - jump if jump < 2 else min(counter + 1 + jump % 3, 0xFFFFFFFF)
            if len(said) < 400:
                said.append((public, domain, epoch, counter))
            else:
                said[random.randrange(400)] = (public, domain, epoch, counter)
        else:
            continue
        session = sessions.find(public, domain)
        secrets.add(sessions._secret)
        if session.epoch != epoch or counter <= session.counter:
            resyncs += 1
            known[public, domain] = (session.epoch, session.counter)
            continue
        assert counter > highest.get((domain, epoch), 0), step
        assert accepted.get(epoch, (public, domain)) == (public, domain), "two keys or domains with one epoch"
        accepted[epoch] = (public, domain)
        highest[domain, epoch] = counter
        sessions.spend(session, counter)
        known[public, domain] = (epoch, counter)
        assert sum(1 for s in sessions._live if s) <= 8
    print("epochs that commands were accepted in:", len(accepted), "refused:", resyncs)
    assert len(accepted) > 500 and resyncs > 500 and len(secrets) > 2


def test_a_proven_session_is_found_by_its_handle_in_its_own_domain():
    keys = [owner(), owner(other_key(1))]
    sessions = sessions_of(*keys)
    proven = []
    for record in keys:
        for domain in (2, 3):
            session = sessions.find(record.public, domain)
            sessions.spend(session, 7)
            proven.append(session)
    for session in proven:
        assert sessions.find_handle(session.handle, session.domain) is session
    assert sessions.find_handle(9, 2) is None


def proven_full(count=8):
    """A full table of proven sessions, the last one used most recently."""
    sessions = sessions_of(*[owner(other_key(n)) for n in range(12)])
    live = [sessions.find(other_key(n)) for n in range(count)]
    for session in live:
        sessions.spend(session, 5)
    return sessions, live


def alive(sessions, live):
    return [sessions.find(session.record.public) is session for session in live]


def test_whoever_goes_on_commanding_ends_nobody_elses_session():
    for who in (7, 0, 3):
        sessions, live = proven_full()
        for counter in range(6, 30):
            sessions.spend(live[who], counter)
        assert alive(sessions, live) == [True] * 8


def test_a_key_that_is_dropped_leaves_the_others_theirs_and_its_place_free():
    for gone in (0, 4, 7):
        sessions, live = proven_full()
        sessions.drop(live[gone].record.public)
        assert alive(sessions, live) == [n != gone for n in range(8)]
        newcomer = sessions.find(other_key(9))
        sessions.spend(newcomer, 1)
        assert alive(sessions, live + [newcomer]) == [n != gone for n in range(9)], "there was room for it"
    sessions, live = proven_full()
    sessions.drop()
    assert alive(sessions, live) == [False] * 8


def test_no_epoch_of_a_key_comes_back_however_often_its_sessions_end():
    last = 0xFFFFFFFF
    for between in (0, 1, 3):
        sessions = sessions_of(owner(), owner(other_key(1)))
        seen = set()
        for n in range(700):
            session = sessions.find(CLIENT_PUBLIC)
            assert session.epoch not in seen, n
            seen.add(session.epoch)
            sessions.spend(session, last)
            if n > 5:
                for _ in range(between):
                    sessions.spend(sessions.find(other_key(1)), last)
    sessions = sessions_of(owner(), owner(other_key(1)))
    for _ in range(5):
        sessions.spend(sessions.find(CLIENT_PUBLIC), last)
    secret = sessions._secret
    while sessions._secret == secret:
        sessions.spend(sessions.find(other_key(1)), last)
    seen = set()
    for _ in range(20):  # with another secret its place begins anew, and is not left where it was
        session = sessions.find(CLIENT_PUBLIC)
        assert session.epoch not in seen
        seen.add(session.epoch)
        sessions.spend(session, last)
