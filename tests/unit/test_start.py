# SPDX-License-Identifier: Apache-2.0
"""A start that is not counted makes nothing that is signed, and a source that repeats makes nothing twice."""

import asyncio
import sys

import board
import esp32

import codes as faults
import named as messages
from latchkey import agent, crypto, start, unprovisioned
from latchkey.clock import Clock
from latchkey.crypto import random
from latchkey.keys.keychain import Keychain
from latchkey.session.sessions import Sessions
from latchkey.store import boots, files, formats, provisioning
from named import decode
from ramflash import ROOT, RamFlash, fresh, key, mount, public
from support import VIN, Conn, message

SETTINGS = b'{"vin": "5YJ30123456789ABC"}'
PRIVATE, CAR = b"p" * 32, b"\x04" + b"c" * 64


class Repeating:
    """os.urandom of a board whose source says the same after every reset."""

    def __init__(self):
        self.n = 0

    def __call__(self, size):
        data = b""
        while len(data) < size:
            self.n += 1
            data += crypto.sha256(b"%d" % self.n)
        return data[:size]


def booted(flash):
    """A boot with that source, up to the epoch of a key's session; None for the epoch when the start is not counted."""
    mount(flash)
    random.urandom, random._pool, random._drawn, random._healthy = Repeating(), b"", 0, False
    number = boots.count(ROOT, print)
    if number is None:
        return None, None
    crypto.stir(PRIVATE, number)
    keys = Keychain(ROOT, print)
    keys.open()
    return number, Sessions(keys, Clock(), CAR).find(public(1)).epoch


def prepared():
    esp32.ram.clear()
    flash = fresh()

    async def prepare():
        await provisioning.provision(ROOT, SETTINGS, PRIVATE, CAR)
        keys = Keychain(ROOT, print)
        keys.open()
        await keys.apply(key(1))

    asyncio.run(prepare())
    return flash


def with_repeats(do):
    real = random.urandom, random._pool, random._drawn, random._healthy
    try:
        do()
    finally:
        random.urandom, random._pool, random._drawn, random._healthy = real


def test_a_source_that_repeats_makes_no_epoch_twice():
    def do():
        flash = prepared()
        epochs = [booted(flash)[1] for _ in range(5)]
        assert len(set(epochs)) == 5

    with_repeats(do)


def test_on_a_flash_that_cannot_be_written_nvs_counts_and_without_that_there_is_no_epoch():
    def do():
        flash = prepared()
        first, epoch = booted(flash)
        image = flash.image()
        for error in (5, 28):
            flash = RamFlash(image)
            flash.fail_after(1, error, forever=True)
            number, other = booted(flash)
            assert number == first + (1 if error == 5 else 2) and other != epoch
        real, sys.modules["esp32"] = sys.modules["esp32"], sys  # a build without NVS
        try:
            flash = RamFlash(image)
            flash.fail_after(1, 28, forever=True)
            assert booted(flash) == (None, None)
        finally:
            sys.modules["esp32"] = real

    with_repeats(do)


def drawn_at_boot(flash):
    """The first random bytes that an agent draws, with a source that says the same after every reset."""
    mount(flash)
    random.urandom, random._pool, random._drawn, random._healthy = Repeating(), b"", 0, False
    return agent.Agent(board, ROOT).boot


def test_each_start_stirs_its_number_in_before_anything_random_is_drawn():
    def do():
        flash = prepared()
        assert len({drawn_at_boot(flash) for _ in range(5)}) == 5
        esp32.ram.clear()
        bare = fresh()
        assert len({drawn_at_boot(bare) for _ in range(3)}) == 3, "a board that is not provisioned, too"

    with_repeats(do)


def test_the_secret_of_the_board_is_stirred_in_too():
    def do():
        boots_of_two = []
        for secret in (PRIVATE, b"q" * 32):
            esp32.ram.clear()
            flash = fresh()
            asyncio.run(provisioning.provision(ROOT, SETTINGS, secret, CAR))
            boots_of_two.append(drawn_at_boot(flash))
        assert boots_of_two[0] != boots_of_two[1], "two boards with one source, at the same number of start"

    with_repeats(do)


def test_the_number_of_a_start_is_written_down_before_it_is_used():
    flash = prepared()
    used = []
    stir = crypto.stir

    def looked_at(secret, number):
        kept = [bytes(files.read_sealed(path, 1)) for path in files.places(ROOT, "boot")]
        used.append((number, kept, esp32.ram.get("latchkey.boot")))
        stir(secret, number)

    crypto.stir = looked_at
    try:
        for _ in range(2):
            mount(flash)
            agent.Agent(board, ROOT)
    finally:
        crypto.stir = stir
    assert used == [(n, [n.to_bytes(4, "little")] * 2, n) for n in (1, 2)]


