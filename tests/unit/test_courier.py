# SPDX-License-Identifier: Apache-2.0
"""Parcels are taken on every interpreter: what takes them is loaded when the first one comes, as far as that can be."""

import asyncio
import builtins
import os
import sys

import authority_vectors as vectors
from latchkey import courier, forget
from latchkey.clock import Clock
from latchkey.keys.keychain import Keychain
from latchkey.roster import kept
from latchkey.roster.held import Roster
from latchkey.session.sessions import Sessions
from latchkey.wire import authoritymessages
from latchkey.wire.pb import decode
from ramflash import ROOT, fresh
from support import VEHICLE_PUBLIC, VIN, Log

NATIVE = ("latchkey.crypto.field", "latchkey.crypto.points")
PARCELS = (vectors.DELEGATION_PARCEL, vectors.HEAD_PARCEL, vectors.PART_PARCEL)
_import = builtins.__import__


class Parts:
    """A car with an authority: its desk is itself, and nobody is at it."""

    emit = sync = None

    def __init__(self):
        fresh()
        os.mkdir(ROOT + "/twin")
        self.car = self.desk = self.settings = self
        self.clock = Clock()
        self.vin = VIN.decode()
        self.log = Log()
        self.keychain = Keychain(ROOT, lambda why: None)
        self.keychain.open()
        self.sessions = Sessions(self.keychain, VEHICLE_PUBLIC)
        state = kept.State(bytes.fromhex(vectors.ROOT), bytes.fromhex(vectors.SEAL), 3, b"")
        self.keychain.roster = Roster(ROOT, self.clock, state, (0, 0))

    def drop(self):
        return True

    def take(self, parcel):
        return asyncio.run(courier.take(self, decode(authoritymessages.PARCEL, bytes.fromhex(parcel))))


def without_native(name, *rest):
    if name in NATIVE or name.endswith("crypto.points"):
        raise SyntaxError("invalid micropython decorator")
    return _import(name, *rest)


def test_a_roster_is_taken_where_native_code_runs_and_where_none_does():
    for importing in (_import, without_native):
        forget(*courier._DROPPED, *NATIVE)
        parts = Parts()
        builtins.__import__ = importing
        try:
            assert [parts.take(parcel) for parcel in PARCELS] == [0, 0, 0], importing
        finally:
            builtins.__import__ = _import
        assert ("latchkey.crypto.points" in sys.modules) == (importing is _import)
        assert parts.keychain.roster.state.version == 1
