# SPDX-License-Identifier: Apache-2.0
"""An owner tells a car the time (docs/protocol.md, "Time", T3 to T7)."""

import asyncio

import codes as faults
from latchkey import timetoken
from latchkey.clock import Clock
from latchkey.faults import KeyRefused
from latchkey.store import calendarfile
from latchkey.wire import timemessages
from latchkey.wire.pb import decode, encode
from latchkey.wire.schema import LogKind, ToLatchkey
from ramflash import ROOT, mount
from support import CLIENT_PUBLIC, DRIVER, opened, other_key, owner
from test_view import Car

HOUR, DAY = 3600, 86400
NOW = 2_000_000_000


class Reply:
    """Of an operation that waits for the card."""

    def __init__(self):
        self.told = []

    def payload(self, payload, fault=0):
        self.told.append(answer(payload))


def answer(payload):
    told = decode(timemessages.FROM_LATCHKEY, payload)[ToLatchkey.time]
    return {name: told.get(number, 0) for number, name in ((1, "time"), (2, "known"), (3, "waiting"), (4, "code"))}


def token(seconds, anyway=False):
    return encode(timemessages.TO_LATCHKEY, {ToLatchkey.time: {1: seconds, 2: int(anyway) or None}})


class Timed(Car):
    """A car with an owner and a driver, to whom nobody has told the time; it is NOW."""

    def __init__(self):
        super().__init__(owner(), owner(other_key(1), role=DRIVER))
        self.root = ROOT
        self.asked = []
        self.desk.ask = lambda *asked: self.asked.append(asked)
        self.desk.failed = self.router.failed
        self.logged = []
        self.log.append = lambda *entry: self.logged.append(entry[:3] + entry[5:6])
        self.clock.least = NOW - self.clock.now()
        calendarfile.write(self.clock, ROOT, 0)

    def tell(self, seconds, anyway=False, public=CLIENT_PUBLIC):
        """What the car answers: a dict, or a fault."""
        fields, _ = self.request(token(seconds, anyway), public)
        asyncio.run(moment())
        if self.asked:
            return None
        reply = self.conn.last()
        status = reply.get("signedMessageStatus")
        return status["signed_message_fault"] if status else answer(opened(reply, fields)[0])

    def kept(self):
        """What the next start goes by."""
        clock = Clock()
        calendarfile.opened(clock, ROOT, print)
        return clock.time()


async def moment():
    for _ in range(9):
        await asyncio.sleep_ms(0)


def near(seconds, time):
    return seconds <= time <= seconds + 2


def test_t3_it_is_known_by_an_owners_word_until_the_next_start():
    car = Timed()
    assert not car.clock.known
    told = car.tell(NOW + 60)
    assert near(NOW + 60, told["time"]) and told["known"] and not told["code"]
    assert car.clock.known and near(NOW + 60, car.clock.time()) and not car.logged


def test_t4_who_is_no_owner_tells_nothing():
    car = Timed()
    assert car.tell(NOW + 60, public=other_key(1)) == faults.INSUFFICIENT_PRIVILEGES
    assert car.tell(NOW - 9 * DAY, True, other_key(1)) == faults.INSUFFICIENT_PRIVILEGES
    assert near(NOW, car.clock.time()) and not car.clock.known and not car.asked


def test_t4_what_raises_it_by_more_than_an_hour_is_kept_before_the_answer_and_less_is_not():
    car = Timed()
    for seconds, kept in ((NOW + 60, NOW), (NOW + HOUR, NOW), (NOW + 2 * HOUR + 9, NOW + 2 * HOUR + 9)):
        assert near(seconds, car.tell(seconds)["time"])
        assert near(kept, car.kept())


def test_t4_by_more_than_a_day_it_is_in_the_log():
    car = Timed()
    car.tell(NOW + DAY)
    assert not car.logged
    car.tell(NOW + 3 * DAY)
    assert car.logged == [(LogKind.TIME, "test/1", owner().id, 0)]


