# SPDX-License-Identifier: Apache-2.0
"""link/radio: whatever the radio does, the agent lives, it is told once, and tried again with growing pauses."""

import asyncio
import sys

import latchkey.link
from latchkey.link import radio


class Clock:
    def __init__(self):
        self.at = 0

    def now(self):
        return self.at


class Agent:
    vin = "5YJS0000000000000"

    def __init__(self):
        self.clock = Clock()
        self.events = []

    def emit(self, event):
        self.events.append(event)


class End(BaseException):
    """The test has seen enough."""


class Time:
    """asyncio, whose sleep only counts."""

    CancelledError = asyncio.CancelledError

    def __init__(self, agent, enough):
        self.agent = agent
        self.enough = enough
        self.pauses = []

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.agent.clock.at += seconds
        if len(self.pauses) == self.enough:
            raise End


class Link:
    """A BleLink that does what `script` says: raise when it is made, or serve for a while and die."""

    script = []
    made = closed = 0

    def __init__(self, handle, vin):
        Link.made += 1
        self.phones = 0
        if Link.script[0][0] == "load":
            raise Link.script.pop(0)[1]

    def open(self):
        self.phones = 2
        self.after, self.error = Link.script.pop(0)
        if self.after is None:
            raise self.error

    def end(self):
        self.ended.set()

    async def run(self):
        Link.served.append((Link.radio.phones, len(Link.radio.everybody())))
        if self.after == "end":
            self.ended = asyncio.Event()
            await self.ended.wait()
            raise self.error
        Link.agent.clock.at += self.after
        raise self.error

    def everybody(self):
        return range(self.phones)

    def close(self):
        self.phones = 0
        Link.closed += 1


def run(script, bench=True):
    """What the agent was told, and the pauses."""
    agent = Link.agent = Agent()
    Link.script, Link.made, Link.closed, Link.served = list(script), 0, 0, []
    time = Time(agent, len(script))
    real = radio.asyncio, radio._ble
    radio.asyncio, radio._ble = time, lambda: Link
    Link.radio = link = radio.Radio(None, agent.vin, agent.clock, agent.emit if bench else None)
    try:
        asyncio.run(link.run())
    except End:
        pass
    finally:
        radio.asyncio, radio._ble = real
    assert link.phones == 0
    assert not list(link.everybody())
    return agent.events, time.pauses


ETIMEDOUT = OSError(116)


def test_every_way_to_fail_is_tried_again_with_growing_pauses_and_told_once():
    cancelled = asyncio.CancelledError()
    for error in (ETIMEDOUT, OSError(19), MemoryError(), ImportError("no aioble"), cancelled, KeyError(1)):
        events, pauses = run([(None, error)] * 9)
        assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300], error
        assert [event["on"] for event in events] == [False]
        assert type(error).__name__ in events[0]["why"]


def test_one_that_dies_is_closed_and_told_and_its_return_too():
    events, pauses = run([(1000, OSError(19)), (None, ETIMEDOUT), (2, OSError(19)), (1000, OSError(19))])
    assert [event["on"] for event in events] == [False, False, True, False, True, False]
    assert pauses == [5, 10, 20, 5]  # whoever has served for long begins anew
    assert Link.closed == 4 and Link.made == 1  # nothing is registered twice
    assert Link.served == [(2, 2)] * 3, "its phones are the radio's while it serves"


def test_without_a_bench_it_is_tried_again_all_the_same():
    assert run([(None, ETIMEDOUT), (1000, ETIMEDOUT)], bench=False) == ([], [5, 5])


class Pausing(Time):
    """Time that passes quickly."""

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        await asyncio.sleep_ms(10)

    async def sleep_ms(self, ms):
        await asyncio.sleep_ms(0)


