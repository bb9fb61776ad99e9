# SPDX-License-Identifier: Apache-2.0
"""The session table: bounded, never the same epoch twice, and not to be churned by reciting public keys."""

from support import CLIENT_PUBLIC, other_key, owner, sessions_of


def test_a_key_keeps_its_session_and_every_session_has_its_own_epoch():
    sessions, _ = sessions_of(owner(), owner(other_key(1)))
    first = sessions.find(CLIENT_PUBLIC)
    assert sessions.find(CLIENT_PUBLIC) is first
    assert sessions.find(other_key(1)).epoch != first.epoch
    assert sessions._keychain.looked_up == 2, "a live session needs no flash"


def test_an_unknown_or_malformed_key_has_no_session():
    sessions, _ = sessions_of(owner())
    assert sessions.find(other_key(1)) is None
    assert sessions.find(b"") is None
    assert sessions.find(CLIENT_PUBLIC + b"\0") is None


def test_a_session_dropped_comes_back_with_another_epoch():
    sessions, _ = sessions_of(owner())
    first = sessions.find(CLIENT_PUBLIC)
    sessions.drop(CLIENT_PUBLIC)
    assert sessions.find(CLIENT_PUBLIC).epoch != first.epoch
    sessions.drop()
    assert not sessions._live


def test_claims_never_push_out_a_session_that_has_verified():
    sessions, _ = sessions_of(owner(), *[owner(other_key(n)) for n in range(40)])
    drivers = sessions.find(CLIENT_PUBLIC)
    sessions.prove(drivers)
    for n in range(40):
        sessions.find(other_key(n))
    assert sessions.find(CLIENT_PUBLIC) is drivers
    assert len(sessions._live) <= 12


def test_the_least_recently_used_of_the_verified_gives_way():
    sessions, _ = sessions_of(*[owner(other_key(n)) for n in range(9)])
    live = []
    for n in range(9):
        live.append(sessions.find(other_key(n)))
        sessions.prove(live[n])
    assert sessions.find(other_key(0)) is not live[0]
    assert sessions.find(other_key(1)) is live[1]


def test_a_timed_key_works_for_its_seconds_and_not_after_a_reset():
    sessions, clock = sessions_of(owner(seconds=60))
    sessions.start_time(sessions._keychain.records[0])
    session = sessions.find(CLIENT_PUBLIC)
    assert sessions.active(session)
    clock.advance(60)
    assert not sessions.active(session)
    after_reset, _ = sessions_of(owner(seconds=60))
    assert not after_reset.active(after_reset.find(CLIENT_PUBLIC))
