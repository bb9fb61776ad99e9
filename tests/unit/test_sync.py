# SPDX-License-Identifier: Apache-2.0
"""sync: when a poll is due, and that it is one at a time."""

import asyncio
import sys

import latchkey
from latchkey.sync import Sync


class Clock:
    at = 5000

    def now(self):
        return self.at


class Link:
    phones = 0


class Task:
    """Stands for latchkey.sync.task."""

    calls = []

    @staticmethod
    async def run(sync, first):
        Task.calls.append(first)


class Car:
    url = b"http://roster.example"

    def __init__(self):
        self.clock = Clock()
        self.links = [Link(), Link()]
        self.tasks = self
        self.sync = Sync(self, self, None)

    def start(self, name, task, ends):
        assert (name, ends) == ("sync", True)
        asyncio.run(task)

    def tick(self, task=Task):
        """What it had the task do."""
        Task.calls = []
        sys.modules["latchkey.sync.task"] = latchkey.sync.task = task
        try:
            self.sync.tick()
            return Task.calls
        finally:
            latchkey.forget("latchkey.sync.task")


def test_it_is_planned_first_and_then_made_when_it_is_due_and_once():
    car = Car()
    assert car.tick() == [True]
    car.sync.at = 6000
    assert car.tick() == []
    car.clock.at = 5999
    assert car.tick() == []
    car.clock.at = 6000
    assert car.tick() == [False]
    assert car.tick() == []


def test_without_an_address_nothing_is_fetched():
    car = Car()
    car.url = b""
    assert car.tick() == []
    car.url = Car.url
    assert car.tick() == [True]


def test_when_a_phone_was_last_here_is_noted():
    car = Car()
    car.tick()
    assert car.clock.at - car.sync.seen > 3600
    car.links[1].phones = 1
    car.tick()
    assert car.sync.seen == car.clock.at


def test_one_that_cannot_begin_costs_that_poll():
    for error in (MemoryError(), OSError(5), ImportError("no module")):

        class Broken:
            def run(sync, first, error=error):
                raise error

        car = Car()
        assert car.tick(Broken) == []
        assert car.tick() == []
        car.clock.at += 86_400
        assert car.tick() == [False]
