# SPDX-License-Identifier: Apache-2.0
"""Who holds the loop longest is told, and for how long."""

import asyncio

from latchkey.bench import stretches
from latchkey.tasks import Tasks


class Clock:
    """Microseconds that pass when somebody works."""

    def __init__(self):
        self.now = 1000

    def __call__(self):
        return self.now


def watched(act):
    """What was found while act(clock, tasks, stretches) ran. The loop is a new one before and after."""
    clock = Clock()
    real, stretches.ticks_us = stretches.ticks_us, clock
    asyncio.new_event_loop()
    try:
        tasks = Tasks(None)
        found = stretches.Stretches(tasks)
        asyncio.run(act(clock, tasks, found))
        return found
    finally:
        stretches.ticks_us = real
        asyncio.new_event_loop()


async def works(clock, *spells):
    for us in spells:
        clock.now += us
        await asyncio.sleep_ms(0)


def test_the_longest_stretch_counts_and_not_all_of_a_tasks_work():
    async def act(clock, tasks, found):
        await works(clock, 5, 300, 20, 300, 7)

    found = watched(act)
    assert (found.us, found.who) == (300, "act")


def test_who_held_it_is_the_task_by_its_name_or_the_function():
    async def act(clock, tasks, found):
        tasks.start("keys", works(clock, 40, 40), True)
        await works(clock, 1, 1, 1)
        assert (found.us, found.who) == (40, "keys")
        asyncio.create_task(works(clock, 41))
        await works(clock, 1, 1)
        assert (found.us, found.who) == (41, "works")

    watched(act)


def test_it_begins_anew_when_it_is_set_to_nothing():
    async def act(clock, tasks, found):
        await works(clock, 500, 1)
        found.us = 0
        await works(clock, 1, 30, 1)

    assert watched(act).us == 30


def test_what_comes_before_the_first_wait_is_a_start():
    async def act(clock, tasks, found):
        clock.now += 100_000
        found = stretches.Stretches(tasks)
        clock.now += 100_000
        await works(clock, 3, 4)
        assert found.us == 4

    watched(act)


def test_a_name_that_finds_no_memory_ends_nobody():
    async def act(clock, tasks, found):
        found._running = NoMemory()
        await works(clock, 1, 50, 1)
        assert (found.us, found.who) == (50, "?")

    watched(act)


class NoMemory:
    """Tasks by name, when nobody can look at them."""

    def items(self):
        raise MemoryError
