# SPDX-License-Identifier: Apache-2.0
"""Identity and settings: made together, loaded, refused when damaged."""

import asyncio
import json
import os

from latchkey import provisioning
from latchkey.bench.operations import Bench, BenchError
from latchkey.clock import Clock
from latchkey.config import unprovisioned
from latchkey.keys.keychain import Keychain
from latchkey.parts import Parts
from latchkey.store import files, identity, journal
from latchkey.tasks import Tasks
from ramflash import ROOT, RamFlash, flip, fresh, key, mount, public

PRIVATE, PUBLIC = b"p" * 32, b"\x04" + b"c" * 64
SETTINGS = b'{"vin": "5YJ30123456789ABC"}'


class Board:
    PINS = {}


class Settings:
    def __init__(self, text):
        self.text = bytes(text)
        try:
            self.vin = json.loads(text).get("vin")
        except ValueError:
            raise files.StoreError("config.json: is not valid JSON")
        if b"wrong" in text:
            raise files.StoreError("wrong: is wrong")


def load(root=ROOT):
    """(settings, private, public); and what was told is in `told`."""
    del told[:]
    stored = provisioning.load(root, Settings, told.append)
    return stored and (stored[0].text,) + (stored[1] or (None, None))


def lost():
    return provisioning.load(ROOT, Settings, told.append)[2]


told = []


def write(text):
    with open(ROOT + "/config.json", "wb") as f:
        f.write(text)


def provision(settings=SETTINGS, private=PRIVATE):
    asyncio.run(provisioning.provision(ROOT, settings, private, PUBLIC))


def test_a_new_board_is_not_provisioned():
    fresh()
    assert load() is None


def test_identity_and_settings_come_back():
    fresh()
    provision()
    assert load() == (SETTINGS, PRIVATE, PUBLIC)
    names = ["config.json", "identity", "journal"] + ["keys%d" % i for i in range(8)] + ["reserve", "settings", "twin"]
    assert sorted(os.listdir(ROOT)) == names and sorted(os.listdir(ROOT + "/twin")) == ["identity", "settings"]
    assert os.listdir(ROOT + "/journal") == []
    keys = Keychain(ROOT)
    keys.open()
    assert keys.count == 0


def test_the_root_may_be_a_folder_that_is_not_there_yet():
    fresh()
    root = ROOT + "/folder"
    assert load(root) is None
    asyncio.run(provisioning.provision(root, SETTINGS, PRIVATE, PUBLIC))
    assert load(root) == (SETTINGS, PRIVATE, PUBLIC)


EDITED = b'{"vin": "5YJ30123456789ABC", "radio": false}'


def test_the_settings_are_a_plain_file_that_a_person_may_edit():
    fresh()
    provision()
    with open(ROOT + "/config.json") as f:
        assert f.read() == SETTINGS.decode()
    write(EDITED)
    for _ in range(2):
        assert load() == (EDITED, PRIVATE, PUBLIC) and told == []
    write(b"bad")
    assert load()[0] == EDITED, "it was sealed"


def test_settings_that_are_wrong_are_told_and_those_of_before_stay_in_force():
    fresh()
    provision()
    for text in (b"", b"{", b'{"wrong": 1}', b"\xff\x00", b" " * 300_000):
        write(text)
        for _ in range(2):
            assert load() == (SETTINGS, PRIVATE, PUBLIC)
            assert len(told) == 1 and "settings refused" in told[0], told
        with open(ROOT + "/config.json", "rb") as f:
            assert f.read() == text, "a person's work is left for the person"


def test_without_any_of_before_wrong_settings_are_refused():
    fresh()
    write(b'{"wrong": 1}')
    try:
        load()
    except files.StoreError as error:
        assert str(error).startswith("wrong:")
    else:
        raise AssertionError("taken")


def test_sealed_settings_that_this_firmware_refuses_are_mended_by_config_json():
    other = SETTINGS.replace(b"ABC", b"ABD")
    fresh()
    provision(b'{"vin": "5YJ30123456789ABC", "wrong": 1}')
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    for text in (None, b"{", other):
        if text is None:
            os.remove(ROOT + "/config.json")
        else:
            write(text)
        try:
            load()
        except files.StoreError:
            pass
        else:
            raise AssertionError(text)
    write(SETTINGS)
    for _ in range(2):
        assert load() == (SETTINGS, PRIVATE, PUBLIC), "and it is the car that it was"


