# SPDX-License-Identifier: Apache-2.0
"""Limits of a key, as docs/protocol.md has them ("Limits", L1 to L13), at a car whose flash is in RAM."""

import asyncio

import codes as faults
import named as messages
from latchkey import store
from latchkey.faults import Fault
from latchkey.keys import limits, policy
from latchkey.keys.record import unpack
from latchkey.wire.schema import Permission, Role
from named import decode
from ramflash import ROOT, flip, fresh
from support import CLIENT_PUBLIC, DRIVER, GUEST, OWNER, TOTAL, Keys, Listing, other_key, owner
from test_router import LOCK, SECURE, START, STATUS, UNLOCK, WAKE, Car, fault, vcsec

NOW, DAY = 2_000_000_000, 86400
ROLES = (Role.OWNER, Role.DRIVER, Role.GUEST, Role.SERVICE, Role.CHARGING_MANAGER, Role.VEHICLE_MONITOR, Role.FM)


class Limited(Car):
    """A car of one key with limits. `told`: somebody has told the time."""

    def __init__(self, role=GUEST, told=True, **limit):
        self.flash = fresh()
        super().__init__(owner(role=role, **limit))
        self.keys.root = ROOT
        self.clock.least = NOW - self.clock.now()
        self.clock.known = told
        self.router.security.failed = self.router.failed

    @property
    def record(self):
        return self.keys.find(CLIENT_PUBLIC)

    def says(self, payload):
        """The fault that a command is answered with, if not at once in a moment; 0: it is done."""
        before = len(self.conn.sent)
        self.command(payload)
        self.finish()
        assert len(self.conn.sent) > before
        status = self.conn.last().get("signedMessageStatus")
        return status["signed_message_fault"] if status else 0

    def finish(self):
        """Let what waits be done."""

        async def moment():
            for _ in range(20):
                await asyncio.sleep_ms(0)

        asyncio.run(moment())

    def may(self):
        """What of these it may: start, unlock, wake, lock, and look."""
        return [not self.says(payload) for payload in (START, UNLOCK, WAKE, LOCK, STATUS)]

    def used(self):
        return limits.used(self.record, ROOT)


ALL, LOOK, LEAVE = [True] * 5, [False] * 4 + [True], [False] * 3 + [True] * 2


def test_l1_powered_seconds_that_are_over_leave_a_look():
    for role in (OWNER, DRIVER, GUEST):
        car = Limited(role, seconds=60, powered=60)
        assert car.may() == ALL
        car.clock.advance(58 - car.clock.now())
        assert car.may() == ALL
        car.clock.advance(2)
        assert car.may() == LOOK
        assert car.says(UNLOCK) == faults.INACTIVE_KEY


def test_l1_powered_seconds_that_are_not_in_flash_are_not_there_to_spend():
    car = Limited(powered=TOTAL + 100)
    car.clock.advance(TOTAL)
    assert car.may() == ALL
    car.clock.advance(1)
    assert car.may() == LOOK
    car.clock.ahead = TOTAL + 60
    assert car.may() == ALL


def test_l1_a_key_that_was_timed_by_an_earlier_firmware_has_had_its_time():
    assert Limited(seconds=60).may() == LOOK


def test_l2_a_date_that_is_past_leaves_a_look_though_nobody_told_the_time():
    for told in (True, False):
        for role in (DRIVER, GUEST):
            for more in ({}, {"uses": 5}, {"powered": 9999}):
                car = Limited(role, told, not_after=NOW + 5, **more)
                assert told is car.clock.known and car.says(WAKE) == (
                    0 if told or more or role == DRIVER else faults.INACTIVE_KEY
                )
                car.clock.advance(5)
                assert car.may() == LOOK


def test_l3_a_date_that_is_to_come_leaves_a_look_until_then():
    for role in (DRIVER, GUEST):
        car = Limited(role, not_before=NOW + 5)
        assert car.may() == LOOK
        car.clock.advance(5)
        assert car.may() == ALL


def test_l4_where_nobody_told_the_time_dates_hold_a_guest_without_a_budget_and_no_driver():
    for dates in ({"not_before": NOW - 9}, {"not_before": NOW + 9}, {"not_after": NOW + 9}):
        assert Limited(DRIVER, False, **dates).may() == ALL
        for role in (Role.GUEST, Role.CHARGING_MANAGER, Role.VEHICLE_MONITOR, Role.FM):
            assert Limited(role, False, **dates).may() == LOOK
        assert Limited(GUEST, False, powered=9999, **dates).may() == ALL
        assert Limited(GUEST, False, uses=5, **dates).may() == ALL
        manager = Limited(Role.CHARGING_MANAGER, False, uses=5, **dates)
        assert manager.says(WAKE) == faults.INACTIVE_KEY, "uses of which none is ever spent are no budget"


