# SPDX-License-Identifier: Apache-2.0
"""The reserve: room that is kept, set free for one change that finds none, and made again."""

import os

from latchkey import store
from latchkey.store import files, reserve
from ramflash import ROOT, fresh

EIO, ENOSPC = 5, 28


def made():
    fresh()
    store.room = False
    files.run(reserve.make(ROOT))


def fails(times, errno):
    """Steps that fail so many times; and what they have seen of the reserve each time."""
    seen = []

    def steps():
        seen.append(reserve.whole(ROOT))
        yield
        if len(seen) <= times:
            raise OSError(errno)

    return steps, seen


def spent(steps):
    """The number of the error that it ends with."""
    try:
        files.run(reserve.spending(ROOT, steps))
    except OSError as error:
        return error.errno
    return None


def test_a_reserve_is_made_once_and_said_to_be_there():
    made()
    assert reserve.whole(ROOT) and store.room
    store.room = False
    assert list(reserve.make(ROOT)) == [] and store.room, "nothing is written for one that is there"


def test_one_of_another_size_is_made_anew():
    made()
    with open(ROOT + "/reserve", "wb") as f:
        f.write(bytes(reserve.SIZE - 1))
    assert not reserve.whole(ROOT)
    steps = reserve.make(ROOT)
    next(steps)
    assert not store.room, "until it is"
    files.run(steps)
    assert os.stat(ROOT + "/reserve")[6] == reserve.SIZE and store.room


def test_it_is_set_free_once():
    made()
    assert reserve.free(ROOT)
    assert not store.room and not reserve.whole(ROOT)
    assert not reserve.free(ROOT)
    assert not store.room


def test_steps_that_find_no_room_are_done_again_in_that_of_the_reserve():
    made()
    steps, seen = fails(1, ENOSPC)
    assert spent(steps) is None
    assert seen == [True, False] and not store.room


def test_what_finds_no_room_in_the_reserve_either_fails():
    made()
    steps, seen = fails(9, ENOSPC)
    assert spent(steps) == ENOSPC and seen == [True, False]
    steps, seen = fails(9, ENOSPC)
    assert spent(steps) == ENOSPC and seen == [False], "there is none to be set free"


def test_another_error_is_no_want_of_room():
    made()
    steps, seen = fails(1, EIO)
    assert spent(steps) == EIO
    assert seen == [True] and reserve.whole(ROOT) and store.room


def test_steps_that_need_nothing_cost_nothing():
    made()
    steps, seen = fails(0, EIO)
    assert spent(steps) is None and seen == [True] and reserve.whole(ROOT)