def test_a_store_that_is_damaged_makes_the_start_say_which_file():
    flash = prepared()
    for path in files.places(ROOT, "identity"):
        files.run(files.write_sealed(path, 9, PRIVATE + CAR))
    mount(flash)
    try:
        agent.Agent(board, ROOT)
    except formats.StoreError as error:
        assert "identity" in str(error) and "9" in str(error)
    else:
        raise AssertionError("an identity of another version was taken")


class Agent:
    """As much of the agent as start.py needs."""

    root = ROOT
    vin = VIN.decode()
    radio = False
    bench = False
    lost = False

    def __init__(self, **other):
        self.number = None
        self.identity = (PRIVATE, CAR)
        self.car = None
        self.links = []
        self.started = []
        for name in other:
            setattr(self, name, other[name])

    def hello(self):
        return {}

    def start(self, name, task):
        self.started.append(name)
        self.task = asyncio.create_task(task)


class Serial:
    def __init__(self, router, bench, hello):
        self.router = router

    def tasks(self):
        return ()


class Car:
    """Says which start it was made for."""

    class router:
        @staticmethod
        def handle(conn, data):
            conn.sent.append(b"the car")

    def __init__(self, agent, vin, private, public, number):
        self.number = number

    def tasks(self):
        return ()


def test_a_car_whose_start_cannot_be_counted_says_busy_and_is_one_as_soon_as_it_can():
    import latchkey.car as module

    real = module.Car, start.SerialLink, start.boots.count
    answers = [None, None, 7]
    module.Car, start.SerialLink = Car, Serial
    start.boots.count = lambda root, report: answers.pop(0)
    request = message({"to_destination": {"domain": 2}, "from_destination": {"routing_address": b"a" * 16},
                       "session_info_request": {"public_key": b"\x04" * 65}, "uuid": b"u" * 16})  # fmt: skip
    slept = []
    sleep = asyncio.sleep_ms

    async def sleep_ms(ms):
        slept.append(ms)
        await sleep(0)

    async def act():
        agent = Agent()
        await start.assemble(agent)
        conn = Conn()
        agent.links[0].router.handle(conn, request)
        told = decode(messages.ROUTABLE_MESSAGE, conn.sent[-1])
        assert told["signedMessageStatus"]["signed_message_fault"] == 1, "BUSY"
        assert agent.car is None and agent.started == ["waiting"]
        while agent.car is None:
            await sleep(1)
        agent.links[0].router.handle(conn, request)
        assert conn.sent[-1] == b"the car" and agent.car.number == 7
        await sleep(1)
        assert not agent.task.done(), "a task's end is the agent's"

    try:
        start.asyncio.sleep_ms = sleep_ms
        asyncio.run(act())
    finally:
        start.asyncio.sleep_ms = sleep
        module.Car, start.SerialLink, start.boots.count = real
    assert slept and 1000 <= slept[0] <= 10000


def test_an_identity_that_cannot_be_written_down_makes_no_car_yet():
    draws = []

    async def draw():
        draws.append(1)
        return PRIVATE, CAR

    async def refuse(root, private, public):
        raise OSError(28)

    real = unprovisioned.new_identity, start.provisioning.set_identity
    unprovisioned.new_identity, start.provisioning.set_identity = draw, refuse
    try:
        agent = Agent()
        agent.number, agent.identity = 3, None
        keys = []
        assert not asyncio.run(start._check(agent, keys)) and not asyncio.run(start._check(agent, keys))
        assert agent.identity is None and len(draws) == 1, "it is drawn once: that takes long"
    finally:
        unprovisioned.new_identity, start.provisioning.set_identity = real


def test_a_number_that_was_found_late_and_an_identity_that_is_new_are_stirred_in():
    async def draw():
        return PRIVATE, CAR

    async def keep(root, private, public):
        return private, public

    stirred = []
    real = unprovisioned.new_identity, start.provisioning.set_identity, start.boots.count, crypto.stir
    unprovisioned.new_identity, start.provisioning.set_identity = draw, keep
    start.boots.count = lambda root, report: 7
    crypto.stir = lambda secret, number: stirred.append((secret, number))
    try:
        agent = Agent()
        agent.identity = None
        assert asyncio.run(start._check(agent, []))
    finally:
        unprovisioned.new_identity, start.provisioning.set_identity, start.boots.count, crypto.stir = real
    assert stirred == [(b"", 7), (PRIVATE, 7)] and agent.identity == (PRIVATE, CAR)


def test_settings_are_what_the_agent_goes_by():
    for text, radio, bench, led in (
        (b'{"vin": "5YJ30123456789ABC"}', True, True, board.PINS["led"]),
        (b'{"vin": "5YJ30123456789ABC", "radio": false, "bench": false, "pins": {"led": 4}}', False, False, 4),
    ):
        esp32.ram.clear()
        mount(fresh())
        asyncio.run(provisioning.provision(ROOT, text, PRIVATE, CAR))
        made = agent.Agent(board, ROOT)
        assert (made.vin, made.radio, made.bench) == (VIN.decode(), radio, bench)
        assert made.identity == (PRIVATE, CAR) and not made.lost
        assert made.pins._outputs["led"].number == led
        assert board.PINS["led"] == 2, "the board's own table is not written to"


