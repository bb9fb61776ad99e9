# SPDX-License-Identifier: Apache-2.0
"""Enrolment: one named key, one tap, thirty seconds; and the worker that carries changes out."""

import asyncio

import codes as faults
import named as messages
from latchkey.clock import Clock
from latchkey.faults import Fault, KeyRefused
from latchkey.keys.enrolment import TAP_WINDOW, Enrolment
from latchkey.keys.keychain import KeychainFull
from latchkey.session.sessions import Sessions
from named import decode
from support import CLIENT_PUBLIC, OWNER, VEHICLE_PRIVATE, VEHICLE_PUBLIC, K, Keys, other_key, owner
from test_whitelist import ADD, operation, removal


class Reply:
    def __init__(self):
        self.statuses = []
        self.waited = False
        self.bench = None

    def payload(self, payload, fault=0):
        self.bench_written = self.bench.written if self.bench else None
        self.statuses.append(decode(messages.FROM_VCSEC, payload)["commandStatus"])

    def waiting(self):
        self.waited = True

    def information(self):
        """The whitelist information of the last answer, which must be a final one."""
        return self.statuses[-1]["whitelistOperationStatus"].get("whitelistOperationInformation", 0)


class Bench:
    def __init__(self, keys):
        self.keys = keys
        self.clock = Clock()
        self.sessions = Sessions(keys, self.clock, VEHICLE_PUBLIC)
        self.done = []
        self.written = 0
        self.enrolment = Enrolment(
            keys,
            self.sessions,
            self.clock,
            VEHICLE_PRIVATE,
            lambda *end: self.done.append(end),
            self.write_log,
            lambda event: None,
        )

    async def write_log(self):
        self.written = len(self.done)

    async def settle(self):
        """Let the worker finish what it has."""
        worker = asyncio.create_task(self.enrolment.run())
        await asyncio.sleep_ms(0)
        while self.enrolment._job:
            await asyncio.sleep_ms(1)
        worker.cancel()


async def test_a_tap_enrols_the_pending_key_and_agrees_k():
    bench, reply = Bench(Keys()), Reply()
    bench.enrolment.pair(operation(ADD), reply)
    assert reply.waited and not reply.statuses
    assert bench.keys.count == 0
    assert bench.enrolment.tap() == owner().id
    await bench.settle()
    assert bench.keys.find(CLIENT_PUBLIC).shared == K
    assert reply.information() == 0
    assert len(bench.done) == 1


async def test_the_log_is_written_before_the_phone_is_told():
    bench, reply = Bench(Keys()), Reply()
    reply.bench = bench
    bench.enrolment.pair(operation(ADD), reply)
    bench.enrolment.tap()
    await bench.settle()
    assert reply.information() == 0 and reply.bench_written == 1


async def test_a_tap_is_good_for_one_key_once():
    bench = Bench(Keys())
    assert bench.enrolment.tap() is None
    bench.enrolment.pair(operation(ADD), Reply())
    assert bench.enrolment.tap()
    assert bench.enrolment.tap() is None
    await bench.settle()
    assert bench.enrolment.tap() is None
    assert bench.keys.count == 1


async def test_without_a_tap_the_window_closes():
    bench, reply = Bench(Keys()), Reply()
    bench.enrolment.pair(operation(ADD), reply)
    bench.clock.advance(TAP_WINDOW - 1)
    bench.enrolment.tick()
    assert bench.enrolment.pending
    bench.clock.advance(1)
    assert bench.enrolment.tap() is None
    assert reply.information() == faults.KEY_NO_TAP_IN_TIME
    await bench.settle()
    assert bench.keys.count == 0


async def test_two_keys_at_once_are_both_turned_away():
    bench, first, second = Bench(Keys()), Reply(), Reply()
    bench.enrolment.pair(operation(ADD), first)
    try:
        bench.enrolment.pair(operation(ADD, VEHICLE_PUBLIC), second)
    except KeyRefused as refusal:
        assert refusal.code == faults.KEY_COULD_NOT_START_AUTH
    else:
        raise AssertionError("the second key was taken")
    assert first.information() == faults.KEY_AUTH_CANCELLED
    assert bench.enrolment.tap() is None
    await bench.settle()
    assert bench.keys.count == 0


