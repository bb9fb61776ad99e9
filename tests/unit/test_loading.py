# SPDX-License-Identifier: Apache-2.0
"""A stranger can bring about that enrolment is loaded: it costs the loop little at a time, and at worst his request."""

import asyncio
import builtins
import gc
import sys

import codes as faults
from latchkey import forget, load
from latchkey.clock import Clock
from latchkey.faults import Fault, KeyRefused
from latchkey.keys import loading
from latchkey.keys.desk import Desk
from latchkey.session.sessions import Sessions
from ramflash import ROOT, fresh
from runner import skip_on_board
from support import CLIENT_PUBLIC, VEHICLE_PRIVATE, VEHICLE_PUBLIC, Conn, Keys, Log, owner
from test_whitelist import ADD, operation, removal

WHITELIST = "latchkey.keys.whitelist"
_import = builtins.__import__
MODULES = loading._MODULES + loading._OPERATIONS + ("latchkey.crypto.p256",)  # which stands on native code, or not


class Reply:
    def __init__(self):
        self.conn = Conn()
        self.waited = 0
        self.told = []

    def waiting(self):
        self.waited += 1

    def payload(self, payload, fault=0):
        self.told.append(payload)


class Counter(Desk):
    """A desk where somebody asks: cold, with none of enrolment's modules there."""

    def __init__(self):
        forget(*MODULES, *loading._ARITHMETIC)
        keys, clock = Keys(), Clock()
        super().__init__(clock, keys, Sessions(keys, VEHICLE_PUBLIC), VEHICLE_PRIVATE, Log(), None, None)
        self.told = []
        self.failed = lambda conn, reply, error: self.told.append(error)
        self.enrolment = loading.Loading(self)

    async def settle(self):
        for _ in range(50):
            await asyncio.sleep_ms(0)


class Importing:
    """Stands in for the interpreter's own import: counts, and fails where it is told to."""

    def __init__(self, error=None, fails_at=-1, all_of_them=False):
        self.all_of_them = all_of_them
        self.names = []
        self.error = error
        self.fails_at = fails_at

    def __call__(self, name, *rest):
        if (self.all_of_them or name in MODULES) and name not in sys.modules:
            self.names.append(name)
            if len(self.names) - 1 == self.fails_at:
                raise self.error
        return _import(name, *rest)

    def __enter__(self):
        builtins.__import__ = self
        return self

    def __exit__(self, *error):
        builtins.__import__ = _import


def loaded():
    return [name for name in MODULES if name in sys.modules]


async def test_the_first_request_waits_for_the_modules_and_is_then_pending():
    desk, reply = Counter(), Reply()
    buffer = bytearray(operation(ADD))
    desk.enrolment.ask(memoryview(buffer), reply, None, WHITELIST)
    buffer[:] = bytes(len(buffer))  # the next message comes into the same one
    assert not loaded() and desk.enrolment.pending is None and desk.enrolment.tap() is None
    await desk.settle()
    assert reply.waited == 1 and not desk.told
    assert desk.enrolment.pending.change.record.public == CLIENT_PUBLIC


async def test_each_module_is_loaded_by_itself_and_others_have_their_turn_between_them():
    """On a board each takes longer than a stretch; a module that needed another would take two at once."""
    desk = Counter()
    turns = []
    with Importing(all_of_them=True) as importing:
        desk.enrolment.ask(operation(ADD), Reply(), None, WHITELIST)
        while len(turns) < 50:
            before = len(importing.names)
            await asyncio.sleep_ms(0)
            turns.append([name for name in importing.names[before:] if name.startswith("latchkey")])
    assert [len(names) for names in turns if len(names) > 1] == [], turns
    assert [name for name in importing.names if name in MODULES] == list(MODULES), "each after what it needs"
    assert desk.enrolment.pending


