# SPDX-License-Identifier: Apache-2.0
"""A start that is not counted makes nothing that is signed, and a source that repeats makes nothing twice."""

import asyncio
import sys

import latchkey.prompt  # noqa: F401 - a development build
from latchkey import crypto, provisioning, start, unprovisioned
from latchkey.crypto import random
from latchkey.keys.keychain import Keychain
from latchkey.session.sessions import Sessions
from latchkey.store import boots, files, formats
from ramflash import ROOT, RamFlash, fresh, key, mount, public
from simulated import board, esp32
from support import VIN

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
    return number, Sessions(keys, CAR).find(public(1)).epoch


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
    return start.Start(board, ROOT).boot


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
            start.Start(board, ROOT)
    finally:
        crypto.stir = stir
    assert used == [(n, [n.to_bytes(4, "little")] * 2, n) for n in (1, 2)]


def test_a_store_that_is_damaged_makes_the_start_say_which_file():
    flash = prepared()
    for path in files.places(ROOT, "identity"):
        files.run(files.write_sealed(path, 9, PRIVATE + CAR))
    mount(flash)
    try:
        start.Start(board, ROOT)
    except formats.StoreError as error:
        assert "identity" in str(error) and "9" in str(error)
    else:
        raise AssertionError("an identity of another version was taken")


def made(identity=(PRIVATE, CAR), number=None, lost=False):
    """A start of a car on an empty flash, of which this is known so far."""
    esp32.ram.clear()
    mount(fresh())
    real, start.boots.count = start.boots.count, lambda root, report: number
    stir, crypto.stir = crypto.stir, lambda secret, number: None
    try:
        one = start.Start(board, ROOT)
    finally:
        start.boots.count, crypto.stir = real, stir
    one.identity, one.lost = identity, lost
    return one


def test_an_identity_that_cannot_be_written_down_is_not_used_and_drawn_once():
    draws = []

    async def draw():
        draws.append(1)
        return PRIVATE, CAR

    async def refuse(root, private, public):
        raise OSError(28)

    real = unprovisioned.new_identity, start.identity.set_identity
    unprovisioned.new_identity, start.identity.set_identity = draw, refuse
    try:
        one = made(None, 3)
        assert not asyncio.run(one.ready()) and not asyncio.run(one.ready())
        assert one.identity is None and len(draws) == 1, "it is drawn once: that takes long"
    finally:
        unprovisioned.new_identity, start.identity.set_identity = real


def test_a_number_that_was_found_late_and_an_identity_that_is_new_are_stirred_in():
    async def draw():
        return PRIVATE, CAR

    async def keep(root, private, public):
        return private, public

    stirred = []
    one = made(None)
    real = unprovisioned.new_identity, start.identity.set_identity, start.boots.count, crypto.stir
    unprovisioned.new_identity, start.identity.set_identity = draw, keep
    start.boots.count = lambda root, report: 7
    crypto.stir = lambda secret, number: stirred.append((secret, number))
    try:
        assert asyncio.run(one.ready())
    finally:
        unprovisioned.new_identity, start.identity.set_identity, start.boots.count, crypto.stir = real
    assert stirred == [(b"", 7), (PRIVATE, 7)] and one.identity == (PRIVATE, CAR)


def test_one_that_is_counted_and_has_its_identity_is_ready_and_does_nothing_twice():
    def never(*_):
        raise AssertionError("it has been done")

    one = made(number=3)
    real = unprovisioned.new_identity, start.identity.set_identity, start.boots.count, crypto.stir
    unprovisioned.new_identity = start.identity.set_identity = start.boots.count = crypto.stir = never
    try:
        assert asyncio.run(one.ready())
    finally:
        unprovisioned.new_identity, start.identity.set_identity, start.boots.count, crypto.stir = real
    assert (one.number, one.identity) == (3, (PRIVATE, CAR))


def test_settings_are_what_a_start_goes_by():
    for text, radio, bench, led in (
        (b'{"vin": "5YJ30123456789ABC"}', True, True, board.PINS["led"]),
        (b'{"vin": "5YJ30123456789ABC", "radio": false, "bench": false, "pins": {"led": 4}}', False, False, 4),
    ):
        esp32.ram.clear()
        mount(fresh())
        asyncio.run(provisioning.provision(ROOT, text, PRIVATE, CAR))
        one = start.Start(board, ROOT)
        settings = one.settings
        assert (settings.vin, settings.radio, settings.bench) == (VIN.decode(), radio, bench)
        assert one.identity == (PRIVATE, CAR) and not one.lost
        assert settings.pins["led"] == led
        assert board.PINS["led"] == 2, "the board's own table is not written to"


def test_settings_do_not_change_once_they_are_read():
    settings = made(number=3).settings
    for name in ("vin", "radio", "bench", "pins"):
        try:
            setattr(settings, name, True)
        except AttributeError:
            continue
        raise AssertionError(name)


def test_a_new_board_is_no_car_and_has_its_bench_and_no_radio():
    esp32.ram.clear()
    fresh()
    one = start.Start(board, ROOT)
    assert one.settings == (None, False, True, board.PINS, None, None) and not one.lost
    assert (one.identity, one.number) == (None, 1)


def test_a_start_that_is_not_counted_stirs_nothing_in():
    flash = prepared()
    mount(flash)
    real, start.boots.count = start.boots.count, lambda root, report: None
    stir, crypto.stir = crypto.stir, None
    try:
        one = start.Start(board, ROOT)
    finally:
        start.boots.count, crypto.stir = real, stir
    assert one.number is None and one.settings.vin == VIN.decode()


def test_an_identity_is_lost_only_when_another_one_is_used():
    kept = PRIVATE, CAR
    other = b"q" * 32, CAR
    real = unprovisioned.new_identity, start.identity.set_identity, crypto.stir

    async def draw():
        return other

    unprovisioned.new_identity = draw
    crypto.stir = lambda secret, number: None
    try:
        for found, lost, said in ((kept, True, False), (other, True, True), (other, False, False)):

            async def set_identity(root, private, public, found=found):
                return found

            start.identity.set_identity = set_identity
            one = made(None, 3, lost)
            assert asyncio.run(one.ready())
            assert (one.identity, one.lost) == (found, said)
    finally:
        unprovisioned.new_identity, start.identity.set_identity, crypto.stir = real


def test_a_start_writes_down_which_outputs_its_settings_chose_and_goes_on_when_it_cannot():
    esp32.ram.clear()
    mount(fresh())

    async def prepare():
        await provisioning.provision(
            ROOT, b'{"vin": "5YJ30123456789ABC", "pins": {"start": 4, "lock": null}}', PRIVATE, CAR
        )

    asyncio.run(prepare())
    start.Start(board, ROOT)
    assert esp32.ram["latchkey.outputs"] == (4 | 63 << 6 | board.PINS["led"] << 12) * 1021

    class Failing(esp32.NVS):
        def set_i32(self, key, value):
            raise OSError(-0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")

    real, esp32.NVS = esp32.NVS, Failing
    try:
        assert start.Start(board, ROOT).settings.pins["start"] == 4
    finally:
        esp32.NVS = real
