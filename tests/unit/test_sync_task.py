# SPDX-License-Identifier: Apache-2.0
"""sync/task: whatever becomes of a poll, the task ends quietly and nothing of it stays loaded."""

import asyncio
import sys

import latchkey.sync
from latchkey.sync import task


class Poll:
    """Stands for latchkey.sync.poll."""

    error = None

    @staticmethod
    async def poll(sync, first):
        Poll.asked = sync, first
        if Poll.error:
            raise Poll.error


def run(first=False, error=None):
    Poll.error, Poll.asked = error, None
    for name in ("poll", "polling", "http"):
        sys.modules["latchkey.sync." + name] = Poll
        setattr(latchkey.sync, name, Poll)
    asyncio.run(task.run("the sync", first))
    assert not [name for name in sys.modules if name.startswith("latchkey.sync.")]
    assert not hasattr(latchkey.sync, "poll") and not hasattr(latchkey.sync, "http")
    assert hasattr(latchkey.sync, "Sync")
    return Poll.asked


def test_a_poll_is_made_or_planned_and_nothing_of_it_stays_loaded():
    assert run() == ("the sync", False)
    assert run(first=True) == ("the sync", True)


def test_whatever_a_poll_raises_ends_there():
    for error in (MemoryError(), OSError(5), ImportError("no module"), KeyError(1)):
        assert run(error=error) == ("the sync", False)


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