def test_t8_a_roster_may_be_ahead_by_400_days_and_tells_nobody_the_time():
    for ahead, day in ((30, 30), (400, 400), (9000, 400)):
        for days, over in ((day, True), (day + 1, False)):
            car = Limited(DRIVER, False, not_after=NOW + days * DAY)
            car.keys.roster = Listing()
            car.keys.roster.time = NOW + ahead * DAY + 5
            assert car.may() == (LOOK if over else ALL), (ahead, days)
            assert not limits.dead(car.record, car.keys), "as long as that roster says so"
    car = Limited(GUEST, False, not_after=NOW + 9 * DAY)
    car.keys.roster = Listing()
    car.keys.roster.time = NOW
    assert car.says(WAKE) == faults.INACTIVE_KEY, "the time is not known"


def test_l5_uses_that_are_spent_leave_lock_and_a_look():
    car = Limited(uses=2)
    assert [car.says(START) for _ in range(3)] == [0, 0, faults.INACTIVE_KEY]
    assert car.used() == 2 and car.may() == LEAVE
    assert car.says(SECURE) == faults.INACTIVE_KEY


def test_l6_an_owner_has_no_limits_of_a_grant():
    car = Limited(OWNER, not_before=NOW + 9, not_after=NOW - 9)
    assert car.may() == ALL
    assert Limited(OWNER, False, not_after=NOW - 9).may() == ALL


def test_l7_a_use_is_a_start_or_else_an_unlocking():
    car = Limited(uses=2)
    assert [car.says(command) for command in (UNLOCK, UNLOCK, UNLOCK, WAKE, LOCK, START)] == [0] * 6
    assert car.used() == 1
    car = Limited(uses=2, commands=Permission.UNLOCK | Permission.LOCK | Permission.READ)
    assert [car.says(command) for command in (UNLOCK, LOCK, UNLOCK, LOCK)] == [0] * 4
    assert car.says(UNLOCK) == faults.INACTIVE_KEY and car.used() == 2
    assert car.says(START) == faults.INSUFFICIENT_PRIVILEGES


def test_l8_a_use_is_in_flash_before_the_car_does_anything():
    car = Limited(uses=2)
    seen = []
    car.vehicle.on_change = lambda: seen.append(car.used())
    assert car.says(START) == 0
    assert seen == [1] and car.vehicle.start_enabled
    assert car.logged[-1][:3] == ("command", owner().id, Permission.START)


def test_l8_what_has_changed_while_it_was_written_down_is_looked_at_again_and_costs_the_use():
    def removed(car):
        car.keys.records = []

    def lessened(car):
        car.keys.put(owner(role=GUEST, uses=2, commands=Permission.UNLOCK))

    def regranted(car):
        car.keys.put(owner(role=GUEST, uses=2, number=9))

    def over(car):
        car.clock.advance(100)

    for meanwhile, code in (
        (removed, faults.UNKNOWN_KEY_ID),
        (lessened, faults.INSUFFICIENT_PRIVILEGES),
        (regranted, faults.UNKNOWN_KEY_ID),
        (over, faults.INACTIVE_KEY),
    ):
        car = Limited(uses=2, not_after=NOW + 50)
        record = car.record
        spend = limits.row

        def spending(*what):
            meanwhile(car)  # noqa: B023 - at once
            return spend(*what)  # noqa: B023

        limits.row = spending
        try:
            assert car.says(START) == code
        finally:
            limits.row = spend
        assert not car.vehicle.start_enabled
        assert limits.used(record, ROOT) == 1


def test_l8_what_has_changed_before_it_was_written_down_costs_nothing():
    async def waiting(car):
        async with store.lock:
            car.command(START)
            await asyncio.sleep_ms(5)
            car.keys.records = []

    car = Limited(uses=2)
    record = car.record
    asyncio.run(waiting(car))
    car.finish()
    assert car.conn.last()["signedMessageStatus"]["signed_message_fault"] == faults.UNKNOWN_KEY_ID
    assert limits.used(record, ROOT) == 0


def test_l8_a_start_that_waited_too_long_for_the_flash_is_not_done_any_more():
    async def waiting(car, seconds):
        async with store.lock:
            car.command(START)
            await asyncio.sleep_ms(5)
            car.clock.advance(seconds)

    for seconds, done in ((5, True), (6, False)):
        car = Limited(uses=2)
        asyncio.run(waiting(car, seconds))
        car.finish()
        assert car.vehicle.start_enabled == done and car.used() == done
        if not done:
            assert fault(car.conn.last()) == faults.BUSY


def test_l9_one_use_at_a_time_of_one_key_and_another_keys_goes_on():
    async def both():
        car.command(START)
        car.command(START)

    car = Limited(uses=5)
    for used in (1, 2):
        del car.conn.sent[:]
        asyncio.run(both())
        car.finish()
        statuses = [decode(messages.ROUTABLE_MESSAGE, sent).get("signedMessageStatus") for sent in car.conn.sent]
        assert [status["signed_message_fault"] for status in statuses if status] == [faults.BUSY]
        assert len(statuses) == 2 and car.used() == used
    assert car.says(START) == 0 and car.used() == 3


