# SPDX-License-Identifier: Apache-2.0
"""What takes parcels is loaded as far as one deserves it, on every interpreter, and never beside enrolment."""

import asyncio
import builtins
import os
import sys

import authority_vectors as vectors
from latchkey import forget
from latchkey.clock import Clock
from latchkey.faults import Fault
from latchkey.keys.keychain import Keychain
from latchkey.roster import kept
from latchkey.roster.held import Roster
from latchkey.session.sessions import Sessions
from latchkey.wire import authoritymessages
from latchkey.wire.pb import decode
from latchkey.wire.schema import Decline, Parcel
from ramflash import ROOT, fresh
from support import VEHICLE_PUBLIC, VIN, Conn, Log

_NUMBERS = {
    "address": Parcel.address, "generation": Parcel.generation, "version": Parcel.version, "part": Parcel.part,
    "sealed": Parcel.sealed,
}  # fmt: skip

TAKING = "latchkey.roster.taking"
INTAKE, PARCELS = "latchkey.roster.intake", "latchkey.roster.parcels"
NATIVE = ("latchkey.crypto.field", "latchkey.crypto.points")
ONE_BY_ONE = ("files", "journal", "kept", "lookup", "parcels", "publickey", "p256", "ecdsa", "labels", "intake")
ALL = (vectors.DELEGATION_PARCEL, vectors.HEAD_PARCEL, vectors.PART_PARCEL)
DELEGATION, HEAD, PART = ALL
_import = builtins.__import__


class Parts:
    """A car with an authority: its desk is itself, and nobody is at it. Nothing is loaded that takes parcels."""

    sync = enrolment = None

    def __init__(self):
        self.events = []
        self.emit = self.events.append
        self.resets = 0
        self.dropped = []
        self.free = True  # nobody is at the desk
        self.tasks = self
        self.car = self.desk = self.settings = self
        self.load().unload(self)
        fresh()
        os.mkdir(ROOT + "/twin")
        self.clock = Clock()
        self.vin = VIN.decode()
        self.log = Log()
        self.keychain = Keychain(ROOT, lambda why: None)
        self.keychain.open()
        self.sessions = Sessions(self.keychain, VEHICLE_PUBLIC)
        state = kept.State(bytes.fromhex(vectors.ROOT), bytes.fromhex(vectors.SEAL), 3, b"")
        self.roster = self.keychain.roster = Roster(ROOT, self.clock, state, (0, 0))
        self.conn = Conn()

    def load(self):
        __import__(TAKING)
        return sys.modules[TAKING]

    def drop(self):
        """The desk's."""
        self.dropped.append(PARCELS in sys.modules)
        return self.free

    def reset(self):
        self.resets += 1

    async def taking(self, parcel, **other):
        fields = decode(authoritymessages.PARCEL, bytes.fromhex(parcel))
        fields.update({_NUMBERS[name]: value for name, value in other.items()})
        return await self.load().take(self, fields, self.conn)

    def given(self):
        """What anybody is told of what was declined: in the log, by status, and by an event."""
        logged = [entry[4] for entry in self.log.entries if entry[0] == "declined"]
        return logged, self.roster.declined, self.events

    def take(self, parcel, **other):
        return asyncio.run(self.taking(parcel, **other))

    def left(self):
        """How many more parcels its connection may try."""
        left = 0
        try:
            while True:
                self.conn.check(self.clock.now())
                self.conn.bad_tag()
                left += 1
        except Fault:
            return left


class Memory:
    """In place of gc: a heap with so many bytes free."""

    def __init__(self, free):
        self.mem_free = lambda: free


class Importing:
    """In a `with` of it: what is done before the module of that name is imported."""

    def __init__(self, name, do):
        self.name = name
        self.do = do

    def __call__(self, name, *rest):
        if name == self.name and name not in sys.modules:
            self.do()
        return _import(name, *rest)

    def __enter__(self):
        builtins.__import__ = self

    def __exit__(self, *error):
        builtins.__import__ = _import


def without_native(name, *rest):
    if name in NATIVE or name.endswith("crypto.points"):
        raise SyntaxError("invalid micropython decorator")
    return _import(name, *rest)


def test_a_roster_is_taken_where_native_code_runs_and_where_none_does():
    for importing in (_import, without_native):
        forget(*NATIVE)
        parts = Parts()
        builtins.__import__ = importing
        try:
            assert [parts.take(parcel) for parcel in ALL] == [0, 0, 0], importing
        finally:
            builtins.__import__ = _import
        assert ("latchkey.crypto.points" in sys.modules) == (importing is _import)
        assert parts.roster.state.version == 1
        assert parts.left() == 8, "what is new costs nobody anything"


def test_what_nobody_has_sealed_for_this_car_loads_nothing_that_verifies():
    parts = Parts()
    wrong = ({"sealed": bytes(60)}, {"sealed": b""}, {"version": 7}, {"address": b"a" * 16})
    for other in wrong:
        code = parts.take(HEAD, **other)
        assert code == (Decline.ADDRESS if "address" in other else Decline.SEAL)
    assert parts.take(PART) == Decline.PART, "not wanted"
    assert INTAKE not in sys.modules and "latchkey.crypto.ecdsa" not in sys.modules and parts.roster.intake is None
    assert parts.left() == 8 - len(wrong)


