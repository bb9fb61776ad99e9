# SPDX-License-Identifier: Apache-2.0
"""Enrolment: one named key, one tap, thirty seconds; and the worker that carries changes out."""

import asyncio
import sys

import codes as faults
import named as messages
from latchkey.clock import Clock
from latchkey.faults import Fault, KeyRefused
from latchkey.keys import enrolment, limits
from latchkey.keys.asked import NO_KEY, Asked, Change
from latchkey.keys.changes import KeychainFull
from latchkey.keys.enrolment import TAP_WINDOW, Enrolment
from latchkey.keys.record import IMPERMANENT
from latchkey.keys.report import Report
from latchkey.session.sessions import Sessions
from latchkey.session.verify import Verified
from latchkey.store import calendarfile
from latchkey.store.logreader import KINDS
from latchkey.wire.schema import LogKind, Origin, Permission
from named import decode
from ramflash import ROOT, fresh
from support import CLIENT_PUBLIC, OWNER, VEHICLE_PRIVATE, VEHICLE_PUBLIC, Conn, K, Keys, other_key, owner
from test_whitelist import ADD, message, operation, removal

WHITELIST = "latchkey.keys.whitelist"


class Reply:
    def __init__(self, conn=None):
        self.conn = conn or Conn()
        self.verified = None
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


def inside():
    """A reply to the serial port."""
    conn = Conn()
    conn.inside = True
    return Reply(conn)


class Bench:
    def __init__(self, keys):
        self.keys = keys
        self.clock = keys.clock
        self.sessions = Sessions(keys, VEHICLE_PUBLIC)
        self.done = []
        self.logged = []
        self.events = []
        self.written = 0
        self.died = []
        report = Report(self, self.events.append)
        done = report.done

        def counted(*end):
            self.done.append(end)
            done(*end)

        report.done = counted
        self.enrolment = Enrolment(keys, self.sessions, self.clock, VEHICLE_PRIVATE, report, self.run, ("keys",))

    def refused(self, operation, reply):
        """The information that the request is refused with at once."""
        try:
            self.pair(operation, reply)
        except KeyRefused as refusal:
            return refusal.code
        raise AssertionError("taken")

    def kinds(self):
        return [entry[0] for entry in self.logged]

    def pair(self, operation, reply):
        self.enrolment.ask(operation, reply, None, WHITELIST)

    def manage(self, operation, reply, actor):
        self.enrolment.ask(operation, reply, actor, WHITELIST)

    def append(self, kind, *entry):
        self.logged.append((KINDS[kind],) + entry)

    async def flush(self):
        self.written = len(self.done)

    async def settle(self):
        """Let the worker finish what it has."""
        await asyncio.sleep_ms(0)
        while self.enrolment.job:
            await asyncio.sleep_ms(1)

    def run(self, name, task, ends):
        assert ends
        asyncio.create_task(self.guarded(task))

    async def guarded(self, task):
        try:
            await task
        except Exception as error:  # noqa: BLE001 - the board would restart
            self.died.append(error)


async def test_a_tap_enrols_the_pending_key_and_agrees_k():
    bench, reply = Bench(Keys()), Reply()
    bench.pair(operation(ADD), reply)
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
    bench.pair(operation(ADD), reply)
    bench.enrolment.tap()
    await bench.settle()
    assert reply.information() == 0 and reply.bench_written == 1


async def test_a_tap_is_good_for_one_key_once():
    bench = Bench(Keys())
    assert bench.enrolment.tap() is None
    bench.pair(operation(ADD), Reply())
    assert bench.enrolment.tap()
    assert bench.enrolment.tap() is None
    await bench.settle()
    assert bench.enrolment.tap() is None
    assert bench.keys.count == 1


async def test_without_a_tap_the_window_closes():
    bench, reply = Bench(Keys()), Reply()
    bench.pair(operation(ADD), reply)
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
    bench.pair(operation(ADD), first)
    assert bench.refused(operation(ADD, VEHICLE_PUBLIC), second) == faults.KEY_COULD_NOT_START_AUTH
    assert first.information() == faults.KEY_AUTH_CANCELLED
    assert bench.enrolment.tap() is None
    await bench.settle()
    assert bench.keys.count == 0