def test_another_vin_is_no_other_car_while_there_are_keys():
    other = SETTINGS.replace(b"ABC", b"ABD")
    fresh()
    provision()
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    write(other)
    assert load() == (SETTINGS, PRIVATE, PUBLIC) and "vin: this car has keys" in told[0]
    asyncio.run(keys.apply(None, [public(1)]))
    assert load() == (other, PRIVATE, PUBLIC), "somebody corrects a VIN before there are any"


def test_a_rotten_bit_in_the_settings_is_no_edit():
    for at in range(len(SETTINGS)):
        fresh()
        provision()
        sealed = os.stat(ROOT + "/config.json")[8]
        rot(at)
        for _ in range(2):
            assert load() == (SETTINGS, PRIVATE, PUBLIC)
        assert told == [], "it was mended"
        assert os.stat(ROOT + "/config.json")[8] >= sealed


def rot(at):
    """Flip a bit as flash does: the file's time stays. (It is what the sealed settings say it is.)"""
    flip(ROOT + "/config.json", at)
    body = files.read_sealed(ROOT + "/settings", 1)
    for path in files.places(ROOT, "settings"):
        files.run(files.write_sealed(path, 1, identity._time(ROOT + "/config.json") + bytes(body)[4:]))


def test_lost_settings_come_from_what_was_sealed():
    fresh()
    provision()
    os.remove(ROOT + "/config.json")
    assert load() == (SETTINGS, PRIVATE, PUBLIC) and told
    with open(ROOT + "/config.json", "rb") as f:
        assert f.read() == SETTINGS
    assert load() and not told


def test_settings_put_there_by_hand_have_no_identity_until_it_is_set():
    fresh()
    with open(ROOT + "/config.json", "wb") as f:
        f.write(SETTINGS)
    assert load() == (SETTINGS, None, None)
    asyncio.run(identity.set_identity(ROOT, PRIVATE, PUBLIC))
    assert load() == (SETTINGS, PRIVATE, PUBLIC)


def test_an_identity_without_any_settings_is_not_provisioned():
    fresh()
    provision()
    for path in ("/config.json", "/settings", "/twin/settings"):
        os.remove(ROOT + path)
    assert load() is None


def test_provisioning_again_wipes_the_keys():
    fresh()
    provision()
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    provision(b"{}", b"q" * 32)
    assert load() == (b"{}", b"q" * 32, PUBLIC)
    keys = Keychain(ROOT)
    keys.open()
    assert keys.count == 0 and keys.find(public(1)) is None


def test_it_takes_the_place_of_a_key_change_that_is_pending():
    fresh()
    provision()
    files.run(journal.commit(ROOT, journal.KEYS, b"\0\1" + key(1).pack()))
    provision(b"{}")
    keys = Keychain(ROOT)
    keys.open()
    assert keys.count == 0


def test_loading_leaves_a_pending_key_change_to_the_keychain():
    fresh()
    provision()
    record = key(1)
    record.slot = 0
    files.run(journal.commit(ROOT, journal.KEYS, b"\0\1" + record.pack()))
    assert load() == (SETTINGS, PRIVATE, PUBLIC)
    keys = Keychain(ROOT)
    keys.open()
    assert keys.find(public(1))


def test_any_damage_to_one_copy_of_the_identity_is_mended_from_the_other():
    fresh()
    provision()
    whole = files.read(ROOT + "/identity")
    for path in files.places(ROOT, "identity"):
        for at in range(len(whole)):
            flip(path, at)
            assert load() == (SETTINGS, PRIVATE, PUBLIC) and len(told) == 2, told
            assert PRIVATE.hex() not in str(told) and "ppp" not in str(told)
            assert files.read(path) == whole
        for damage in (os.remove, lambda path: files.run(files.write(path, (b"",)))):
            damage(path)
            assert load() == (SETTINGS, PRIVATE, PUBLIC) and not lost()
            assert files.read(path) == whole
        os.remove(path)
        os.mkdir(path)
        assert load() == (SETTINGS, PRIVATE, PUBLIC)
        assert files.read(path) == whole


def test_an_identity_that_is_gone_in_both_copies_is_lost_and_said_to_be():
    fresh()
    provision()
    assert not lost()
    for path in files.places(ROOT, "identity"):
        flip(path, 30)
    assert load() == (SETTINGS, None, None) and lost()
    asyncio.run(identity.set_identity(ROOT, b"q" * 32, PUBLIC))
    assert load() == (SETTINGS, b"q" * 32, PUBLIC) and not lost()


