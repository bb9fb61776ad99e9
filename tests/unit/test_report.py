# SPDX-License-Identifier: Apache-2.0
"""What becomes of key operations: an entry for each in the log, and word of it where there is a bench."""

import asyncio

from latchkey.keys.record import key_id
from latchkey.keys.report import Report
from latchkey.keys.whitelist import Change
from latchkey.wire.schema import LogKind
from support import DRIVER, Conn, Log, other_key, owner

CHANGE_KEY = 1024
ADDED = Change(LogKind.ENROLLED, owner(other_key(1), role=DRIVER))
SWEPT = Change(LogKind.REMOVED, None, drop=True)  # of many keys
KEY = ADDED.key_id
ACTOR = b"\xaa\xbb\xcc\xdd"


def reported(act):
    """The entries and the events of an act."""
    log, events = Log(), []
    act(Report(log, events.append))
    silent = Log()
    act(Report(silent, None))
    assert silent.entries == log.entries, "a car without a bench has the same log"
    return log.entries, events


def test_a_pairing_that_a_tap_approved_is_one_entry_by_the_card():
    assert reported(lambda report: report.done(ADDED, None, 0, "")) == (
        [("enrolled", KEY, 0, 0, 0)],
        [{"event": "enrolled", "by": "card", "key": KEY.hex()}],
    )


def test_a_signed_change_is_two_entries_who_gave_the_command_and_whom_it_was_about():
    assert reported(lambda report: report.done(ADDED, ACTOR, 0, "")) == (
        [("command", ACTOR, CHANGE_KEY, 0, 0), ("enrolled", KEY, 0, 0, 0)],
        [{"event": "enrolled", "by": ACTOR.hex(), "key": KEY.hex()}],
    )
    assert reported(lambda report: report.done(SWEPT, ACTOR, 0, "")) == (
        [("command", ACTOR, CHANGE_KEY, 0, 0), ("removed", None, 0, 0, 0)],
        [{"event": "removed", "by": ACTOR.hex()}],
    )


def test_a_key_that_takes_anothers_place_is_one_entry_as_is_one_that_is_removed():
    for kind, record, word in ((LogKind.REPLACED, ADDED.record, "replaced"), (LogKind.REMOVED, None, "removed")):
        change = Change(kind, record, (other_key(2),))
        entries, _ = reported(lambda report: report.done(change, None, 0, ""))  # noqa: B023 - at once
        assert entries == [(word, change.key_id, 0, 0, 0)]


def test_a_refusal_is_one_entry_of_who_signed_or_else_of_the_key_that_asked():
    for actor, by, whose in ((None, "card", KEY), (ACTOR, ACTOR.hex(), ACTOR)):
        assert reported(lambda report: report.done(ADDED, actor, 4, "full")) == (  # noqa: B023 - at once
            [("refused", whose, CHANGE_KEY, 0, 4)],
            [{"event": "refused", "by": by, "key": KEY.hex(), "information": 4, "why": "full"}],
        )


def test_who_waits_for_a_tap_is_told_of_and_is_no_entry():
    assert reported(lambda report: report.pending(ADDED)) == (
        [],
        [{"event": "pending", "key": KEY.hex(), "role": DRIVER}],
    )
    assert reported(lambda report: report.pending(SWEPT))[1] == [{"event": "pending", "key": None, "role": 0}]


def test_two_who_have_asked_and_a_tap_for_nobody_are_in_the_log():
    conn = Conn()
    assert reported(lambda report: report.collision(conn, 30)) == (
        [("collision", None, 0, 0, 0)],
        [{"event": "collision", "conn": "test/1", "left": 30}],
    )
    entries, events = reported(lambda report: report.tapped_for_nobody(17))
    assert entries == [("refused", None, CHANGE_KEY, 0, 23)]
    assert len(events) == 1 and "17 s" in events[0].pop("why")
    assert events == [{"event": "refused", "by": "card", "information": 23}]


def test_a_revocation_is_an_entry_of_its_maker_and_one_of_each_key_that_went():
    revoked = Change(LogKind.REVOKED, None, (other_key(2), other_key(3)), by="revocation")
    revoked.public = other_key(1)
    revoked.detail = 9
    went = [("removed", key_id(other_key(n)), 0, 0, 0) for n in (2, 3)]
    assert reported(lambda report: report.done(revoked, None, 0, "")) == (
        [("revoked", KEY, 0, 0, 9)] + went,
        [{"event": "revoked", "by": "revocation", "key": KEY.hex()}],
    )


def test_what_was_reported_is_written_when_it_has_to_be():
    log = Log()
    asyncio.run(Report(log, None).written())
    assert log.flushed == 1


def test_the_command_and_the_refusal_have_the_hash_of_the_request_and_what_became_of_the_key_has_none():
    log = Log()
    report = Report(log, None)
    report.done(ADDED, ACTOR, 0, "", b"hash")
    report.done(ADDED, ACTOR, 4, "full", b"hash")
    report.done(ADDED, None, 0, "")
    assert log.requests == [b"hash", b"", b"hash", b""]