async def test_a_stranger_who_asks_twice_is_not_the_one_pending():
    """However often, and however far apart, until a whole window has passed without a request."""
    for pause in (0, 1, 29):
        bench, stranger = Bench(Keys()), Conn()
        bench.pair(operation(ADD), Reply())
        for _ in range(18):
            assert bench.refused(operation(ADD, VEHICLE_PUBLIC), Reply(stranger)) == faults.KEY_COULD_NOT_START_AUTH
            bench.clock.advance(pause)
            assert not bench.enrolment.pending and bench.enrolment.tap() is None
        assert bench.kinds().count("collision") == 1, "one window is one entry"
        bench.clock.advance(TAP_WINDOW)
        bench.pair(operation(ADD), Reply())
        assert bench.enrolment.tap() == owner().id


async def test_a_tap_while_two_have_asked_says_why_it_approves_nobody():
    bench = Bench(Keys())
    bench.pair(operation(ADD), Reply())
    bench.refused(operation(ADD, VEHICLE_PUBLIC), Reply())
    bench.clock.advance(10)
    assert bench.enrolment.tap() is None
    assert bench.events[-1]["event"] == "refused" and bench.events[-1]["by"] == "card"
    assert bench.logged[-1] == ("refused", "", None, Permission.CHANGE_KEY, 0, faults.KEY_COULD_NOT_START_AUTH)
    assert bench.enrolment.collision == TAP_WINDOW - 10
    bench.clock.advance(TAP_WINDOW - 10)
    assert bench.enrolment.collision == 0


async def test_nothing_in_a_request_can_be_changed_under_the_tap():
    """Pairing requests are not signed: somebody who hears one could ask for more, or for less, in its name."""
    asked = {"role": 3, "label": b"Ann"}
    for other in ({"role": OWNER}, {"label": b"Bob"}, {"secondsToBeActive": 1}):
        for conn in (None, Conn()):
            bench, first = Bench(Keys()), Reply()
            bench.pair(operation(ADD, **asked), first)
            changed = dict(asked)
            changed.update(other)
            assert bench.refused(operation(ADD, **changed), Reply(conn or first.conn)) == 23
            assert first.information() == faults.KEY_AUTH_CANCELLED
            assert bench.enrolment.tap() is None


async def test_what_is_kept_of_a_request_is_not_in_the_buffer_that_the_next_one_comes_in():
    bench, reply = Bench(Keys()), Reply()
    buffer = bytearray(operation(ADD))
    bench.pair(memoryview(buffer), reply)
    buffer[:] = bytes(len(buffer))
    assert bench.enrolment.tap()
    await bench.settle()
    assert bench.keys.find(CLIENT_PUBLIC).label == ""


async def test_the_same_request_on_another_connection_is_anothers():
    """It would take the answer away."""
    bench, first, second = Bench(Keys()), Reply(), Reply()
    second.conn.name = first.conn.name  # the radio's names come again
    bench.pair(operation(ADD), first)
    assert bench.refused(operation(ADD), second) == faults.KEY_COULD_NOT_START_AUTH
    assert bench.enrolment.tap() is None


async def test_the_same_key_may_ask_again_on_its_connection():
    bench, first = Bench(Keys()), Reply()
    second = Reply(first.conn)
    bench.pair(operation(ADD), first)
    bench.clock.advance(TAP_WINDOW - 1)
    bench.pair(operation(ADD), second)
    bench.clock.advance(TAP_WINDOW - 1)
    assert second.waited and bench.enrolment.tap()
    await bench.settle()
    assert second.information() == 0 and not first.statuses
    assert bench.keys.count == 1


async def test_who_asks_inside_the_car_is_hindered_by_nobody_on_the_air():
    bench, victim, driver, late = Bench(Keys()), Reply(), inside(), Reply()
    bench.pair(operation(ADD), victim)
    bench.refused(operation(ADD, VEHICLE_PUBLIC), Reply())
    bench.pair(operation(ADD), driver)
    assert bench.enrolment.collision == 0, "the light is to say that a tap counts"
    assert bench.refused(operation(ADD, VEHICLE_PUBLIC), late) == faults.KEY_COULD_NOT_START_AUTH
    assert bench.enrolment.tap() == owner().id
    await bench.settle()
    assert driver.information() == 0


