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

TAKING = "latchkey.roster.taking"
INTAKE, PARCELS = "latchkey.roster.intake", "latchkey.roster.parcels"
NATIVE = ("latchkey.crypto.field", "latchkey.crypto.points")
ALL = (vectors.DELEGATION_PARCEL, vectors.HEAD_PARCEL, vectors.PART_PARCEL)
DELEGATION, HEAD, PART = ALL
_import = builtins.__import__


class Parts:
    """A car with an authority: its desk is itself, and nobody is at it. Nothing is loaded that takes parcels."""

    emit = sync = enrolment = None

    def __init__(self):
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
        return True

    async def taking(self, parcel, **other):
        fields = decode(authoritymessages.PARCEL, bytes.fromhex(parcel))
        fields.update({getattr(Parcel, name): value for name, value in other.items()})
        return await self.load().take(self, fields, self.conn)

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
