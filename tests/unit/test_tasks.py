# SPDX-License-Identifier: Apache-2.0
"""Tasks: what becomes of a board when one of them is over, and what keeps it alive meanwhile."""

import asyncio

from latchkey import tasks


class Board:
    """Outputs and a reset that only take note, in the order in which they were asked for."""

    def __init__(self):
        self.done = []

    def safe(self):
        self.done.append("safe")

    def reset(self):
        self.done.append("reset")


def _guarded(task, ends=False, tell=None):
    """What was done by the time that a task was over."""
    board = Board()
    guard = tasks.Tasks(board.safe)
    real = tasks.machine, tasks.time, tasks.tell
    tasks.machine, tasks.time, tasks.tell = board, Time(board), tell or (lambda error: board.done.append(str(error)))

    async def act():
        guard.start("part", task, ends)
        for _ in range(3):
            await asyncio.sleep_ms(0)

    try:
        asyncio.run(act())
    except MemoryError:
        pass  # of a task, to which nobody listens
    finally:
        tasks.machine, tasks.time, tasks.tell = real
    return board.done


class Time:
    def __init__(self, board):
        self._board = board

    def sleep_ms(self, ms):
        self._board.done.append(ms)


async def _dies(error):
    raise error


async def _ends():
    pass


SAFE_THEN_RESET = ["safe", "gone", 1000, "safe", "reset"]


def test_a_task_that_dies_makes_the_outputs_safe_and_resets_the_board():
    assert _guarded(_dies(ValueError("gone"))) == SAFE_THEN_RESET
    assert _guarded(_dies(asyncio.CancelledError("gone"))) == SAFE_THEN_RESET, "one that is cancelled is as dead"


def test_a_task_that_should_never_end_resets_the_board_when_it_does():
    assert _guarded(_ends()) == ["safe", 1000, "safe", "reset"]


def test_a_task_that_may_end_resets_the_board_only_when_it_dies():
    assert _guarded(_ends(), ends=True) == []
    assert _guarded(_dies(ValueError("gone")), ends=True) == SAFE_THEN_RESET


def test_a_death_that_there_is_no_memory_to_tell_of_resets_the_board_all_the_same():
    def tell(error):
        raise MemoryError

    assert _guarded(_dies(ValueError("gone")), tell=tell) == ["safe", "safe", "reset"]


class _Watched:
    """What is ticked, polled and fed: it counts, and ends the test after some rounds."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.fed = self.polled = self.ticked = 0
        self.timeout = None
        self.tight = False
        self.slept = []

    def WDT(self, timeout):
        self.timeout = timeout
        return self

    def feed(self):
        if self.fed == self.rounds:
            raise KeyboardInterrupt
        self.fed += 1

    def poll(self):
        self.polled += 1

    def tick(self):
        self.ticked += 1
        if self.tight:
            raise MemoryError


def _kept_house(watched):
    real, sleep = tasks.machine, asyncio.sleep_ms

    async def at_once(ms):
        watched.slept.append(ms)

    tasks.machine, tasks.asyncio.sleep_ms = watched, at_once
    try:
        asyncio.run(tasks.Tasks(None).watch(watched.tick, watched.poll))
    except KeyboardInterrupt:
        pass
    finally:
        tasks.machine, tasks.asyncio.sleep_ms = real, sleep
    return watched


def test_each_round_ticks_once_and_polls_fifty_times_and_feeds_the_watchdog_before_each():
    house = _kept_house(_Watched(3 * 51 + 1))
    assert house.timeout == 8000
    assert (house.fed, house.ticked, house.polled) == (3 * 51 + 1, 4, 150), "and a fourth round has begun"
    assert house.slept == [10] * 150


def test_the_watchdog_is_fed_without_memory_too():
    house = _Watched(4)
    house.tight = True
    assert _kept_house(house).fed == 4 and house.polled == 0
    assert house.slept == [10] * 4, "others have their turn"


def test_a_task_that_goes_on_is_held_and_one_that_ends_is_not():
    async def act():
        one = tasks.Tasks(Board().safe)
        one.start("for ever", asyncio.Event().wait())
        one.start("soon over", _ends(), True)
        return len(one.tasks)

    assert asyncio.run(act()) == 1