async def test_who_asks_inside_the_car_takes_the_place_of_who_asked_on_the_air():
    bench, air, driver = Bench(Keys()), Reply(), inside()
    bench.pair(operation(ADD, VEHICLE_PUBLIC), air)
    bench.pair(operation(ADD), driver)
    assert air.information() == faults.KEY_AUTH_CANCELLED
    assert bench.enrolment.tap() == owner().id
    assert "collision" not in bench.kinds()


async def test_two_who_ask_inside_the_car_are_turned_away_and_nobody_on_the_air_profits():
    bench, first = Bench(Keys()), inside()
    bench.pair(operation(ADD), first)
    assert bench.refused(operation(ADD, VEHICLE_PUBLIC), inside()) == faults.KEY_COULD_NOT_START_AUTH
    assert first.information() == faults.KEY_AUTH_CANCELLED
    assert bench.refused(operation(ADD), Reply()) == faults.KEY_COULD_NOT_START_AUTH
    assert bench.enrolment.tap() is None
    bench.clock.advance(TAP_WINDOW)
    bench.pair(operation(ADD), inside())
    assert bench.enrolment.tap()


async def test_a_signed_change_is_made_while_two_have_asked():
    friend = owner(other_key(2), role=3)
    bench, reply = Bench(Keys(owner(other_key(1)), friend)), Reply()
    bench.pair(operation(ADD), Reply())
    bench.refused(operation(ADD, VEHICLE_PUBLIC), Reply())
    bench.manage(removal(friend.public), reply, owner(other_key(1)))
    await bench.settle()
    assert reply.information() == 0


async def test_a_late_tap_approves_nobody_who_asked_after_it_was_meant_for_another():
    bench, victim, stranger = Bench(Keys()), Reply(), Reply()
    bench.pair(operation(ADD), victim)
    bench.clock.advance(TAP_WINDOW + 1)
    assert bench.refused(operation(ADD, VEHICLE_PUBLIC), stranger) == faults.KEY_COULD_NOT_START_AUTH
    assert bench.enrolment.tap() is None
    bench.clock.advance(TAP_WINDOW)
    bench.pair(operation(ADD), Reply())
    assert bench.enrolment.tap()


async def test_who_was_too_late_for_the_card_may_ask_again_at_once():
    """The official client hangs up: it asks again on a new connection."""
    bench = Bench(Keys())
    bench.pair(operation(ADD), Reply())
    bench.clock.advance(TAP_WINDOW + 1)
    bench.pair(operation(ADD), Reply())
    assert bench.enrolment.tap() == owner().id


async def test_people_tap_twice_and_the_second_tap_approves_nobody_on_the_air():
    bench, stranger = Bench(Keys()), Reply()
    bench.pair(operation(ADD), Reply())
    assert bench.enrolment.tap()
    await bench.settle()
    bench.pair(operation(ADD, VEHICLE_PUBLIC), stranger)
    for _ in range(9):
        assert bench.enrolment.tap() is None, "however long it goes on"
        bench.clock.advance(3)
    bench.clock.advance(1)
    assert bench.enrolment.tap(), "a new one"


async def test_taps_that_go_on_approve_nobody_who_asks_between_them():
    bench = Bench(Keys())
    bench.pair(operation(ADD), Reply())
    for _ in range(4):  # the first approves, and then the phone takes its time to say so
        bench.enrolment.tap()
        await bench.settle()
        bench.clock.advance(2)
    bench.pair(operation(ADD, VEHICLE_PUBLIC), Reply())
    assert bench.enrolment.tap() is None
    assert bench.keys.count == 1


async def test_taps_from_a_time_in_which_two_have_asked_do_not_reach_into_the_next():
    bench = Bench(Keys())
    bench.pair(operation(ADD), Reply())
    bench.refused(operation(ADD, VEHICLE_PUBLIC), Reply())
    bench.clock.advance(TAP_WINDOW - 1)
    assert bench.enrolment.tap() is None
    bench.clock.advance(1)
    bench.pair(operation(ADD, VEHICLE_PUBLIC), Reply())
    bench.clock.advance(1)
    assert bench.enrolment.tap() is None
    bench.clock.advance(4)
    assert bench.enrolment.tap()


