# SPDX-License-Identifier: Apache-2.0
"""First contacts: one at a time, with a pause, in the order in which they came, and no place for who has left."""

import asyncio
import sys

from latchkey import forget
from latchkey.clock import Clock
from latchkey.faults import Fault
from support import Conn, other_key

MODULE = "latchkey.roster.turns"
CONTACT = "latchkey.roster.contact"
PAUSE = 5


class Reply:
    def __init__(self, car, name):
        self.conn = Conn()
        self.name = name
        self.hello = lambda public, reply: car.said.append((reply.name, public))
        car.here.append(self.conn)


class Car:
    """Parts, desk and sessions in one: who may be enrolled is in `few`, and who is, in `known`."""

    def __init__(self):
        forget(MODULE)
        self.clock = Clock()
        self.car = self.desk = self.sessions = self
        self.links = (self,)
        self.here = []
        self.known = []
        self.barred = []
        self.asked = []
        self.said = []
        self.told = []
        self.error = None

    def everybody(self):
        return self.here

    def find(self, public):
        return public in self.known or None

    def listed(self, public):
        return public not in self.barred

    def ask(self, public, reply, actor, kind):
        assert actor is None and kind == CONTACT
        self.asked.append((reply.name, public))
        if self.error:
            raise self.error

    def failed(self, conn, reply, error):
        self.told.append((reply.name, error))

    def comes(self, reply, number):
        from latchkey.roster import turns

        turns.ask(self, memoryview(other_key(number)), reply)

    def names(self):
        return [name for name, _ in self.asked]

    async def passes(self, seconds=PAUSE):
        self.clock.advance(seconds)
        await asyncio.sleep_ms(500)


async def test_the_first_has_its_turn_at_once_and_each_after_it_five_seconds_later():
    car = Car()
    for number, name in enumerate("abc"):
        car.comes(Reply(car, name), number)
    await asyncio.sleep_ms(500)
    assert car.asked == [("a", other_key(0))]
    await car.passes(PAUSE - 2)
    assert car.names() == ["a"]
    await car.passes(2)
    assert car.names() == ["a", "b"]
    await car.passes()
    assert car.names() == ["a", "b", "c"]


async def test_a_connection_has_one_place_with_what_it_said_last():
    car = Car()
    first, busy, guest = (Reply(car, name) for name in ("first", "busy", "guest"))
    car.comes(first, 0)
    await asyncio.sleep_ms(0)
    for number in range(1, 9):
        car.comes(busy, number)
        if number == 2:
            car.comes(guest, 20)
    await car.passes()
    car.comes(busy, 9)
    await car.passes()
    assert car.asked == [("first", other_key(0)), ("busy", other_key(8)), ("guest", other_key(20))]


async def test_who_has_left_has_given_up_its_turn():
    car = Car()
    replies = [Reply(car, name) for name in "abcd"]
    car.comes(replies[0], 0)
    await asyncio.sleep_ms(0)
    car.comes(replies[1], 1)
    car.comes(replies[2], 2)
    car.here.remove(replies[1].conn)
    await car.passes()
    car.here.remove(replies[0].conn)
    car.comes(replies[3], 3)
    await car.passes()
    assert car.names() == ["a", "c", "d"]


async def test_the_line_is_no_longer_than_there_are_connections():
    car = Car()
    car.comes(Reply(car, "a"), 0)
    await asyncio.sleep_ms(0)
    for number in range(1, 50):
        visitor = Reply(car, "visitor")
        car.comes(visitor, number)
        car.here.remove(visitor.conn)
    car.comes(Reply(car, "b"), 50)
    assert len(sys.modules[MODULE]._line) == 1


async def test_others_have_their_turn_between_two_answers():
    car = Car()
    for number, name in enumerate("abc"):
        car.known.append(other_key(number))
        car.comes(Reply(car, name), number)
    for answers in range(1, 4):
        while len(car.said) < answers:
            await asyncio.sleep_ms(0)
        assert len(car.said) == answers


async def test_who_is_enrolled_by_now_or_not_listed_any_more_is_answered_and_costs_nobody_a_pause():
    car = Car()
    replies = [Reply(car, name) for name in "abcd"]
    for number, reply in enumerate(replies):
        car.comes(reply, number)
    await asyncio.sleep_ms(0)
    car.known.append(other_key(1))
    car.barred.append(other_key(2))
    await car.passes()
    assert car.said == [("b", other_key(1)), ("c", other_key(2))]
    assert car.names() == ["a", "d"]


async def test_what_goes_wrong_is_told_and_the_next_one_has_its_turn():
    car = Car()
    for number, name in enumerate("abc"):
        car.comes(Reply(car, name), number)
    for error in (MemoryError(), Fault(1, "busy")):
        car.error = error
        await car.passes()
    car.error = None
    await car.passes()
    assert car.names() == ["a", "b", "c"]
    assert [name for name, _ in car.told] == ["a", "b"] and type(car.told[0][1]) is MemoryError


async def test_it_stays_for_the_pause_and_no_longer():
    car = Car()
    car.comes(Reply(car, "a"), 0)
    await asyncio.sleep_ms(500)
    car.comes(Reply(car, "b"), 1)
    await asyncio.sleep_ms(500)
    assert car.names() == ["a"]
    await car.passes()
    assert MODULE in sys.modules
    await car.passes()
    assert MODULE not in sys.modules
    car.comes(Reply(car, "c"), 2)
    await asyncio.sleep_ms(0)
    assert car.names() == ["a", "b", "c"]
