# SPDX-License-Identifier: Apache-2.0
"""sync/task: whatever becomes of a poll, the task ends quietly and nothing of it stays loaded."""

import asyncio
import sys

import latchkey.sync
from latchkey.sync import task

NOW, USUAL = 1_000_000, 6 * 3600


class Poll:
    """Stands for latchkey.sync.poll."""

    error = None

    @staticmethod
    async def poll(sync, number):
        Poll.asked = sync, number
        if Poll.error:
            raise Poll.error


def run(error=None):
    Poll.error, Poll.asked = error, None
    for name in ("poll", "polling", "http"):
        sys.modules["latchkey.sync." + name] = Poll
        setattr(latchkey.sync, name, Poll)
    asyncio.run(task.run("the sync", False))
    assert not [name for name in sys.modules if name.startswith("latchkey.sync.")]
    assert not hasattr(latchkey.sync, "poll") and not hasattr(latchkey.sync, "http")
    assert hasattr(latchkey.sync, "Sync")
    return Poll.asked


class Car:
    """What a poll is planned by; it is the sync, too."""

    interval = at = 0

    def __init__(self):
        self.parts = self.clock = self.authority = self

    def now(self):
        return NOW


def planned(car):
    """How many seconds away; and that nothing but the plan was loaded for it."""
    names = []

    async def load(*asked):
        names.extend(asked)
        await real(*asked)

    real, task.load = task.load, load
    try:
        asyncio.run(task.run(car, True))
    finally:
        task.load = real
    assert names == ["latchkey.sync.polling"]
    assert not [name for name in sys.modules if name.startswith("latchkey.sync.")]
    return car.at - NOW


def test_the_first_is_only_planned_for_any_moment_of_the_interval():
    waits = [planned(Car()) for _ in range(50)]
    assert min(waits) > 0 and max(waits) <= USUAL
    assert max(waits) - min(waits) > USUAL // 2
    car = Car()
    car.interval = 3600
    assert planned(car) <= 3600


def test_a_poll_is_made_with_a_random_number_and_nothing_of_it_stays_loaded():
    made = [run() for _ in range(9)]
    assert {sync for sync, _ in made} == {"the sync"}
    numbers = {number for _, number in made}
    assert len(numbers) == 9 and min(numbers) >= 0 and 1 << 20 < max(numbers) < 1 << 30


def test_whatever_a_poll_raises_ends_there():
    for error in (MemoryError(), OSError(5), ImportError("no module"), KeyError(1)):
        assert run(error)[0] == "the sync"


def test_where_there_is_no_memory_to_tidy_up_with_it_is_tried_again():
    class Time:
        slept = []

        async def sleep_ms(ms):
            Time.slept.append(ms)

    real = task.forget, task.asyncio

    def forget(*names):
        if len(Time.slept) < 3:
            raise MemoryError
        real[0](*names)

    task.forget, task.asyncio = forget, Time
    try:
        run()
    finally:
        task.forget, task.asyncio = real
    assert Time.slept == [1000] * 3