async def test_a_plan_is_made_again_at_the_tap():
    """In thirty seconds an owner can have enrolled that key for less."""
    bench, reply = Bench(Keys(owner(other_key(1)))), Reply()
    bench.pair(operation(ADD), reply)
    bench.keys.put(owner(CLIENT_PUBLIC, role=3))
    assert bench.enrolment.tap() is None
    assert reply.information() == faults.KEY_ALREADY_ON_WHITELIST
    await bench.settle()
    assert bench.keys.find(CLIENT_PUBLIC).role == 3


async def test_nothing_is_changed_by_a_plan_from_before_another_change():
    """An owner asks for a removal that was right; meanwhile an interrupted change is finished, and it is not."""

    class Interrupted(Keys):
        async def settle(self):
            self.records = [record for record in self.records if record.public != other_key(2)]

    last, second = owner(other_key(1)), owner(other_key(2))
    timed = owner(other_key(3), seconds=60, powered=60)
    bench, reply = Bench(Interrupted(last, second, timed)), Reply()
    bench.manage(removal(last.public), reply, timed)
    await bench.settle()
    assert reply.information() == faults.KEY_NO_PERMISSION_TO_REMOVE
    assert bench.keys.find(last.public)
    bench = Bench(Interrupted(last, second, timed))
    bench.manage(removal(timed.public), reply, second)
    await bench.settle()
    assert reply.information() == faults.KEY_NOT_ON_WHITELIST, "who asked is not enrolled any more"
    assert bench.keys.find(timed.public)


async def test_no_room_for_a_plan_costs_one_request():
    class Tight(Keys):
        full = False

        def find(self, public):
            if self.full:
                raise MemoryError
            return super().find(public)

    bench, reply = Bench(Tight()), inside()
    bench.pair(operation(ADD), reply)
    bench.keys.full = True
    assert bench.enrolment.tap() is None
    assert reply.information() == faults.KEY_UNDOCUMENTED_ERROR
    bench.keys.full = False
    bench.pair(operation(ADD), reply)
    assert bench.enrolment.tap()
    bench.keys.full = True  # and in the worker
    await bench.settle()
    assert reply.information() == faults.KEY_UNDOCUMENTED_ERROR and not bench.keys.records
    bench.keys.full = False
    bench.pair(operation(ADD), reply)
    assert bench.enrolment.tap()
    await bench.settle()
    assert reply.information() == 0


async def test_a_signed_change_is_logged_with_the_hash_of_its_request():
    friend = owner(other_key(2), role=3)
    bench, reply = Bench(Keys(owner(), friend)), Reply()
    reply.verified = Verified(None, b"", b"\x05the tag")
    bench.manage(removal(friend.public), reply, owner())
    await bench.settle()
    assert bench.logged[0][0] == "command" and bench.logged[0][-1] == b"\x05the tag"


async def test_a_removed_keys_session_ends():
    friend = owner(other_key(2), role=3)
    bench, reply = Bench(Keys(owner(), friend)), Reply()
    bench.sessions.spend(bench.sessions.find(friend.public), 1)  # it is kept, as that of a key in use is
    bench.manage(removal(friend.public), reply, owner())
    await bench.settle()
    assert reply.information() == 0
    assert reply.statuses[-1]["whitelistOperationStatus"]["signerOfOperation"]["publicKeySHA1"] == owner().id
    assert bench.sessions.find(friend.public) is None


async def test_the_sessions_of_impermanent_keys_end_with_them():
    passing = owner(other_key(2), role=3, flags=IMPERMANENT)
    bench, reply = Bench(Keys(owner(), passing)), Reply()
    bench.sessions.spend(bench.sessions.find(passing.public), 1)
    bench.manage(message({"removeAllImpermanentKeys": 1}), reply, owner())
    await bench.settle()
    assert reply.information() == 0 and bench.sessions.find(passing.public) is None