def test_a_lost_identity_is_made_anew_on_a_full_flash():
    flash = fresh()
    provision()
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    for size in (4096, 128):
        with open(ROOT + "/foreign%d" % size, "wb") as f:
            try:
                while True:
                    f.write(bytes(size))
                    f.flush()
            except OSError:
                pass
    for path in (ROOT + "/identity", ROOT + "/twin/identity"):
        flip(path, 50)
    mount(flash)
    assert load()[1] is None and lost()
    asyncio.run(identity.set_identity(ROOT, b"q" * 32, PUBLIC))
    assert load() == (SETTINGS, b"q" * 32, PUBLIC)


def test_an_identity_that_could_not_be_read_for_a_while_is_not_replaced():
    for why in ("errors", "rot"):
        flash = fresh()
        provision()
        if why == "errors":
            real, files.read = files.read, unreadable
            try:
                assert load()[1] is None
            finally:
                files.read = real
        else:
            image = flash.image()
            for path in (ROOT + "/identity", ROOT + "/twin/identity"):
                flip(path, 50)
            mount(flash)
            assert load()[1] is None
            mount(RamFlash(image))
        kept = asyncio.run(identity.set_identity(ROOT, b"q" * 32, PUBLIC))
        assert kept == (PRIVATE, PUBLIC) and load() == (SETTINGS, PRIVATE, PUBLIC), why


def unreadable(path, limit=0, real=files.read):
    if path.endswith("identity"):
        raise OSError(5)
    return real(path, limit)


def test_a_provisioning_that_stayed_in_the_journal_does_not_undo_what_came_after():
    fresh()
    real = journal.clear

    def fail(root):
        raise OSError(5)

    journal.clear = fail
    try:
        provision()
    finally:
        journal.clear = real
    write(EDITED)
    for _ in range(2):
        assert load()[0] == EDITED


def test_an_identity_of_another_version_is_refused_by_its_number():
    fresh()
    provision()
    for path in files.places(ROOT, "identity"):
        files.run(files.write_sealed(path, 4, PRIVATE + PUBLIC))
    try:
        load()
    except files.UnknownVersion as error:
        assert error.version == 4
    else:
        raise AssertionError("read as version 1")


def test_a_provisioning_that_is_not_carried_out_is_made_all_the_same():
    fresh()
    provision()
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    real = files.put
    journals = []

    def put(folder, path):
        if "journal" not in path:
            raise OSError(5)
        journals.append(path)
        real(folder, path)

    files.put = put
    try:
        provision(b'{"vin": "other"}', b"q" * 32)
        for _ in range(2):
            assert load() == (b'{"vin": "other"}', b"q" * 32, PUBLIC)
            keys = Keychain(ROOT)
            keys.open()
            assert keys.count == 0 and keys.find(public(1)) is None
    finally:
        files.put = real
    assert load() == (b'{"vin": "other"}', b"q" * 32, PUBLIC) and not told


def test_it_gives_way_between_flash_blocks():
    flash = fresh()
    settings = b'{"note": "%s"}' % (b"x" * 9000)
    stretches = []

    async def watch():
        while True:
            before = flash.operations
            await asyncio.sleep_ms(0)
            stretches.append(flash.operations - before)

    async def both():
        task = asyncio.create_task(watch())
        await provisioning.provision(ROOT, settings, PRIVATE, PUBLIC)
        task.cancel()

    asyncio.run(both())
    mount(flash)
    assert load()[0] == settings
    print("note: at most %d flash operations without a pause" % max(stretches))
    assert max(stretches) <= 36, "a block of 4096 bytes is one erase and 32 programs of 128 bytes"


def test_keys_whose_settings_are_lost_are_not_wiped_without_force():
    fresh()
    provision()
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    for path in ("/config.json", "/settings", "/twin/settings"):
        os.remove(ROOT + path)
    assert load() is None

    parts = Parts(Board, ROOT, unprovisioned(Board), Clock(), None, Tasks(None), "boot")
    try:
        asyncio.run(Bench(parts).op_provision({"vin": "5YJ30123456789ABC"}))
    except BenchError as error:
        assert "config.json" in str(error)
    else:
        raise AssertionError("wiped")
    write(SETTINGS)
    assert load() == (SETTINGS, PRIVATE, PUBLIC), "and its config.json makes it the car that it was"
