# SPDX-License-Identifier: Apache-2.0
"""What the agent does when it is ended from outside, and when a part of it dies."""

import asyncio

from latchkey import agent, prompt
from latchkey.clock import Clock
from latchkey.store.formats import StoreError


class _Pins:
    safed = 0

    def safe(self):
        self.safed += 1


class _Agent:
    vin = boot = None

    def __init__(self, board):
        self.pins = board

    def run(self):
        pass


class _Asyncio:
    def run(self, task):
        raise KeyboardInterrupt


class _Machine:
    def __init__(self):
        self.timeouts = []

    def WDT(self, timeout):
        self.timeouts.append(timeout)


def _main(with_prompt):
    """What Ctrl-C leaves behind; None for the interrupt when it goes no further."""
    real = agent.Agent, agent.asyncio, prompt.machine
    pins, machine = _Pins(), _Machine()
    agent.Agent, agent.asyncio, prompt.machine = _Agent, _Asyncio(), machine
    interrupt = None
    try:
        agent.main(pins, with_prompt)
    except KeyboardInterrupt as caught:
        interrupt = caught
    finally:
        agent.Agent, agent.asyncio, prompt.machine = real
    return pins.safed, machine.timeouts, interrupt


def test_ctrl_c_makes_the_outputs_safe_and_gives_the_prompt_a_watchdog_that_lets_it_live():
    safed, timeouts, interrupt = _main(prompt)
    assert safed == 1 and timeouts == [604_800_000]
    assert interrupt is not None, "the REPL did not get it back"


def test_without_a_prompt_an_interrupt_goes_no_further():
    assert _main(None) == (1, [], None)


class _Bare(agent.Agent):
    """An agent whose parts a test gives it."""

    def __init__(self, pins):
        self.pins = pins
        self.clock = Clock()
        self._tasks = []


class _Board:
    """Outputs and a reset that only take note, in the order in which they were asked for."""

    def __init__(self):
        self.done = []

    def safe(self):
        self.done.append("safe")

    def reset(self):
        self.done.append("reset")


def _guarded(task, ends=False, tell=None):
    """What an agent did by the time that one of its tasks was over."""
    board = _Board()
    guard = _Bare(board)
    real = agent.machine, agent.time, agent.tell
    agent.machine, agent.time, agent.tell = board, _Time(board), tell or (lambda error: board.done.append(str(error)))

    async def act():
        guard.start("part", task, ends)
        for _ in range(3):
            await asyncio.sleep_ms(0)

    try:
        asyncio.run(act())
    except MemoryError:
        pass  # of a task, to which nobody listens
    finally:
        agent.machine, agent.time, agent.tell = real
    return board.done


class _Time:
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
    """What housekeeping touches: it counts, and ends the test after some rounds."""

    def __init__(self, rounds):
        self.rounds = rounds
        self.fed = self.polled = self.ticked = 0
        self.looked = 0
        self.timeout = None
        self.tight = False
        self.slept = []

    def now(self):
        self.looked += 1

    def WDT(self, timeout):
        self.timeout = timeout
        return self

    def feed(self):
        if self.fed == self.rounds:
            raise KeyboardInterrupt
        self.fed += 1

    def read_inputs(self):
        self.polled += 1

    def tick(self):
        self.ticked += 1
        if self.tight:
            raise MemoryError


def _kept_house(watched, with_car=True):
    keeper = _Bare(watched)
    keeper.clock = watched
    keeper.links, keeper.car = [watched], watched if with_car else None
    real, sleep = agent.machine, asyncio.sleep_ms

    async def at_once(ms):
        watched.slept.append(ms)

    agent.machine, agent.asyncio.sleep_ms = watched, at_once
    try:
        asyncio.run(keeper._housekeeping())
    except KeyboardInterrupt:
        pass
    finally:
        agent.machine, agent.asyncio.sleep_ms = real, sleep
    return watched


def test_each_round_feeds_the_watchdog_ticks_car_and_port_and_polls_the_contacts():
    house = _kept_house(_Watched(3))
    assert house.timeout == 8000
    assert (house.fed, house.looked, house.ticked, house.polled) == (3, 3, 6, 150), "of the clock too: ticks come round"
    assert house.slept == [10] * 150
    house = _kept_house(_Watched(3), with_car=False)
    assert (house.fed, house.ticked, house.polled) == (3, 3, 150)