async def test_the_powered_seconds_of_a_timed_key_start_with_its_enrolment_and_are_in_flash_before_it():
    fresh()
    bench, reply = Bench(Keys()), Reply()
    bench.keys.root = ROOT
    bench.clock.advance(1000)
    bench.pair(operation(ADD, secondsToBeActive=60), reply)
    bench.enrolment.tap()
    await bench.settle()
    record = bench.keys.find(CLIENT_PUBLIC)
    assert reply.information() == 0 and record.seconds == 60 and 59 <= limits.left(record, bench.clock) <= 60
    again = Clock()
    calendarfile.opened(again, ROOT, print)
    assert again.until == record.powered and limits.left(record, again) == 0, "a minute is spent ahead"


class Given(Asked):
    """Enrols a key as it was given; it is the module of its kind, too."""

    def __init__(self, record):
        super().__init__(b"", Reply(), None)
        self.record = record

    def asked(self, operation, reply, actor):
        return self

    def plan(self, keychain):
        return Change(LogKind.ENROLLED, self.record)

    def done(self, code, signer):
        assert code == 0


async def enrolled(**more):
    """A new key with these fields, as the keychain has it then."""
    bench = Bench(Keys())
    origin = more.pop("origin")
    record = owner(shared=NO_KEY, **more)
    record.origin = origin
    sys.modules["given"] = asked = Given(record)
    try:
        bench.enrolment.ask(b"", asked.reply, None, "given")
        await bench.settle()
    finally:
        del sys.modules["given"]
    return bench.keys.find(CLIENT_PUBLIC)


async def test_a_new_key_has_a_salt_for_its_grants_and_one_that_came_by_a_grant_keeps_that_ones_number():
    first, second = await enrolled(origin=Origin.CARD_TAP), await enrolled(origin=Origin.OWNER_COMMAND)
    assert first.number != second.number and first.number and second.number
    record = await enrolled(origin=Origin.GRANT, number=7)
    assert record.number == 7 and record.shared == K


async def test_powered_seconds_that_have_begun_go_on_and_cost_no_flash():
    """Nothing could be written here."""
    assert (await enrolled(origin=Origin.GRANT, seconds=60, powered=90)).powered == 90


async def test_what_counts_powered_seconds_is_loaded_a_module_in_a_stretch():
    names = ("latchkey.store.calendarfile",)
    bench, reply, loaded = Bench(Keys(owner(other_key(1)))), Reply(), []

    async def load(*names):
        loaded.extend(names)
        await real(*names)

    real, enrolment.load = enrolment.load, load
    try:
        for more, wanted in (({}, []), ({"secondsToBeActive": 60}, list(names))):
            bench.manage(operation(ADD, **more), reply, owner(other_key(1)))
            await bench.settle()
            assert loaded == wanted
            bench.keys.records = [record for record in bench.keys.records if record.public != CLIENT_PUBLIC]
    finally:
        enrolment.load = real


async def test_a_timed_key_whose_seconds_cannot_be_counted_is_not_enrolled():
    bench, reply = Bench(Keys()), Reply()
    bench.pair(operation(ADD, secondsToBeActive=60), reply)
    bench.enrolment.tap()
    await bench.settle()
    assert reply.information() == faults.KEY_UNDOCUMENTED_ERROR and not bench.keys.find(CLIENT_PUBLIC)


async def test_a_changed_role_begins_a_new_session():
    friend = owner(other_key(2), role=3)
    bench = Bench(Keys(owner(), friend))
    before = bench.sessions.find(friend.public)
    bench.manage(operation("updateKeyAndPermissions", friend.public, 8), Reply(), owner())
    await bench.settle()
    after = bench.sessions.find(friend.public)
    assert after.record.role == 8
    assert after.epoch != before.epoch


async def test_while_one_change_is_made_another_is_told_busy():
    friends = [owner(other_key(n), role=3) for n in (2, 3)]
    bench = Bench(Keys(owner(), *friends))
    bench.manage(removal(friends[0].public), Reply(), owner())
    try:
        bench.manage(removal(friends[1].public), Reply(), owner())
    except Fault as fault:
        assert fault.code == faults.BUSY
    else:
        raise AssertionError("two changes at once")
    await bench.settle()
    assert bench.keys.count == 2


async def test_a_keychain_that_fills_up_meanwhile_is_told():
    class Full(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False, spent=b""):
            raise KeychainFull

    bench, reply = Bench(Full()), Reply()
    bench.pair(operation(ADD), reply)
    bench.enrolment.tap()
    await bench.settle()
    assert reply.information() == faults.KEY_WHITELIST_FULL


