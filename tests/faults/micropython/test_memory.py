# SPDX-License-Identifier: Apache-2.0
"""A heap that shrinks step by step around a command, a pairing and a removal: each happens or does not, and is told as
what it was; the car's state, its pins, its keychain and its log agree, and the owner's next command works."""

# heapsize: 2600K

import asyncio

from cuts import ALL, SEED
from memory import TURNS, Board, Phone, Squeeze, prepared
from memory import opened as stored

import named as messages
from latchkey import forget
from latchkey.store import logreader
from latchkey.store.journal import Unclear
from named import encode
from ramflash import entries
from support import ADDRESS, CLIENT_PUBLIC, DRIVER, UUID, message, opened, other_key, owner, signed

UNLOCK, LOCK, START = b"\x10\x00", b"\x10\x01", b"\x10\x14"
TRUNK = encode(messages.UNSIGNED_MESSAGE, {"closureMoveRequest": {"rearTrunk": 3}})
OPEN_PORT = b"\x12\x03\xf2\x03\x00"
BUSY = 1
POINT = bytes.fromhex(  # of P-256: the base point, which is nobody's key
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
GUEST = other_key(7)


def state(vehicle):
    return vehicle.locked, vehicle.start_enabled, bytes(vehicle.closures)


def verdict(reply, fields=None):
    """done, a fault's number, or None for silence."""
    if reply is None:
        return None
    code = reply.get("signedMessageStatus", {}).get("signed_message_fault", 0)
    return code or "done"


def logged(log, since):
    """How many commands the log has from that entry on."""
    return sum(1 for entry in logreader.entries(log, since, 64) if entry["kind"] == "command")


async def turns(domain):
    """Infotainment answers when its messages are loaded."""
    for _ in range(4 if domain == 3 else 0):
        await asyncio.sleep_ms(0)


def test_a_command_happens_or_does_not_and_is_told_as_what_it_was():
    flash = prepared()
    squeeze = Squeeze()
    counts = {"done and told": 0, "done, answer lost": 0, "refused": 0, "nothing": 0}
    tried = in_log = 0

    async def run():
        nonlocal tried, in_log
        board = Board(flash)
        car = board.car
        for payload, domain in ((UNLOCK, 2), (START, 2), (TRUNK, 2), (LOCK, 2), (OPEN_PORT, 3)):
            enough = 0
            for left in range(SEED % 32, 12000, (32 if payload == START else 96) * (1 if ALL else 2)):
                car.vehicle.unlock()
                car.vehicle.lock()
                if payload == LOCK:
                    car.vehicle.unlock()
                car.vehicle.move({5: 4, 7: 4})
                conn = Phone()
                fields = command(board, payload, domain)
                data = message(fields)
                await car.log.flush()
                before, since, dropped = state(car.vehicle), car.log.last, car.log.dropped
                others = turns(domain)  # made while there is memory
                squeeze.hold(left)
                try:
                    board.handle(conn, data)
                    await others
                finally:
                    squeeze.release()
                tried += 1
                changed = state(car.vehicle) != before
                told = verdict(conn.last())
                commands = logged(car.log, since)
                where = (payload, left, told)
                assert board.pins() == (int(car.vehicle.start_enabled), int(car.vehicle.locked)), where
                assert commands == changed or car.log.dropped > dropped, where
                if changed:
                    assert told in ("done", None), where
                    in_log += commands
                    if told:
                        opened(conn.last(), fields)
                    counts["done and told" if told else "done, answer lost"] += 1
                    enough += told == "done"
                else:
                    assert told in (BUSY, None) and not commands, where
                    counts["refused" if told else "nothing"] += 1
                conn = Phone()  # the owner's next command works, whatever came of that one
                fields = command(board, payload, domain)
                board.handle(conn, message(fields))
                await turns(domain)
                assert verdict(conn.last()) == "done", where
                if enough > 20:
                    break
            assert enough > 20, payload
        assert not board.tasks.died, board.tasks.died

    asyncio.run(run())
    done = counts["done and told"] + counts["done, answer lost"]
    print("note: memory: %d commands on a heap from 0 bytes up: %s, %d in the log" % (tried, counts, in_log))
    assert in_log == done, "a command that was done and is not in the log"
    assert counts["done, answer lost"] <= done // 20, "memory for the answer was not made sure of"
    assert counts["done and told"] and counts["refused"] and counts["nothing"]


def test_a_command_works_on_a_heap_that_is_in_pieces():
    flash = prepared()
    squeeze = Squeeze()

    async def run():
        board = Board(flash)
        for payload in (UNLOCK, START, LOCK):
            conn = Phone()
            fields = command(board, payload, 2)
            data = message(fields)
            squeeze.crumble()
            try:
                bytearray(1024)
                largest = 1024
            except MemoryError:
                largest = 0
            try:
                board.handle(conn, data)
            finally:
                squeeze.release()
            assert not largest, "not in pieces"
            assert verdict(conn.last()) == "done", payload

    asyncio.run(run())


def test_a_look_is_answered_or_refused_and_the_next_one_works():
    """Also when it is the first, and what answers it does not find room."""
    flash = prepared()
    squeeze = Squeeze()
    modules = ("latchkey.view", "latchkey.wire.viewmessages", "latchkey.store.logreader")
    counts = {"done": 0, BUSY: 0, None: 0}

    async def look(board, payload, left):
        conn = Phone()
        data = message(command(board, payload, 76))
        if left is not None:
            squeeze.hold(left)
        try:
            board.handle(conn, data)
            for _ in range(5):
                await asyncio.sleep_ms(0)
        finally:
            squeeze.release()
        return verdict(conn.last())

    async def run():
        board = Board(flash)
        before = state(board.car.vehicle), enrolled(board.keychain)
        for first in (False, True):
            for payload in (b"\x12\x00", b"\x1a\x00"):  # keys, log
                for left in range(0, 60000, 3000) if first else range(0, 12000, 192):
                    if first:
                        forget(*modules)
                    told = await look(board, payload, left)
                    counts[told] += 1  # KeyError: it was neither done nor refused for want of memory
                    if left % 4 == 0:
                        assert await look(board, payload, None) == "done", (first, payload, left, told)
                assert told == "done", "the last had room"
        assert (state(board.car.vehicle), enrolled(board.keychain)) == before
        assert not board.tasks.died
        board.stop()

    asyncio.run(run())
    asyncio.new_event_loop()
    print("looks on a heap that shrinks:", counts)
    assert min(counts.values()) > 0


def command(board, payload, domain):
    session = board.sessions.find(CLIENT_PUBLIC, domain)
    until = board._clock.now() + 60
    return signed(payload, session, session.counter + 1, until, domain=domain, sent_domain=domain, flags=2)


def enrolled(keychain):
    return sorted((record.role, record.public) for record in entries(keychain))


async def settle(car):
    """Until the car has nothing to do for now; needs no memory of its own."""
    for _ in range(TURNS):
        await asyncio.sleep_ms(0)
        if not busy(car):
            return True
    return False


def busy(car):
    enrolment = car.desk.enrolment
    return enrolment is None or enrolment.job


def test_a_removal_happens_or_does_not_and_the_rest_of_the_keys_work():
    operation = {"removePublicKeyFromWhitelist": {"PublicKeyRaw": GUEST}}
    remove = encode(messages.UNSIGNED_MESSAGE, {"WhitelistOperation": operation})
    change_keys("removal", remove, with_guest=True)


def test_a_pairing_happens_or_does_not_and_the_owner_is_not_locked_out():
    operation = {"addKeyToWhitelistAndAddPermissions": {"key": {"PublicKeyRaw": POINT}, "keyRole": DRIVER}}
    ask = encode(messages.UNSIGNED_MESSAGE, {"WhitelistOperation": operation})
    change_keys("pairing", ask, with_guest=False)


def change_keys(name, payload, with_guest):
    flash = prepared()
    if with_guest:
        asyncio.run(stored().apply(owner(GUEST, role=DRIVER)))
    image = flash.copy()
    before = enrolled(stored())
    squeeze = Squeeze()
    counts = {"done": 0, "not done": 0, "told by a restart": 0}
    rest = None

    async def run():
        nonlocal rest
        enough = 0
        for left in range(0, 60000, 384):
            board = Board(flash, image)
            car = board.car
            conn = Phone()
            await load(board)
            if with_guest:
                data = message(board.signed(payload, flags=2))
            else:
                data = message({
                    "to_destination": {"domain": 2},
                    "from_destination": {"routing_address": ADDRESS},
                    "uuid": UUID,
                    "protobuf_message_as_bytes": payload,
                })
            waiting = settle(car)
            squeeze.hold(left)
            try:
                board.handle(conn, data)
                if not with_guest:
                    car.tap()
                settled = await waiting
            finally:
                squeeze.release()
            assert settled, left
            await settle(car)
            restarts = [error for _, error in board.tasks.died]
            assert all(isinstance(error, Unclear) for error in restarts), (left, restarts)
            if restarts:  # the journal's own word for it: a restart tells what became of the change, and is made
                counts["told by a restart"] += 1
                board.stop()
                board = Board(flash)
                car = board.car
            here = enrolled(board.keychain)
            done = here != before
            for phone in ("now", "after a restart"):
                if phone != "now":
                    board.stop()
                    board = Board(flash)
                    car = board.car
                    keys = enrolled(board.keychain)
                    assert keys == here, (left, "half a change, which the next boot finished")
                    assert keys == before or rest in (None, keys), (left, keys)
                    if keys != before:
                        rest = keys
                conn = Phone()
                board.handle(conn, message(board.signed(UNLOCK, flags=2)))
                assert verdict(conn.last()) == "done" and not car.vehicle.locked, (phone, left, verdict(conn.last()))
            board.stop()
            counts["done" if done else "not done"] += 1
            enough += done
            if enough > 5:
                break
        assert enough > 5

    asyncio.run(run())
    print("note: memory: %s on a heap from 0 bytes up: %s" % (name, counts))
    assert counts["done"] and counts["not done"]


async def load(board):
    """Enrolment has been asked for before: what it takes to load it is another test's."""
    conn = Phone()
    nobody = {"removePublicKeyFromWhitelist": {"PublicKeyRaw": other_key(99)}}
    ask = encode(messages.UNSIGNED_MESSAGE, {"WhitelistOperation": nobody})
    board.handle(conn, message(board.signed(ask, flags=2)))
    assert await settle(board.car)
