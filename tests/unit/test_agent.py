# SPDX-License-Identifier: Apache-2.0
"""What becomes of a board when its agent is ended from outside, or cannot live."""

import asyncio
import sys

import latchkey
from latchkey import agent, forget, prompt
from latchkey.config import Settings
from latchkey.store.formats import StoreError
from ramflash import ROOT, fresh, mount
from simulated import board, esp32
from test_tasks import Board, Time


class _Pins:
    def __init__(self, done):
        self.done = done

    def safe(self):
        self.done.append("safe")


class _Agent:
    def __init__(self, board):
        self.pins = board

    def run(self):
        pass


class _Asyncio:
    def run(self, task):
        raise KeyboardInterrupt


class _Machine:
    def __init__(self, done):
        self.done = done

    def WDT(self, timeout):
        self.done.append(timeout)


def _main(with_prompt):
    """What Ctrl-C brings about, in its order; None for the interrupt when it goes no further."""
    real = agent.Agent, agent.asyncio, prompt.machine
    done = []
    pins = _Pins(done)
    agent.Agent, agent.asyncio, prompt.machine = _Agent, _Asyncio(), _Machine(done)
    interrupt = None
    try:
        agent.main(pins, with_prompt)
    except KeyboardInterrupt as caught:
        interrupt = caught
    finally:
        agent.Agent, agent.asyncio, prompt.machine = real
    return done, interrupt


def test_ctrl_c_makes_the_outputs_safe_and_then_gives_the_prompt_a_watchdog_that_lets_it_live():
    done, interrupt = _main(prompt)
    assert done == ["safe", 604_800_000], "safe() leaves a watchdog of its own"
    assert interrupt is not None, "the REPL did not get it back"


def test_without_a_prompt_an_interrupt_goes_no_further():
    assert _main(None) == (["safe"], None)


def _failed(error):
    """What became of a board whose agent raised this: what it did, and what was told."""
    bare = Board()
    told = []
    real = agent.Agent, agent.asyncio, agent.machine, agent.time, agent.tell

    class Asyncio:
        def run(self, task):
            raise error

    agent.Agent, agent.asyncio, agent.machine, agent.time = _Agent, Asyncio(), bare, Time(bare)
    agent.tell = told.append
    try:
        agent.main(bare, prompt)
    finally:
        agent.Agent, agent.asyncio, agent.machine, agent.time, agent.tell = real
    return bare.done, told


def test_an_agent_that_raises_is_told_made_safe_and_begins_anew():
    error = ValueError("gone")
    assert _failed(error) == (["safe", 1000, "reset"], [error])


def test_what_no_restart_mends_is_said_in_one_line_and_the_board_stays_safe():
    assert _failed(StoreError("settings.json: wrong")) == (["safe"], [])


def test_a_board_whose_agent_cannot_even_be_made_is_told_of_and_begins_anew():
    class Broken:
        def __init__(self, board):
            raise ValueError

    bare = Board()
    told = []
    real = agent.Agent, agent.machine, agent.time, agent.tell
    agent.Agent, agent.machine, agent.time, agent.tell = Broken, bare, Time(bare), told.append
    try:
        agent.main(bare, prompt)
    finally:
        agent.Agent, agent.machine, agent.time, agent.tell = real
    assert bare.done == [1000, "reset"] and len(told) == 1, "no output was ever driven"


def test_it_is_put_together_then_what_did_that_is_dropped_and_then_it_is_kept_alive():
    from latchkey import assemble

    done = []
    esp32.ram.clear()
    mount(fresh())
    one = agent.Agent(board, ROOT)
    assert one.pins.levels()["start"] == 0 and one.pins.levels()["lock"] == 1, "safe before anything else"

    class Parts:
        def tick(self):
            pass

    async def assembled(start, pins, tasks):
        assert start.board is board and pins is one.pins and tasks is one.tasks
        done.append("assembled")
        return Parts()

    async def watch(tick, poll):
        done.append("alive")

    real = assemble.assemble, agent.forget
    assemble.assemble, agent.forget, one.tasks.watch = assembled, lambda *names: done.append(names), watch
    try:
        asyncio.run(one.run())
    finally:
        assemble.assemble, agent.forget = real
    assert done[0] == "assembled" and done[2] == "alive"
    assert {"latchkey.start", "latchkey.config", "latchkey.keys.changes", "latchkey.store.files"} <= set(done[1])
    assert all(name.startswith("latchkey.") for name in done[1])


def test_the_radio_has_its_memory_before_anything_is_read_and_gives_it_back_where_it_stays_off():
    from latchkey import start

    for radio, told, fails in (
        (True, ["on", "read"], None),
        (False, ["on", "read", "off"], None),
        (None, ["read"], OSError(116)),
        (None, ["read"], MemoryError()),
    ):
        done = []

        class Ble:
            def active(self, on, done=done, fails=fails):
                if fails:
                    raise fails
                done.append("on" if on else "off")

        class Read:
            def __init__(self, board, root, done=done, radio=radio):
                done.append("read")
                self.settings = Settings("VIN", bool(radio), False, {}, None, None)

        class Bluetooth:
            BLE = Ble

        real, start.Start = start.Start, Read
        sys.modules["bluetooth"] = Bluetooth
        try:
            agent.Agent(board, ROOT)
        finally:
            start.Start = real
            del sys.modules["bluetooth"]
        assert done == told


def test_a_radio_that_does_not_go_off_is_no_reason_to_start_anew():
    esp32.ram.clear()
    mount(fresh())

    class Stuck:
        def active(self, on):
            if not on:
                raise OSError(116)

    class Bluetooth:
        BLE = Stuck

    sys.modules["bluetooth"] = Bluetooth
    try:
        assert agent.Agent(board, ROOT).pins.levels()["start"] == 0, "a board that is no car has its radio off"
    finally:
        del sys.modules["bluetooth"]


def test_what_is_done_with_is_dropped_and_loaded_again_by_whoever_needs_it():
    forget("latchkey.prompt", "latchkey.not_there")
    try:
        assert "latchkey.prompt" not in sys.modules and not hasattr(latchkey, "prompt")
    finally:
        sys.modules["latchkey.prompt"] = latchkey.prompt = prompt