def test_l9_who_comes_when_another_leaves_is_served():
    """What serves them is dropped with the last."""
    for pause in range(12):
        car = Limited(uses=5)

        async def one_after_the_other(pause=pause, car=car):
            car.command(START)
            for _ in range(pause):
                await asyncio.sleep_ms(0)
            car.command(START)

        asyncio.run(one_after_the_other())
        car.finish()
        faulty = [decode(messages.ROUTABLE_MESSAGE, sent).get("signedMessageStatus") for sent in car.conn.sent]
        assert [status["signed_message_fault"] for status in faulty if status] in ([], [faults.BUSY])
        assert car.used() == len([status for status in faulty if not status])


def test_l10_where_a_use_cannot_be_written_down_it_is_not_had():
    car = Limited(uses=2)
    car.flash.fail_after(1, 5, True)
    assert car.says(START) == faults.BUSY
    assert not car.vehicle.start_enabled
    car = Limited(uses=2)
    store.room = False
    try:
        assert car.says(START) == faults.BUSY
    finally:
        store.room = True
    assert not car.vehicle.start_enabled and car.used() == 0
    assert car.says(START) == 0


def test_l11_what_is_damaged_counts_as_all_spent():
    for at in range(limits.SIZE):
        car = Limited(uses=2)
        assert car.says(START) == 0
        flip(limits.path(ROOT, 0), at)
        assert car.used() == 2, at
        assert car.may() == LEAVE
    car = Limited(uses=2)
    assert car.says(START) == 0
    with open(limits.path(ROOT, 0), "wb") as f:
        f.write(b"\1" * 7)
    assert car.used() == 2


def test_l11_what_cannot_be_read_is_not_had():
    car = Limited(uses=2)
    car.command(START)
    car.finish()
    car.flash.fail_after(1, 5, True, True)
    assert car.says(UNLOCK) == faults.INACTIVE_KEY
    assert car.says(STATUS) == 0


def test_l12_uses_are_those_of_a_key_that_came_by_one_grant():
    car = Limited(uses=2, number=7)
    assert car.says(START) == car.says(START) == 0
    mine = car.record
    others = (
        owner(role=GUEST, uses=2, number=8),
        owner(other_key(1), role=GUEST, uses=2, number=7),
        owner(role=GUEST, uses=2, number=7, signer=b"else"),  # another maker's grant of that number
    )
    for other in others:
        other.slot = mine.slot
        assert limits.used(other, ROOT) == 0, "it is in that slot now"
    assert limits.used(mine, ROOT) == 2


def test_l12_slots_far_apart_have_rows_of_their_own():
    fresh()
    import os

    from latchkey.keys import charging

    os.mkdir(ROOT + "/uses")
    records = []
    for n, slot in enumerate((300, 0, 255, 256, 4095, 1)):
        record = owner(other_key(n), role=GUEST, uses=9)
        record.slot = slot
        for _ in range(n + 1):
            charging._spend(record, ROOT)
        records.append(record)
    assert [limits.used(record, ROOT) for record in records] == [1, 2, 3, 4, 5, 6]
    other = owner(role=GUEST, uses=9)
    other.slot = 77
    assert limits.used(other, ROOT) == 0, "a gap is nobody's"


def test_what_is_dead_is_so_for_good():
    keys = Keys()
    keys.root = ROOT
    fresh()
    keys.clock.least = NOW

    def dead(**limit):
        return limits.dead(owner(role=GUEST, **limit), keys)

    assert not dead(not_before=NOW + 99) and not dead(not_after=NOW + 99) and not dead(powered=99) and not dead(uses=1)
    assert dead(not_after=NOW) and dead(seconds=9)
    keys.clock.ahead = 0
    keys.clock.advance(50)
    assert not dead(powered=99), "what cannot be spent now is not over"
    assert dead(powered=50)


def test_a_limited_keys_record_says_so():
    for limit in ("seconds", "not_before", "not_after", "powered", "uses"):
        assert unpack(owner(**{limit: 1}).pack()).limited
    assert not owner(commands=2, number=7).limited


def test_without_limits_nothing_is_loaded_or_looked_at():
    keys = Keys()
    keys.clock = None
    for role in ROLES:
        policy.check(owner(role=role), Permission.READ, keys)
    try:
        policy.check(owner(role=GUEST), Permission.ADD_KEY, keys)
    except Fault as error:
        assert error.code == faults.INSUFFICIENT_PRIVILEGES
    else:
        raise AssertionError


def test_a_refusal_by_a_limit_is_told_as_any_other():
    car = Limited(uses=1)
    assert car.says(START) == 0
    _, reply = car.command(START, flags=2)
    assert fault(reply) == faults.INACTIVE_KEY
    assert car.events[-1]["why"] == "uses" and car.logged[-1][0] == "refused"
    assert "vehicleStatus" in vcsec(car.command(STATUS)[1])