def test_housekeeping_goes_on_without_memory():
    house = _Watched(4)
    house.tight = True
    assert _kept_house(house).fed == 4 and house.polled == 0
    assert house.slept == [10] * 4, "others have their turn"


def _failed(error):
    """What became of a board whose agent raised this: what it did, and what was told."""
    board = _Board()
    told = []
    real = agent.Agent, agent.asyncio, agent.machine, agent.time, agent.tell

    class Asyncio:
        def run(self, task):
            raise error

    agent.Agent, agent.asyncio, agent.machine, agent.time = _Agent, Asyncio(), board, _Time(board)
    agent.tell = told.append
    try:
        agent.main(board, prompt)
    finally:
        agent.Agent, agent.asyncio, agent.machine, agent.time, agent.tell = real
    return board.done, told


def test_an_agent_that_raises_is_told_made_safe_and_begins_anew():
    error = ValueError("gone")
    assert _failed(error) == (["safe", 1000, "reset", "safe"], [error])


def test_what_no_restart_mends_is_said_in_one_line_and_the_board_stays_safe():
    assert _failed(StoreError("settings.json: wrong")) == (["safe"], [])


def test_a_board_whose_agent_cannot_even_be_made_is_told_of_and_begins_anew():
    class Broken:
        def __init__(self, board):
            raise ValueError

    board = _Board()
    told = []
    real = agent.Agent, agent.machine, agent.time, agent.tell
    agent.Agent, agent.machine, agent.time, agent.tell = Broken, board, _Time(board), told.append
    try:
        agent.main(board, prompt)
    finally:
        agent.Agent, agent.machine, agent.time, agent.tell = real
    assert board.done == [1000, "reset"] and len(told) == 1, "no output was ever driven"


def test_a_task_that_goes_on_is_held_and_one_that_ends_is_not():
    async def act():
        one = _Bare(_Board())
        one.start("for ever", asyncio.Event().wait())
        one.start("soon over", _ends(), True)
        return len(one._tasks)

    assert asyncio.run(act()) == 1


def test_it_is_put_together_then_what_did_that_is_dropped_and_then_it_keeps_house():
    from latchkey import start

    done = []

    class One(_Bare):
        def forget(self, *names):
            done.extend(names)

        async def _housekeeping(self):
            done.append("housekeeping")

    async def assemble(made):
        done.append("assembled")

    real, start.assemble = start.assemble, assemble
    try:
        asyncio.run(One(None).run())
    finally:
        start.assemble = real
    assert done[0] == "assembled" and done[-1] == "housekeeping"
    gone = set(done[1:-1])
    assert {"latchkey.start", "latchkey.config", "latchkey.keys.changes", "latchkey.store.files"} <= gone
    assert all(name.startswith("latchkey.") for name in gone)


class _Link:
    def __init__(self):
        self.events = []

    def event(self, event):
        self.events.append(event)


def test_events_go_to_the_bench_where_there_is_one():
    for links, bench, told in (([_Link()], object(), 1), ([_Link()], None, 0), ([], object(), 0)):
        one = _Bare(None)
        one.links, one.bench = links, bench
        one.emit({"event": "x"})
        assert [len(link.events) for link in links] == [told] * len(links)


def test_what_is_done_with_is_dropped_and_loaded_again_by_whoever_needs_it():
    import sys

    import latchkey.prompt

    one = _Bare(None)
    one.forget("latchkey.prompt", "latchkey.not_there")
    try:
        assert "latchkey.prompt" not in sys.modules and not hasattr(sys.modules["latchkey"], "prompt")
    finally:
        sys.modules["latchkey.prompt"] = sys.modules["latchkey"].prompt = prompt
    assert latchkey.prompt is prompt


def test_a_lost_identity_is_in_what_a_board_says_of_itself():
    class Board:
        NAME = "board"

    for lost in (False, True):
        one = _Bare(None)
        one.board, one.vin, one.boot, one.lost = Board, None, "abcd", lost
        hello = one.hello()
        assert hello.get("identity_lost", False) is lost and hello["board"] == "board" and hello["boot"] == "abcd"