async def test_a_role_cannot_be_changed_under_the_tap():
    """Pairing requests are not signed: somebody who hears one could ask for more in its name."""
    bench, first = Bench(Keys()), Reply()
    bench.enrolment.pair(operation(ADD, role=3), first)
    try:
        bench.enrolment.pair(operation(ADD, role=OWNER), Reply())
    except KeyRefused as refusal:
        assert refusal.code == faults.KEY_COULD_NOT_START_AUTH
    else:
        raise AssertionError("the role was changed")
    assert first.information() == faults.KEY_AUTH_CANCELLED
    assert bench.enrolment.tap() is None


async def test_the_same_key_may_ask_again():
    bench, first, second = Bench(Keys()), Reply(), Reply()
    bench.enrolment.pair(operation(ADD), first)
    bench.enrolment.pair(operation(ADD), second)
    assert bench.enrolment.tap()
    await bench.settle()
    assert second.information() == 0
    assert bench.keys.count == 1


async def test_a_removed_keys_session_ends():
    friend = owner(other_key(2), role=3)
    bench, reply = Bench(Keys(owner(), friend)), Reply()
    bench.sessions.find(friend.public)
    bench.enrolment.manage(removal(friend.public), reply, owner())
    await bench.settle()
    assert reply.information() == 0
    assert reply.statuses[-1]["whitelistOperationStatus"]["signerOfOperation"]["publicKeySHA1"] == owner().id
    assert bench.sessions.find(friend.public) is None


async def test_a_changed_role_begins_a_new_session():
    friend = owner(other_key(2), role=3)
    bench = Bench(Keys(owner(), friend))
    before = bench.sessions.find(friend.public)
    bench.enrolment.manage(operation("updateKeyAndPermissions", friend.public, 8), Reply(), owner())
    await bench.settle()
    after = bench.sessions.find(friend.public)
    assert after.record.role == 8
    assert after.epoch != before.epoch


async def test_while_one_change_is_made_another_is_told_busy():
    friends = [owner(other_key(n), role=3) for n in (2, 3)]
    bench = Bench(Keys(owner(), *friends))
    bench.enrolment.manage(removal(friends[0].public), Reply(), owner())
    try:
        bench.enrolment.manage(removal(friends[1].public), Reply(), owner())
    except Fault as fault:
        assert fault.code == faults.BUSY
    else:
        raise AssertionError("two changes at once")
    await bench.settle()
    assert bench.keys.count == 2


async def test_a_keychain_that_fills_up_meanwhile_is_told():
    class Full(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False):
            raise KeychainFull

    bench, reply = Bench(Full()), Reply()
    bench.enrolment.pair(operation(ADD), reply)
    bench.enrolment.tap()
    await bench.settle()
    assert reply.information() == faults.KEY_WHITELIST_FULL


async def test_a_store_that_fails_is_told_and_the_worker_lives_on():
    class Worn(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False):
            raise OSError(28)

    bench, reply = Bench(Worn()), Reply()
    for _ in range(2):
        bench.enrolment.pair(operation(ADD), reply)
        bench.enrolment.tap()
        await bench.settle()
        assert reply.information() == faults.KEY_UNDOCUMENTED_ERROR
    assert bench.done[-1][3] == "OSError(28,)"


async def test_a_tap_approves_nothing_while_a_change_is_being_made_and_then_does():
    friend = owner(other_key(2), role=3)
    bench = Bench(Keys(owner(other_key(1)), friend))
    bench.enrolment.manage(removal(friend.public), Reply(), owner(other_key(1)))
    bench.enrolment.pair(operation(ADD), Reply())
    assert bench.enrolment.tap() is None
    await bench.settle()
    assert bench.enrolment.tap()
    await bench.settle()
    assert bench.keys.find(CLIENT_PUBLIC)