def test_what_the_car_has_loads_nothing_that_verifies_and_counts_like_what_is_wrong():
    parts = Parts()
    for parcel in (DELEGATION, HEAD):
        assert parts.take(parcel) == 0
        parts.roster.intake.drop()
        assert parts.take(parcel) == 0
        assert INTAKE not in sys.modules and parts.roster.intake is None
    assert parts.roster.coming.part == 1, "the roster under way is as it was"
    assert parts.take(PART) == 0
    parts.roster.intake.drop()
    assert parts.take(HEAD) == 0 and INTAKE not in sys.modules
    assert parts.left() == 8 - 3


def test_while_it_is_loaded_neither_enrolment_nor_another_one_is():
    """Each looked whether the other was there, and both found nobody."""
    parts = Parts()
    said = []

    def meanwhile():
        try:
            parts.roster.intake.drop()  # as the desk does for who asks for a key
        except Fault as fault:
            said.append(fault.why)

    async def two():
        with Importing("latchkey.keys.labels", meanwhile):
            return await asyncio.gather(parts.taking(DELEGATION), parts.taking(DELEGATION))

    assert sorted(asyncio.run(two())) == [0, Decline.BUSY]
    assert said == ["a parcel is being taken"]
    parts.roster.intake.drop()
    assert INTAKE not in sys.modules and parts.roster.intake is None


def test_what_could_not_be_loaded_stands_in_nobodys_way():
    parts = Parts()

    def fails():
        raise MemoryError

    with Importing(INTAKE, fails):
        assert parts.take(DELEGATION) == Decline.FLASH
    assert parts.roster.intake is None
    assert parts.take(DELEGATION) == 0


def test_what_enrolment_has_loaded_too_stays_until_that_goes():
    parts = Parts()
    assert parts.take(DELEGATION) == 0
    parts.enrolment = "there"
    parts.roster.intake.drop()
    assert PARCELS not in sys.modules and "latchkey.store.journal" in sys.modules
    parts.enrolment = None
    parts.load().unload(parts)
    assert "latchkey.store.journal" not in sys.modules


def test_without_an_authority_nothing_is_loaded():
    parts = Parts()
    parts.keychain.roster = None
    assert parts.take(HEAD) == Decline.NO_AUTHORITY and PARCELS not in sys.modules


def test_what_is_wrong_is_told_and_what_honest_couriers_bring_too_is_not():
    parts = Parts()
    assert parts.take(PART) == Decline.PART and parts.take(DELEGATION) == 0
    assert parts.take(DELEGATION, generation=0) == Decline.OLD
    assert parts.given() == ([], 0, [])
    assert parts.take(HEAD, sealed=bytes(60)) == Decline.SEAL
    told = [Decline.SEAL], Decline.SEAL, [{"event": "declined", "reason": Decline.SEAL}]
    assert parts.given() == told
    parts.conn = parts.emit = None  # what the car has fetched by itself, without a bench
    assert parts.take(HEAD, sealed=bytes(60)) == Decline.SEAL
    assert parts.given()[0] == [Decline.SEAL] * 2 and parts.take(HEAD) == 0


def test_beside_enrolment_one_is_taken_where_there_is_memory_for_both():
    for here, free, code in ((True, 49_152, 0), (True, 49_151, Decline.BUSY), (False, 0, 0)):
        parts = Parts()
        parts.free = not here
        module = parts.load()
        module.gc = Memory(free)
        assert parts.take(DELEGATION) == code, (here, free)
        assert (INTAKE in sys.modules) == (code == 0)
        assert parts.left() == 8, "who is told to wait has brought nothing wrong"


def test_enrolment_that_is_over_is_dropped_before_what_both_need_is_loaded():
    parts = Parts()
    parts.take(DELEGATION)
    assert parts.dropped[0] is False


def test_where_only_a_restart_tells_what_the_flash_has_there_is_one():
    parts = Parts()
    parts.take(DELEGATION)

    async def unclear(parcel, plain):
        from latchkey.store.journal import Unclear

        raise Unclear

    parts.roster.intake.take = unclear
    assert parts.take(HEAD) == 0 and parts.resets == 1


def test_it_is_loaded_a_module_at_a_time():
    parts = Parts()
    names = [
        name for name in sys.modules if name.startswith(("latchkey.roster.", "latchkey.store.", "latchkey.crypto."))
    ]
    forget(*[name for name in names if name.rpartition(".")[2] in ONE_BY_ONE], "latchkey.keys.labels")
    turns, loaded = [0], []

    def importing(name, *rest):
        if name.startswith("latchkey.") and name.rpartition(".")[2] in ONE_BY_ONE and name not in sys.modules:
            loaded.append((turns[0], name))
        return _import(name, *rest)

    async def others():
        while True:
            turns[0] += 1
            await asyncio.sleep_ms(0)

    async def both():
        asyncio.create_task(others())
        return await parts.taking(DELEGATION)

    builtins.__import__ = importing
    try:
        assert asyncio.run(both()) == 0
    finally:
        builtins.__import__ = _import
        asyncio.new_event_loop()
    assert {name.rpartition(".")[2] for _, name in loaded} >= set(ONE_BY_ONE), loaded
    assert len({turn for turn, _ in loaded}) == len(loaded), loaded