async def test_what_is_no_whitelist_operation_has_nothing_loaded_of_those():
    """Each key that comes by a roster or a grant comes beside a radio, where there is memory for one of them."""
    desk, reply = Counter(), Reply()
    desk.enrolment.ask(CLIENT_PUBLIC, reply, None, "latchkey.roster.contact")
    await desk.settle()
    assert desk.told and isinstance(desk.told[0], KeyRefused), "it was asked"
    assert not [name for name in loading._OPERATIONS if name in sys.modules]
    assert "latchkey.keys.enrolment" in sys.modules
    desk.ask(operation(ADD), reply, None)
    assert type(desk.enrolment).__name__ == "Loading", "enrolment is loaded anew, with them"
    await desk.settle()
    assert reply.waited == 1 and set(loading._OPERATIONS) <= set(sys.modules)


def busy(desk, operation, reply, actor, kind=WHITELIST):
    try:
        desk.enrolment.ask(operation, reply, actor, kind)
    except Fault as fault:
        return fault.code == faults.BUSY
    return False


async def test_who_asks_while_it_loads_counts_as_a_second_who_asked():
    """Or a stranger who is a moment earlier would be the one that the other's tap means."""
    for signed_first in (False, True):
        desk, first, second = Counter(), Reply(), Reply()
        if signed_first:
            desk.enrolment.ask(removal(VEHICLE_PUBLIC), Reply(), owner(), WHITELIST)
        desk.enrolment.ask(operation(ADD), first, None, WHITELIST)
        assert busy(desk, operation(ADD), first, None), "the very same again is held once"
        assert not busy(desk, operation(ADD), second, None)
        assert busy(desk, operation(ADD), Reply(), None), "two are enough to turn all away"
        await desk.settle()
        assert first.told and not second.waited
        assert desk.enrolment.pending is None and desk.enrolment.collision and desk.enrolment.tap() is None
        assert [error.code for error in desk.told][signed_first:] == [faults.KEY_COULD_NOT_START_AUTH]


async def test_who_asks_for_something_else_while_it_loads_counts_as_two_who_asked():
    desk, reply = Counter(), Reply()
    desk.enrolment.ask(operation(ADD), reply, None, WHITELIST)
    assert not busy(desk, operation(ADD, VEHICLE_PUBLIC), reply, None)
    await desk.settle()
    assert desk.enrolment.pending is None and desk.enrolment.collision


async def test_what_loaded_it_goes_when_it_is_there():
    import latchkey.keys.loading  # noqa: F401 - as the desk does

    desk = Counter()
    desk.enrolment.ask(operation(ADD), Reply(), None, WHITELIST)
    await desk.settle()
    assert desk.enrolment.pending and "latchkey.keys.loading" not in sys.modules


async def test_who_signs_while_it_loads_is_told_busy():
    desk, first = Counter(), Reply()
    desk.enrolment.ask(operation(ADD), first, None, WHITELIST)
    assert busy(desk, removal(CLIENT_PUBLIC), Reply(), owner())
    await desk.settle()
    assert first.waited and desk.enrolment.pending


async def test_a_listed_key_that_says_hello_while_it_loads_is_told_busy_and_counts_as_nobody_who_asked():
    desk, first = Counter(), Reply()
    desk.enrolment.ask(operation(ADD), first, None, WHITELIST)
    assert busy(desk, VEHICLE_PUBLIC, Reply(), None, "latchkey.roster.contact")
    await desk.settle()
    assert first.waited and desk.enrolment.pending and not desk.enrolment.collision


async def test_a_request_that_waited_is_refused_as_it_would_have_been_at_once():
    desk = Counter()
    desk.enrolment.ask(removal(CLIENT_PUBLIC), Reply(), None, WHITELIST)
    await desk.settle()
    (error,) = desk.told
    assert isinstance(error, KeyRefused) and error.code == faults.KEY_NO_PERMISSION_TO_REMOVE
    assert desk.enrolment.pending is None
    desk.enrolment.ask(operation(ADD), Reply(), None, WHITELIST)
    assert desk.enrolment.pending, "and it is loaded for the next one"


