# SPDX-License-Identifier: Apache-2.0
"""A connection's allowance of failed tags: eight in a row, then one a second, and nobody else's."""

import codes as faults
from latchkey.faults import Fault
from latchkey.link.connection import Connection


def taken(conn, now):
    try:
        conn.check(now)
    except Fault as fault:
        assert fault.code == faults.BUSY
        return False
    return True


def failed(conn, now, tries):
    """How many of so many messages with a bad tag are looked at, at that second."""
    looked_at = 0
    for _ in range(tries):
        if taken(conn, now):
            looked_at += 1
            conn.bad_tag()
    return looked_at


def test_eight_failed_tags_are_looked_at_and_then_one_a_second_however_long_the_car_has_been_on():
    for began in (0, 1, 1000, 10_000_000):
        conn = Connection("test/1")
        assert failed(conn, began, 100) == 8, began
        assert [failed(conn, began + second, 100) for second in range(1, 9)] == [1] * 8
        assert failed(conn, began + 18, 100) == 8, "ten seconds later it has all of it again, and no more"


def test_the_allowance_comes_back_while_nobody_asks():
    conn = Connection("test/1")
    assert failed(conn, 50, 100) == 8
    assert failed(conn, 53, 100) == 3


def test_what_one_connection_spends_is_no_others():
    spent, other = Connection("test/1"), Connection("test/2")
    failed(spent, 50, 100)
    assert not taken(spent, 50) and taken(other, 50)
    assert failed(other, 50, 100) == 8


def test_a_new_connection_has_given_no_command_but_those_that_are_told_of_and_has_nothing_to_be_told():
    assert (Connection("a").authenticated_ms, Connection("a").untold) == (0, False)
    assert (Connection("a", 7).authenticated_ms, Connection("a", 7).name) == (7, "a")
