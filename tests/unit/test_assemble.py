# SPDX-License-Identifier: Apache-2.0
"""Put together on a fake board: what a car, a car in waiting and a new board are made of, and what they say."""

import asyncio
import os
import sys

import authority_vectors as vectors
import codes as faults
import named as messages
from latchkey import assemble, forget, provisioning
from latchkey.clock import Clock
from latchkey.crypto import random
from latchkey.faults import KeyRefused
from latchkey.roster import kept
from latchkey.session.barereply import BareReply
from latchkey.start import Start
from latchkey.store import calendarfile, files, logreader
from latchkey.tasks import Tasks
from latchkey.vehicle.pins import Pins
from named import decode
from ramflash import ROOT, RamFlash, fresh, key, mount, public
from simulated import board, esp32
from support import VIN, Conn, message
from test_start import CAR, PRIVATE, Repeating, with_repeats

OPENING = "latchkey.roster.opening"
PLAIN = b'{"vin": "5YJ30123456789ABC", "radio": false}'
HANDSHAKE = {
    "to_destination": {"domain": 2},
    "from_destination": {"routing_address": b"a" * 16},
    "session_info_request": {"public_key": b"\x04" * 65},
    "uuid": b"u" * 16,
}


class Running(Tasks):
    """Tasks that are noted and not run."""

    def __init__(self):
        super().__init__(None)
        self.names = []
        self.waiting = None

    def start(self, name, task, ends=False):
        self.names.append(name)
        if name == "waiting":
            self.waiting = task
        else:
            task.close()


class Made:
    """A board whose flash is new, or a car's with these settings; `counts` are what counting its start comes to."""

    def __init__(self, settings=PLAIN, counts=(), flash=None):
        if flash is None:
            esp32.ram.clear()
            flash = fresh()
            if settings:
                asyncio.run(provisioning.provision(ROOT, settings, PRIVATE, CAR))
        self.flash = flash
        mount(flash)
        from latchkey.store import boots

        counts = list(counts)
        count = boots.count
        if counts:
            boots.count = lambda root, report: counts.pop(0)
        try:
            self.start = Start(board, ROOT)
            self.tasks = Running()
            self.pins = Pins(self.start.settings.pins)
            self.parts = asyncio.run(assemble.assemble(self.start, self.pins, self.tasks))
            if counts and self.tasks.waiting:
                self._wait()
        finally:
            boots.count = count

    def _wait(self):
        """Let it try until it is a car."""
        self.slept = []

        async def at_once(ms):
            self.slept.append(ms)

        async def act():
            task = asyncio.create_task(self.tasks.waiting)
            while self.parts.car is None:
                await sleep(1)
            await sleep(1)
            assert not task.done(), "a task's end is the board's"

        sleep, assemble.asyncio.sleep_ms = asyncio.sleep_ms, at_once
        try:
            asyncio.run(act())
        finally:
            assemble.asyncio.sleep_ms = sleep

    def answer(self, fields=HANDSHAKE):
        """What the serial port answers, decoded."""
        conn = Conn()
        self.parts.serial.handle(conn, message(fields))
        return decode(messages.ROUTABLE_MESSAGE, conn.sent[-1])

    def fault(self):
        return self.answer()["signedMessageStatus"]["signed_message_fault"]

    def kinds(self):
        return [entry["kind"] for entry in logreader.entries(self.parts.car.log)]


def test_a_car_has_its_tasks_and_the_port_and_the_radio_that_its_settings_allow():
    made = Made()
    assert made.tasks.names == ["log", "serial in", "serial out"] and len(made.parts.links) == 1
    assert made.kinds() == ["boot"] and not made.parts.lost
    made = Made(b'{"vin": "5YJ30123456789ABC"}')
    assert made.tasks.names == ["log", "serial in", "serial out", "radio"]
    assert made.parts.links == [made.parts.serial, made.parts.radio]
    assert made.parts.hello()["vin"] == VIN.decode() and made.parts.hello()["boot"] == made.start.boot


def test_the_bench_is_there_when_the_settings_say_so_and_hears_what_happens():
    for bench, there in ((b"true", True), (b"false", False)):
        made = Made(b'{"vin": "5YJ30123456789ABC", "bench": ' + bench + b"}")
        assert (made.parts.serial._requests is not None) is there
        heard = []
        made.parts.serial.event = heard.append
        made.answer()
        assert [event["event"] for event in heard] == ["handshake"] * there
        if there:
            stats = asyncio.run(made.parts.serial._requests._handle({"op": "stats"}))["result"]
            assert stats["handshakes"] == 1 and stats["last_us"] > 0


def test_a_key_operation_that_is_refused_after_it_was_taken_is_answered():
    made = Made()
    conn = Conn()
    made.parts.car.desk.failed(conn, BareReply(conn), KeyRefused(12, "not there"))
    status = decode(messages.ROUTABLE_MESSAGE, conn.sent[-1])["protobuf_message_as_bytes"]
    told = decode(messages.FROM_VCSEC, status)["commandStatus"]["whitelistOperationStatus"]
    assert told["whitelistOperationInformation"] == 12


