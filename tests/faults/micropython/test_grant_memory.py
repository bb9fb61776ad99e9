# SPDX-License-Identifier: Apache-2.0
"""A heap that shrinks step by step around a grant that is presented, and around its revocation: each happens or does
not; key and spent number agree, now and after a restart, and the owner's next command works."""

# heapsize: 2600K

import asyncio

from memory import TURNS, Board, Phone, Squeeze, prepared
from memory import opened as stored
from test_memory import POINT, UNLOCK, enrolled, load, verdict

from latchkey import crypto, grants
from latchkey.keys import spent
from latchkey.store.journal import Unclear
from latchkey.wire import grantmessages
from latchkey.wire.pb import encode
from latchkey.wire.schema import Grant, Limits, Revocation, Role, ToLatchkey
from ramflash import ROOT
from support import ADDRESS, UUID, K, message

NUMBER = 7
STEP = 384
MOST = 90000


def tagged(purpose, *parts):
    """With the owner's key, whose salt is 0."""
    return crypto.hmac_sha256(crypto.hmac_sha256(K, purpose, bytes(4)), b"latchkey", *parts)[:16]


def grant():
    link = encode(grantmessages.LIMITS, {Limits.role: Role.GUEST, Limits.key: POINT})
    told = {
        Grant.handle: 1, Grant.number: NUMBER, Grant.limits: bytes((len(link),)) + link,
        Grant.tag: tagged(b"latchkey grant", bytes((0, 0, 0, 1, 0, 0, 0, NUMBER)), link),
    }  # fmt: skip
    return encode(grantmessages.TO_LATCHKEY, {ToLatchkey.grant: told})


def revocation():
    told = {Revocation.handle: 1, Revocation.numbers: bytes((0, 0, 0, NUMBER))}
    told[Revocation.tag] = tagged(b"latchkey revoke", encode(grantmessages.REVOCATION, told))
    return encode(grantmessages.TO_LATCHKEY, {ToLatchkey.revoke: told})


def brought(payload):
    return message({
        "to_destination": {"domain": 76},
        "from_destination": {"routing_address": ADDRESS},
        "uuid": UUID,
        "protobuf_message_as_bytes": payload,
    })


async def settle(car):
    """Until the car has nothing to do for now; needs no memory of its own."""
    for _ in range(2 * TURNS):
        await asyncio.sleep_ms(0)
        enrolment = car.desk.enrolment
        if not grants._working and not (enrolment and getattr(enrolment, "job", True)):
            return True
    return False


def seen(board):
    """Who is enrolled, and whether the number is spent."""
    return enrolled(board.keychain), spent.read(ROOT, board.keychain.find_slot(0)).has(NUMBER)


def shrink(name, flash, payload, before, after):
    image = flash.copy()
    squeeze = Squeeze()
    counts = {"done": 0, "not done": 0, "told by a restart": 0}

    async def run():
        enough = 0
        for left in range(0, MOST, STEP):
            board = Board(flash, image)
            await load(board)
            conn, data = Phone(), brought(payload)
            waiting = settle(board.car)
            squeeze.hold(left)
            try:
                board.handle(conn, data)
                settled = await waiting
            finally:
                squeeze.release()
            assert settled, left
            await settle(board.car)
            restarts = [error for _, error in board.tasks.died]
            assert all(isinstance(error, Unclear) for error in restarts), (left, restarts)
            if restarts:
                counts["told by a restart"] += 1
            else:
                here = seen(board)
                assert here in (before, after), (left, here)
            grants._staying = False
            board.stop()
            board = Board(flash)
            found = seen(board)
            assert found in (before, after) and (restarts or found == here), (left, found)
            conn = Phone()
            board.handle(conn, message(board.signed(UNLOCK, flags=2)))
            assert verdict(conn.last()) == "done", left
            board.stop()
            counts["done" if found == after else "not done"] += 1
            enough += found == after
            if enough > 5:
                break
        assert enough > 5

    asyncio.run(run())
    asyncio.new_event_loop()
    print("note: memory: %s on a heap from 0 bytes up: %s" % (name, counts))
    assert counts["done"] and counts["not done"]


def test_a_grant_is_presented_or_it_is_not():
    flash = prepared()
    before = enrolled(stored())
    shrink("a grant", flash, grant(), (before, False), (sorted(before + [(Role.GUEST, POINT)]), True))


def test_a_grant_is_revoked_or_it_is_not():
    flash = prepared()
    before = enrolled(stored())

    async def presented():
        board = Board(flash)
        board.handle(Phone(), brought(grant()))
        assert await settle(board.car)
        grants._staying = False
        board.stop()

    asyncio.run(presented())
    asyncio.new_event_loop()
    there = enrolled(stored())
    assert there != before
    shrink("a revocation", flash, revocation(), (there, True), (before, True))
