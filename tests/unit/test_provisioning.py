# SPDX-License-Identifier: Apache-2.0
"""Identity and settings: made together, loaded, refused when damaged."""

import asyncio
import os

from latchkey.keys.keychain import Keychain
from latchkey.store import files, journal, provisioning
from ramflash import ROOT, flip, fresh, key, mount, public

PRIVATE, PUBLIC = b"p" * 32, b"\x04" + b"c" * 64
SETTINGS = b'{"vin": "5YJ30123456789ABC"}'


def provision(settings=SETTINGS, private=PRIVATE):
    asyncio.run(provisioning.provision(ROOT, settings, private, PUBLIC))


def test_a_new_board_is_not_provisioned():
    fresh()
    assert provisioning.load(ROOT) is None


def test_identity_and_settings_come_back():
    fresh()
    provision()
    assert provisioning.load(ROOT) == (SETTINGS, PRIVATE, PUBLIC)
    assert sorted(os.listdir(ROOT)) == ["config.json", "identity", "journal"] + ["keys%d" % i for i in range(8)]
    assert os.listdir(ROOT + "/journal") == []
    keys = Keychain(ROOT)
    keys.open()
    assert keys.count == 0


def test_the_root_may_be_a_folder_that_is_not_there_yet():
    fresh()
    root = ROOT + "/folder"
    assert provisioning.load(root) is None
    asyncio.run(provisioning.provision(root, SETTINGS, PRIVATE, PUBLIC))
    assert provisioning.load(root) == (SETTINGS, PRIVATE, PUBLIC)


def test_the_settings_are_a_plain_file_that_a_person_may_edit():
    fresh()
    provision()
    with open(ROOT + "/config.json") as f:
        assert f.read() == SETTINGS.decode()
    with open(ROOT + "/config.json", "w") as f:
        f.write("{}")
    assert provisioning.load(ROOT) == (b"{}", PRIVATE, PUBLIC)


def test_settings_put_there_by_hand_have_no_identity_until_it_is_set():
    fresh()
    with open(ROOT + "/config.json", "wb") as f:
        f.write(SETTINGS)
    assert provisioning.load(ROOT) == (SETTINGS, None, None)
    asyncio.run(provisioning.set_identity(ROOT, PRIVATE, PUBLIC))
    assert provisioning.load(ROOT) == (SETTINGS, PRIVATE, PUBLIC)


def test_an_identity_without_settings_is_not_provisioned():
    fresh()
    provision()
    os.remove(ROOT + "/config.json")
    assert provisioning.load(ROOT) is None


def test_provisioning_again_wipes_the_keys():
    fresh()
    provision()
    keys = Keychain(ROOT)
    keys.open()
    asyncio.run(keys.apply(key(1)))
    provision(b"{}", b"q" * 32)
    assert provisioning.load(ROOT) == (b"{}", b"q" * 32, PUBLIC)
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
    assert provisioning.load(ROOT) == (SETTINGS, PRIVATE, PUBLIC)
    keys = Keychain(ROOT)
    keys.open()
    assert keys.find(public(1))


def test_a_damaged_identity_is_refused_and_not_made_anew():
    fresh()
    provision()
    before = files.read(ROOT + "/identity")
    for at in range(len(before)):
        flip(ROOT + "/identity", at)
        try:
            provisioning.load(ROOT)
        except files.Damaged as error:
            assert PRIVATE.hex() not in str(error) and "ppp" not in str(error)
        else:
            raise AssertionError("byte %d" % at)
        flip(ROOT + "/identity", at)
    assert files.read(ROOT + "/identity") == before


def test_an_identity_of_another_version_is_refused_by_its_number():
    fresh()
    provision()
    files.run(files.write_sealed(ROOT + "/identity", 4, PRIVATE + PUBLIC))
    try:
        provisioning.load(ROOT)
    except files.UnknownVersion as error:
        assert error.version == 4
    else:
        raise AssertionError("read as version 1")


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
    assert provisioning.load(ROOT)[0] == settings
    print("note: at most %d flash operations without a pause" % max(stretches))
    assert max(stretches) <= 36, "a block of 4096 bytes is one erase and 32 programs of 128 bytes"
