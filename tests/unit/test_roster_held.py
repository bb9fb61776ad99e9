# SPDX-License-Identifier: Apache-2.0
"""What stays of an authority: read from its packed record where that is, and left alone where it is another's."""

import os

import authority_vectors as vectors
from latchkey.clock import Clock
from latchkey.roster import kept, lookup, opening
from latchkey.roster.held import Roster
from latchkey.store import files
from ramflash import ROOT, fresh

OWNER, DRIVER = 2, 3
GIVEN = (bytes.fromhex(vectors.ROOT), bytes.fromhex(vectors.SEAL), DRIVER, b"http://rosters.example")


def state():
    """One in which no two fields are alike."""
    made = kept.State(*GIVEN)
    made.generation, made.made, made.version, made.issued = 11, 12, 13, 1_800_000_000
    made.expires, made.interval, made.keys, made.place, made.wishes, made.time = (
        1_900_000_000,
        7_200,
        40,
        1,
        5,
        1_850_000_000,
    )
    made.delegation, made.digest, made.signers = b"delegate", b"of-head8", bytes(range(65)) * 2
    return made


def test_a_record_is_what_was_packed():
    before = state()
    after = kept.unpack(kept.pack(before))
    for name in ("root", "seal", "role", "url", "generation", "delegation", "signers", "made", "version", "issued"):
        assert getattr(after, name) == getattr(before, name), name
    for name in ("expires", "interval", "keys", "digest", "place", "wishes", "time"):
        assert getattr(after, name) == getattr(before, name), name


def test_what_is_read_from_the_record_in_place_is_what_it_says():
    made, clock = state(), Clock()
    roster = Roster(ROOT, clock, made, kept.order(made))
    assert roster.address == bytes.fromhex(vectors.ADDRESS)
    assert (roster.url, roster.interval) == (made.url, made.interval)
    assert roster.time == made.time and not roster.expired
    clock.advance(made.expires - made.time)
    assert roster.time == made.expires and roster.expired
    asked, find = [], lookup.find
    lookup.find = lambda *what: asked.append(what)
    try:
        assert not roster.lists(bytes(65))
    finally:
        lookup.find = find
    assert asked == [(ROOT, made.place, made.keys, made.digest, bytes(65))]


def test_the_time_stops_at_the_last_second_that_a_message_has_room_for():
    made, clock = state(), Clock()
    made.time, made.expires = 2**32 - 3, 2**32 - 1
    roster = Roster(ROOT, clock, made, kept.order(made))
    for told in (2**32 - 1, 2**32 - 1):
        clock.advance(2)
        assert roster.time == told and roster.expired


def test_settings_name_the_first_authority_and_none_after_it():
    fresh()
    os.mkdir(ROOT + "/twin")
    first = opening.opened(ROOT, Clock(), GIVEN)
    assert first.state.root == GIVEN[0] and first.state.role == DRIVER
    again = opening.opened(ROOT, Clock(), (GIVEN[0], b"x" * 16, OWNER, b""))
    assert (again.state.seal, again.state.role) == (GIVEN[1], DRIVER)
    for path in files.places(ROOT, kept.NAME):
        files.run(files.write_sealed(path, kept.VERSION, kept.pack(kept.nobody())))
    assert opening.opened(ROOT, Clock(), GIVEN) is None, "its owner has removed it"


def test_an_authority_of_another_firmwares_record_stays_as_it_is():
    fresh()
    os.mkdir(ROOT + "/twin")
    for path in files.places(ROOT, kept.NAME):
        files.run(files.write_sealed(path, kept.VERSION + 1, b"of tomorrow"))
    before = [files.read(path) for path in files.places(ROOT, kept.NAME)]
    assert opening.opened(ROOT, Clock(), GIVEN) is None
    assert [files.read(path) for path in files.places(ROOT, kept.NAME)] == before