def test_t4_what_cannot_be_kept_is_not_told():
    for error, forever in ((5, True), (28, True)):
        car = Timed()
        car.flash.fail_after(1, error, forever)
        told = car.tell(NOW + 2 * DAY)
        assert told["code"] == faults.KEY_UNDOCUMENTED_ERROR and near(NOW, told["time"]) and not told["known"]
        assert not car.logged
        car.flash.fail_after(0)
        mount(car.flash)
        assert near(NOW + 2 * DAY, car.tell(NOW + 2 * DAY)["time"])


def test_t5_a_leap_of_more_than_400_days_wants_to_be_meant():
    car = Timed()
    for seconds in (NOW + 400 * DAY + 9, 0xFFFFFFFF):
        told = car.tell(seconds)
        assert told["code"] == faults.KEY_UNDOCUMENTED_ERROR and near(NOW, told["time"]) and not told["known"]
    assert near(NOW + 400 * DAY, car.tell(NOW + 400 * DAY)["time"])
    assert car.tell(0xFFFFFFFF, True)["time"] == 0xFFFFFFFF
    assert car.kept() >= 0xFFFFFFFF


def test_t6_nothing_goes_back_by_the_word_of_an_owner_alone():
    car = Timed()
    for seconds in (0, NOW - DAY - 9):
        told = car.tell(seconds)
        assert near(NOW, told["time"]) and not told["known"] and not told["code"]
    for anyway in (False, True):
        assert near(NOW, car.tell(NOW - DAY + 9, anyway)["time"]) and car.clock.known
        car.clock.known = False


def test_t7_back_is_a_pending_change_for_the_card():
    car = Timed()
    assert car.tell(NOW - 2 * DAY, True) is None
    [(operation, _, record, kind)] = car.asked
    assert kind == "latchkey.timetoken" and record.public == CLIENT_PUBLIC
    reply = Reply()
    asked = timetoken.asked(bytes(operation), reply, record.public)
    change = asked.plan(car.keychain)
    assert asked.tap and (change.public, change.role, change.kind) == (CLIENT_PUBLIC, record.role, LogKind.TIME)
    asked.waiting()
    assert reply.told == [{"time": 0, "known": 0, "waiting": 1, "code": 0}]
    car.clock.advance(20)
    change = asked.plan(car.keychain)
    asyncio.run(change.make(car.keychain, car.clock))
    asked.done(0, record.id)
    assert near(NOW - 2 * DAY + 20, reply.told[1]["time"]) and reply.told[1]["known"], "it has passed meanwhile"
    assert near(NOW - 2 * DAY + 20, car.kept()) and car.clock.known


def test_t7_who_may_not_any_more_is_refused_at_the_tap():
    car = Timed()
    asked = timetoken.asked(token(NOW - 9 * DAY, True), Reply(), other_key(1))
    for public in (other_key(1), other_key(9)):
        asked.actor = public
        try:
            asked.plan(car.keychain)
        except KeyRefused as refused:
            assert refused.code == faults.KEY_NO_PERMISSION_TO_CHANGE and answer(refused.answer)["code"] == refused.code
        else:
            raise AssertionError


def test_t7_what_cannot_be_kept_stays_as_it_is():
    car = Timed()
    change = timetoken.Back(NOW - 9 * DAY, 0, owner())
    car.flash.fail_after(1, 5, True)
    try:
        asyncio.run(change.make(car.keychain, car.clock))
    except OSError:
        pass
    else:
        raise AssertionError
    assert near(NOW, car.clock.time()) and not car.clock.known


def test_t7_never_below_the_firmwares_date():
    car = Timed()
    asyncio.run(timetoken.Back(5, 0, owner()).make(car.keychain, car.clock))
    assert near(Clock().least, car.clock.time())


def test_two_words_at_once_leave_the_later_time():
    car = Timed()

    async def both():
        for seconds in (NOW + 9 * DAY, NOW + 5 * DAY):
            car.request(token(seconds))

    asyncio.run(both())
    asyncio.run(moment())
    assert near(NOW + 9 * DAY, car.clock.time()) and near(NOW + 9 * DAY, car.kept())