def test_a_new_board_has_the_port_alone_and_says_that_it_is_no_car():
    made = Made(None)
    assert made.tasks.names == ["serial in", "serial out"] and made.parts.car is None and len(made.parts.links) == 1
    assert made.fault() == faults.NOT_PROVISIONED


def test_a_car_whose_start_cannot_be_counted_says_busy_and_is_one_as_soon_as_it_can():
    made = Made(counts=(None, None))
    assert made.tasks.names == ["serial in", "serial out", "waiting"] and made.parts.car is None
    assert made.fault() == faults.BUSY
    made = Made(counts=(None, None, None, 7))
    assert made.parts.car.log.boot == 7 and "session_info" in made.answer()
    assert len(made.slept) == 1 and 1000 <= made.slept[0] <= 10000


def test_no_car_is_made_without_an_identity_or_a_number():
    for lacking in ("identity", "number"):
        made = Made()
        setattr(made.start, lacking, None)
        try:
            assemble.car(made.parts, made.start, None)
        except ValueError:
            continue
        raise AssertionError(lacking)


def test_a_lost_identity_is_drawn_anew_and_told_to_the_log_and_to_who_comes():
    made = Made()
    for name in ("/identity", "/twin/identity"):
        with open(ROOT + name, "wb") as file:
            file.write(b"rot")
    made = Made(flash=made.flash)
    assert made.start.identity != (PRIVATE, CAR)
    assert made.kinds() == ["boot", "boot", "identity"][-len(made.kinds()) :] and made.kinds()[-1] == "identity"
    assert made.parts.hello()["identity_lost"] is True


def test_a_car_without_an_authority_has_no_roster_and_loads_nothing_for_one():
    forget(OPENING)
    assert Made().parts.car.desk.keychain.roster is None and OPENING not in sys.modules


def test_a_car_has_the_roster_of_the_authority_in_its_settings():
    text = '{"vin": "5YJ30123456789ABC", "authority": {"root": "%s", "seal": "%s"}}' % (vectors.ROOT, vectors.SEAL)
    assert Made(text.encode()).parts.car.desk.keychain.roster.address.hex() == vectors.ADDRESS


def test_a_car_has_the_roster_of_the_authority_that_it_keeps_where_one_of_two_places_is_left_too():
    state = kept.State(bytes.fromhex(vectors.ROOT), bytes.fromhex(vectors.SEAL), 3, b"")
    made = Made()
    for path in files.places(ROOT, kept.NAME):
        files.run(files.write_sealed(path, kept.VERSION, kept.pack(state)))
    image = made.flash.image()
    for lost in ((), ("/roster/authority",), ("/twin/roster/authority",)):
        flash = mount(RamFlash(image))
        for name in lost:
            os.remove(ROOT + name)
        made = Made(flash=flash)
        assert made.parts.car.desk.keychain.roster.address.hex() == vectors.ADDRESS, lost


def test_a_car_goes_by_the_time_and_the_powered_seconds_that_it_has_kept():
    clock, late = Clock(), 1_900_000_000
    made = Made()
    clock.base = clock.ahead = 1000
    calendarfile.tell(clock, late)
    calendarfile.write(clock, ROOT, 1600)
    made = Made(flash=made.flash)
    assert late <= made.parts.clock.time() < late + 100
    assert made.parts.clock.until == 1600 and 1000 < made.parts.clock.powered() < 1600
    assert made.parts.car.desk.keychain.clock is made.parts.clock, "as its keys do"


def test_a_damaged_keychain_makes_a_car_of_the_keys_that_can_be_read():
    made = Made()
    keys = made.parts.car.desk.keychain
    asyncio.run(keys.apply(key(1)))
    asyncio.run(keys.apply(key(2)))
    bucket = keys.slots[keys.find(public(1)).slot]
    where = "%s/keys%d/%02x" % (ROOT, bucket % 8, bucket)
    with open(where, "wb") as file:
        file.write(b"rot" * 100)
    keys = Made(flash=made.flash).parts.car.desk.keychain
    assert keys.find(public(1)) is None and keys.find(public(2)) is not None


def test_a_source_that_repeats_makes_no_session_twice():
    def do():
        epochs = set()
        made = Made()
        asyncio.run(made.parts.car.desk.keychain.apply(key(1)))
        for _ in range(4):
            random.urandom, random._pool, random._drawn, random._healthy = Repeating(), b"", 0, False
            made = Made(flash=made.flash)
            epochs.add(made.parts.car.desk.sessions.find(public(1)).epoch)
        assert len(epochs) == 4

    with_repeats(do)


def test_every_task_of_a_car_takes_the_board_with_it_when_it_dies():
    """They are all started through the one guard: what that does is test_tasks.py's."""
    made = Made(b'{"vin": "5YJ30123456789ABC"}')
    names = []
    made.tasks.start = lambda name, task, ends=False: (names.append((name, ends)), task.close())
    assemble.car(made.parts, made.start, None)
    assert names == [("log", False)]


def test_the_contacts_of_the_board_reach_the_car():
    made = Made()
    made.pins.on_brake(True)
    assert made.parts.car.vehicle.brake_pressed
    made.pins.on_door(True)
    assert made.parts.car.vehicle.closures[0] == 1
    assert made.pins.on_card() is None, "nobody has asked"