async def test_no_memory_at_any_module_costs_the_request_that_waited_and_no_more():
    skip_on_board("it loads enrolment a hundred times, which takes a serial line ten minutes")
    for error in (MemoryError(), ImportError("no module"), OSError(5), ValueError("invalid .mpy file")):
        for at in range(len(MODULES)):
            desk, reply = Counter(), Reply()
            with Importing(error, at):
                desk.enrolment.ask(operation(ADD), reply, None, WHITELIST)
                await desk.settle()
            assert [told.code for told in desk.told] == [faults.BUSY]
            assert desk.enrolment is None and not reply.waited
            assert not loaded(), "the heap is as it was"
            desk.enrolment = loading.Loading(desk)
            desk.enrolment.ask(operation(ADD), reply, None, WHITELIST)
            await desk.settle()
            assert desk.enrolment.pending and reply.waited == 1


async def test_no_memory_to_forget_costs_the_request_that_waited_and_no_more():
    """It ended the task before whoever waited was told."""
    desk, reply = Counter(), Reply()

    def full(*names):
        raise MemoryError

    loading.forget = full
    try:
        for fails_at in (5, -1):  # at a module, and when all of them are there
            with Importing(MemoryError(), fails_at):
                desk.enrolment.ask(operation(ADD), reply, None, WHITELIST)
                await desk.settle()
            assert [type(error) for error in desk.told] == [MemoryError], "which the router answers with BUSY"
            assert desk.enrolment is None and not reply.waited
            desk.told.clear()
            desk.enrolment = loading.Loading(desk)
    finally:
        loading.forget = forget
    desk.enrolment.ask(operation(ADD), reply, None, WHITELIST)
    await desk.settle()
    assert desk.enrolment.pending and reply.waited == 1 and not desk.told


async def test_after_an_attempt_without_memory_the_next_one_waits_a_while():
    """Each attempt keeps the loop busy and fails: a stranger must not have them one after the other."""
    desk, reply = Counter(), Reply()
    desk.enrolment = None
    with Importing(MemoryError(), 5) as importing:
        desk.ask(operation(ADD), reply, None, WHITELIST)
        await desk.settle()
        tried = len(importing.names)
        for _ in range(5):
            assert asked_in_vain(desk, reply), "at once"
            desk.clock.advance(1)
        await desk.settle()
        assert len(importing.names) == tried, "and nothing was loaded for it"
    desk.ask(operation(ADD), reply, None, WHITELIST)
    await desk.settle()
    assert desk.enrolment.pending and reply.waited == 1


def asked_in_vain(desk, reply):
    try:
        desk.ask(operation(ADD), reply, None, WHITELIST)
    except Fault as fault:
        return fault.code == faults.BUSY
    return False


async def test_what_was_loaded_is_dropped_when_it_is_over_and_loaded_again_for_the_next():
    desk = Counter()
    for _ in range(2):
        desk.enrolment.ask(operation(ADD), Reply(), None, WHITELIST)
        await desk.settle()
        assert desk.enrolment.pending and len(loaded()) == len(MODULES)
        desk.clock.advance(60)
        while not desk.enrolment.tick():
            pass
        forget(*desk.enrolment.modules)
        assert [name for name in loaded() if "crypto" not in name] == []
        desk.enrolment = loading.Loading(desk)


async def test_what_fails_to_load_leaves_its_memory():
    """MicroPython's tables hold on to what it takes out of them: a flood kept 30 KB of the heap for ever."""
    fresh()
    with open(ROOT + "/large.py", "w") as f:
        f.write("much = bytearray(50_000)\nraise MemoryError")

    def over(deep):
        """Write over what is left on the stack, which a collection takes for references."""
        if deep:
            over(deep - 1)

    async def attempt():
        try:
            await load("large")
        except MemoryError:
            over(30)
            gc.collect()
            return gc.mem_alloc()
        raise AssertionError

    sys.path.append(ROOT)
    try:
        gc.collect()
        before = gc.mem_alloc()
        assert await asyncio.create_task(attempt()) - before < 10_000
    finally:
        sys.path.remove(ROOT)