def paused(script, while_paused):
    """A poll pauses it, and resumes it after `while_paused`: the agent's events, and what it was like meanwhile."""
    agent = Link.agent = Agent()
    Link.script, Link.made, Link.closed, Link.served = list(script), 0, 0, []
    time = Pausing(agent, 2)
    real = radio.asyncio, radio._ble
    radio.asyncio, radio._ble = time, lambda: Link
    Link.radio = link = radio.Radio(None, agent.vin, agent.clock, agent.emit)

    async def act():
        running = asyncio.create_task(link.run())
        await asyncio.sleep_ms(5)
        await link.pause()
        found = link.trouble, link.phones, Link.closed
        await while_paused(link)
        link.resume()
        await asyncio.sleep_ms(20)
        running.cancel()
        return found

    try:
        return agent.events, asyncio.run(act()), link, time.pauses
    finally:
        radio.asyncio, radio._ble = real
        asyncio.new_event_loop()


async def a_while(link):
    await asyncio.sleep_ms(20)


def test_a_pause_closes_it_until_it_is_over_and_then_it_comes_on_at_once():
    events, found, link, waits = paused([("end", OSError(19)), ("end", OSError(19))], a_while)
    assert found == ("paused", 0, 1)
    assert [(event["on"], event["why"]) for event in events] == [(False, "paused"), (True, "")]
    assert len(Link.served) == 2 and Link.made == 1 and link.phones == 2 and not waits


def test_a_pause_of_a_radio_that_is_off_leaves_it_off():
    async def look(link):
        await asyncio.sleep_ms(20)
        assert Link.script, "it was tried while another radio has the memory"

    _, found, _, _ = paused([(None, ETIMEDOUT), ("end", OSError(19))], look)
    assert found == ("OSError(116,)", 0, 1)
    assert not Link.script


def test_a_radio_that_is_paused_before_it_was_ever_on_waits_for_the_end_of_the_pause():
    link = radio.Radio(None, Agent.vin, Clock(), None)
    asyncio.run(link.pause())
    assert not link.phones and not link.trouble


def test_one_that_cannot_come_on_again_is_tried_again():
    events, _, _, _ = paused([("end", OSError(19)), (None, ETIMEDOUT), ("end", OSError(19))], a_while)
    assert [event["why"] for event in events] == ["paused", "OSError(116,)", ""]


def test_the_modules_of_a_radio_that_may_come_back_stay():
    before = sys.modules.get("aioble")
    sys.modules["aioble"] = Link
    try:
        run([(None, ETIMEDOUT)] * 2)
        assert sys.modules["aioble"] is Link
    finally:
        if before:
            sys.modules["aioble"] = before
        else:
            del sys.modules["aioble"]


def test_no_memory_to_tidy_up_with_is_no_reason_to_end():
    def no_memory():
        raise MemoryError

    real = radio._forget
    radio._forget = no_memory
    try:
        _, pauses = run([("load", MemoryError())] * 3 + [(None, ETIMEDOUT)])
    finally:
        radio._forget = real
    assert pauses == [5, 10, 20, 40]


def test_where_it_cannot_be_loaded_no_module_stays_half_loaded():
    names = ("aioble", "aioble.core", "aioble.server", "latchkey.link.ble", "latchkey.link.blephone")
    before = {name: sys.modules.get(name) for name in names}
    # aioble keeps to itself that a part of it did not fit into the heap: it is missing later
    for script in ([("load", MemoryError())], [("load", ImportError("aioble"))], [(None, AttributeError("advertise"))]):
        for name in names:
            sys.modules[name] = Link
        latchkey.link.ble = latchkey.link.blephone = Link
        try:
            run(script + [(None, ETIMEDOUT), (None, ETIMEDOUT)])
            assert not [name for name in names if name in sys.modules]
            assert not hasattr(latchkey.link, "ble") and not hasattr(latchkey.link, "blephone")
            assert hasattr(latchkey.link, "radio")
        finally:
            for name in names:
                if before[name]:
                    sys.modules[name] = before[name]
        assert Link.made == 2