def test_a_new_board_is_no_car_and_has_its_bench_and_no_radio():
    esp32.ram.clear()
    fresh()
    made = agent.Agent(board, ROOT)
    assert (made.vin, made.radio, made.bench, made.lost) == (None, False, True, False)
    assert (made.car, made.links, made.identity, made.number) == (None, [], None, 1)
    assert made.clock.now() >= 0 and made.root == ROOT and made.board is board


def test_a_start_that_is_not_counted_stirs_nothing_in():
    flash = prepared()
    mount(flash)
    real, start.boots.count = start.boots.count, lambda root, report: None
    stir, crypto.stir = crypto.stir, None
    try:
        made = agent.Agent(board, ROOT)
    finally:
        start.boots.count, crypto.stir = real, stir
    assert made.number is None and made.vin == VIN.decode()


class Log:
    def __init__(self):
        self.kinds = []

    def append(self, kind, *rest):
        self.kinds.append(kind)


async def _forever():
    await asyncio.Event().wait()


class Tasked(Serial):
    def tasks(self):
        return (("serial in", _forever()),)


class TaskedCar(Car):
    def __init__(self, *args):
        super().__init__(*args)
        self.log = Log()

    def tasks(self):
        return (("log", _forever()),)


class Radio:
    def __init__(self, agent, router):
        self.router = router

    def run(self):
        return _forever()


def assembled(**settings):
    """An agent that has been put together, of parts that only take note."""
    import latchkey.bench
    import latchkey.car
    import latchkey.link.radio

    real = latchkey.car.Car, start.SerialLink, latchkey.link.radio.Radio, start.boots.count, latchkey.bench.Bench
    latchkey.car.Car, start.SerialLink, latchkey.link.radio.Radio = TaskedCar, Tasked, Radio
    start.boots.count = lambda root, report: None
    latchkey.bench.Bench = lambda agent: "bench"
    try:
        made = Agent(**settings)
        asyncio.run(start.assemble(made))
    finally:
        latchkey.car.Car, start.SerialLink, latchkey.link.radio.Radio, start.boots.count, latchkey.bench.Bench = real
    return made


def test_a_car_has_its_tasks_the_port_and_the_radio_that_its_settings_allow():
    made = assembled(number=3, radio=True, bench=True)
    assert made.started == ["log", "serial in", "radio"] and made.car.number == 3
    assert [type(link) for link in made.links] == [Tasked, Radio] and made.bench == "bench"
    assert made.car.log.kinds == []
    made = assembled(number=3)
    assert made.started == ["log", "serial in"] and len(made.links) == 1 and made.bench is None


def test_a_board_that_is_no_car_has_the_port_alone_and_waits_for_nothing():
    made = assembled(number=3, vin=None, radio=True)
    assert made.started == ["serial in"] and made.car is None and len(made.links) == 1
    assert answer(made) == faults.NOT_PROVISIONED


def test_a_car_that_cannot_be_counted_waits_beside_its_links():
    made = assembled(radio=True)
    assert made.started == ["serial in", "waiting", "radio"] and made.car is None
    assert answer(made) == faults.BUSY


def answer(made):
    """The fault that the board answers a handshake with."""
    conn = Conn()
    fields = {"to_destination": {"domain": 2}, "from_destination": {"routing_address": b"a" * 16}}
    made.links[0].router.handle(conn, message(dict(fields, session_info_request={"public_key": b"\x04" * 65})))
    return decode(messages.ROUTABLE_MESSAGE, conn.sent[-1])["signedMessageStatus"]["signed_message_fault"]


def test_a_lost_identity_is_in_the_log_of_the_car_that_drew_another():
    made = assembled(number=3, lost=True)
    assert made.car.log.kinds == ["identity"]


def test_an_identity_is_lost_only_when_another_one_is_used():
    kept = PRIVATE, CAR
    other = b"q" * 32, CAR
    real = unprovisioned.new_identity, start.provisioning.set_identity

    async def draw():
        return other

    unprovisioned.new_identity = draw
    try:
        for found, lost, said in ((kept, True, False), (other, True, True), (other, False, False)):

            async def set_identity(root, private, public, found=found):
                return found

            start.provisioning.set_identity = set_identity
            made = Agent(number=3, identity=None, lost=lost)
            assert asyncio.run(start._check(made, []))
            assert (made.identity, made.lost) == (found, said)
    finally:
        unprovisioned.new_identity, start.provisioning.set_identity = real


def test_no_car_is_made_without_an_identity_or_a_number():
    for missing in ({"identity": None, "number": 3}, {"number": None}):
        made = Agent(**missing)
        try:
            start._start(made, VIN.decode())
        except ValueError:
            continue
        raise AssertionError(missing)