async def test_a_store_that_fails_is_told_and_the_worker_lives_on():
    class Worn(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False, spent=b""):
            raise OSError(28)

    bench, reply = Bench(Worn()), Reply()
    for _ in range(2):
        bench.clock.advance(5)
        bench.pair(operation(ADD), reply)
        bench.enrolment.tap()
        await bench.settle()
        assert reply.information() == faults.KEY_UNDOCUMENTED_ERROR
    assert bench.done[-1][3] == "OSError(28,)"


async def test_a_tap_approves_nothing_while_a_change_is_being_made_and_then_does():
    friend = owner(other_key(2), role=3)
    bench = Bench(Keys(owner(other_key(1)), friend))
    bench.manage(removal(friend.public), Reply(), owner(other_key(1)))
    bench.pair(operation(ADD), Reply())
    assert bench.enrolment.tap() is None
    await bench.settle()
    assert bench.enrolment.tap()
    await bench.settle()
    assert bench.keys.find(CLIENT_PUBLIC)


def rounds(bench, count=10):
    """Is it over after so many rounds of housekeeping?"""
    return any(bench.enrolment.tick() for _ in range(count))


async def test_it_is_over_when_nothing_has_to_be_remembered_and_no_sooner():
    """What a tap may not mean is forgotten with it."""
    bench = Bench(Keys(owner(other_key(1))))
    bench.pair(operation(ADD), Reply())
    assert not rounds(bench), "it is pending"
    bench.refused(operation(ADD, VEHICLE_PUBLIC), Reply())
    assert not rounds(bench), "two have asked"
    bench.clock.advance(TAP_WINDOW)
    assert rounds(bench)
    bench = Bench(Keys(owner(other_key(1))))
    bench.pair(operation(ADD), Reply())
    bench.clock.advance(TAP_WINDOW)
    assert not rounds(bench), "a late tap may come"
    bench.clock.advance(TAP_WINDOW)
    assert rounds(bench)
    bench = Bench(Keys(owner(other_key(1))))
    bench.pair(operation(ADD), Reply())
    assert bench.enrolment.tap()
    assert not rounds(bench), "a change is being made"
    await bench.settle()
    assert not rounds(bench), "the same tap may come twice"
    bench.clock.advance(4)
    assert rounds(bench)


async def test_a_change_that_nobody_knows_the_end_of_restarts_the_car():
    class Unclear(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False, spent=b""):
            raise RuntimeError("is it written down?")

    bench, reply = Bench(Unclear()), Reply()
    bench.pair(operation(ADD), reply)
    bench.enrolment.tap()
    await bench.settle()
    assert len(bench.died) == 1 and not reply.statuses, "and says nothing before"


async def test_what_is_signed_is_done_at_once_and_what_is_not_waits_for_a_tap():
    friend = owner(other_key(2), role=3)
    bench, reply = Bench(Keys(owner(other_key(1)), friend)), Reply()
    assert bench.enrolment.modules == ("keys",)
    bench.enrolment.ask(operation(ADD), reply, None, WHITELIST)
    assert bench.enrolment.pending.change.record.public == CLIENT_PUBLIC
    assert bench.events == [{"event": "pending", "key": owner().id.hex(), "role": OWNER}] and not bench.logged
    bench.enrolment.ask(removal(friend.public), reply, owner(other_key(1)), WHITELIST)
    await bench.settle()
    assert reply.information() == 0 and bench.keys.find(friend.public) is None
    assert bench.kinds() == ["command", "removed"] and bench.enrolment.pending


async def test_whoever_asks_or_changes_a_key_keeps_it_from_being_over():
    bench = Bench(Keys(owner(other_key(1)), owner(other_key(2), role=3)))
    for _ in range(5):
        assert not bench.enrolment.tick() and not bench.enrolment.tick()
        try:
            bench.enrolment.ask(removal(CLIENT_PUBLIC), Reply(), None, WHITELIST)
        except KeyRefused:
            continue
        raise AssertionError("nobody signed it")
    bench.enrolment.ask(removal(other_key(2)), Reply(), owner(other_key(1)), WHITELIST)
    assert not rounds(bench), "no card is needed, and it is being made"
    await bench.settle()
    assert rounds(bench)


async def test_who_was_too_late_is_told_so_and_logged_also_when_the_next_one_asks_first():
    bench, late = Bench(Keys()), Reply()
    bench.pair(operation(ADD), late)
    bench.clock.advance(2 * TAP_WINDOW)
    bench.pair(operation(ADD, VEHICLE_PUBLIC), Reply())
    assert late.information() == faults.KEY_NO_TAP_IN_TIME
    assert bench.logged == [("refused", "", owner().id, 1024, 0, faults.KEY_NO_TAP_IN_TIME, b"")]


async def test_two_on_the_air_do_not_hinder_who_asks_inside_the_car():
    bench, mine = Bench(Keys()), inside()
    bench.pair(operation(ADD), mine)
    for public in (VEHICLE_PUBLIC, CLIENT_PUBLIC):
        bench.refused(operation(ADD, public), Reply())
    assert bench.enrolment.pending.asked.reply is mine
    assert bench.enrolment.tap() == owner().id
    await bench.settle()


async def test_a_tap_at_a_car_that_nobody_asked_is_no_entry():
    bench = Bench(Keys())
    assert bench.enrolment.tap() is None
    assert not bench.logged and not bench.events


async def test_a_change_ends_the_sessions_of_the_keys_it_is_about_and_no_others():
    bench = Bench(Keys(owner(other_key(1)), owner(other_key(2), role=3)))
    ended = []
    bench.sessions.drop = lambda public=None: ended.append(public)
    signer = owner(other_key(1))
    for signed, key in ((removal(other_key(2)), other_key(2)), (operation(ADD), CLIENT_PUBLIC)):
        bench.manage(signed, Reply(), signer)
        await bench.settle()
        assert ended == [key]
        del ended[:]


async def test_no_session_outlives_a_change_whose_end_found_no_memory():
    bench, reply = Bench(Keys(owner(other_key(1)))), Reply()
    ended = []
    bench.sessions.drop = lambda public=None: ended.append(public)

    async def tight():
        raise MemoryError

    bench.flush = tight
    bench.manage(operation(ADD), reply, owner(other_key(1)))
    await bench.settle()
    assert ended == [CLIENT_PUBLIC, None] and not reply.statuses and not bench.died


async def test_the_bench_hears_why_a_change_was_refused_after_all():
    friend = owner(other_key(2), role=3)
    bench = Bench(Keys(owner(other_key(1)), friend))
    bench.manage(removal(friend.public), Reply(), owner(other_key(1)))
    bench.keys.records = [record for record in bench.keys.records if record.public != other_key(1)]
    await bench.settle()
    assert bench.events[-1]["why"] == "its signer is not enrolled any more"


async def test_what_takes_several_changes_ends_with_one_that_cannot_be_made():
    class Worn(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False, spent=b""):
            raise OSError(5)

    class Asking(Asked):
        more = True
        answers = ()

        def plan(self, keychain):
            return Change(LogKind.REMOVED, None, (other_key(2),))

        def done(self, code, signer):
            self.answers += (code,)

    bench = Bench(Worn())
    asked = Asking(b"", Reply(), None)
    bench.enrolment._manage(asked)
    await bench.settle()
    assert asked.answers == (faults.KEY_UNDOCUMENTED_ERROR,) and len(bench.done) == 1


async def test_what_takes_several_changes_is_answered_after_the_last_of_them():
    class Several(Keys):
        async def apply(self, add, remove=(), drop_impermanent=False, spent=b""):
            made.append(remove)

    class Asking(Asked):
        more = True
        answers = ()

        def plan(self, keychain):
            return Change(LogKind.REMOVED, None, (other_key(len(made)),))

        async def prepare(self, keychain):
            self.more = len(made) < 2

        def done(self, code, signer):
            self.answers += (code,)

    made = []
    bench = Bench(Several())
    asked = Asking(b"", Reply(), None)
    bench.enrolment._manage(asked)
    await bench.settle()
    assert made == [(other_key(n),) for n in range(3)] and asked.answers == (0,)
    assert len(bench.done) == 3, "each is in the log"
