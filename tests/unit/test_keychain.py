# SPDX-License-Identifier: Apache-2.0
"""Keys in flash: looked up, changed, damaged, and 4,096 of them."""

import asyncio
import gc
import os
import time

from flash import Flash

from latchkey import provisioning
from latchkey.keys import buckets as bucket_files
from latchkey.keys import changes, keychain, whitelist
from latchkey.keys.changes import KeychainFull
from latchkey.keys.keychain import Keychain
from latchkey.keys.record import IMPERMANENT, SIZE, key_id
from latchkey.store import files, journal, reserve
from latchkey.wire.schema import Origin
from ramflash import ROOT, RamFlash, entries, flip, fresh, key, mount, new_image, public
from support import CLIENT_PUBLIC, VEHICLE_PUBLIC, owner
from test_whitelist import ADD, message, operation, removal

OWNER, DRIVER = 2, 3
HEAD, INDEX = 16, 1040  # of a bucket file: its head; its head and index


def opened():
    reports = []
    keys = Keychain(ROOT, reports.append)
    keys.open()
    keys.reports = reports
    return keys


def made(*records):
    fresh()
    keys = opened()
    for record in records:
        asyncio.run(keys.apply(record))
    return keys


def apply(keys, *args):
    asyncio.run(keys.apply(*args))


def slots(keys):
    return {record.slot: record.label for record in entries(keys)}


def path(i):
    bucket = key_id(public(i))[0] % 64
    return "%s/keys%d/%02x" % (ROOT, bucket % 8, bucket)


def alike(i, count):
    """Numbers of further keys in the same bucket."""
    found = []
    n = 1000
    while len(found) < count:
        n += 1
        if path(n) == path(i):
            found.append(n)
    return found


def test_a_new_keychain_is_empty():
    keys = made()
    assert (keys.count, keys.slot_mask(), keys.lasting_owners()) == (0, 0, 0)
    assert keys.find(public(1)) is None
    assert keys.find_id(b"abcd") is None
    assert keys.find_slot(0) is None
    assert entries(keys) == list(keys.ids()) == []
    assert keys.reports == []


def test_a_key_is_found_by_its_point_its_id_and_its_slot_and_after_a_reboot():
    keys = made(key(1), key(2, DRIVER))
    for each in (keys, opened()):
        assert each.count == 2
        assert each.find(public(2)).label == "key 2"
        assert each.find(memoryview(public(1))).shared == key(1).shared
        assert each.find_id(key(2).id).public == public(2)
        assert each.find_slot(1).public == public(2)
        assert each.find(public(3)) is None
        assert each.find_slot(2) is each.find_slot(-1) is each.find_slot(4096) is None
        assert each.slot_mask() == 3
        assert list(each.ids()) == [key(1).id, key(2).id]
        assert list(each.ids(1)) == [key(1).id]
        assert each.lasting_owners() == 1


def test_what_is_not_a_key_or_an_id_is_not_found():
    keys = made(key(1))
    for wrong in (b"", b"\x04", public(1)[:-1], public(1) + b"\0", bytes(65)):
        assert keys.find(wrong) is None
    for wrong in (b"", key(1).id[:3], key(1).id + b"\0"):
        assert keys.find_id(wrong) is None


def test_keys_with_the_same_id_are_told_apart_by_their_point():
    try:
        keychain.key_id = changes.key_id = lambda public: b"same"
        made()
        twins = [key(1), key(2)]
        for twin in twins:
            type(twin).id = property(lambda self: b"same")
        keys = opened()
        for twin in twins:
            apply(keys, twin)
        assert [keys.find(public(i)).label for i in (1, 2)] == ["key 1", "key 2"]
        assert keys.find(public(3)) is None
        apply(keys, None, [public(1)])
        assert keys.find(public(1)) is None
        assert keys.find(public(2)).label == "key 2"
    finally:
        keychain.key_id = changes.key_id = key_id
        type(key(1)).id = property(lambda self: key_id(self.public))


def test_a_change_by_another_firmware_that_is_not_carried_out_stops_further_ones():
    keys = made(key(1))
    files.run(files.write_sealed(ROOT + "/journal/redo", 1, bytes((9, 0, 0))))
    for act in (lambda: asyncio.run(keys.settle()), lambda: apply(keys, key(2))):
        try:
            act()
        except OSError as error:
            assert error.errno == 30 and "9" in str(error)
        else:
            raise AssertionError("a change was lost")
    assert opened().find(public(1)) and opened().find(public(2)) is None


def test_without_the_reserve_no_key_comes_and_keys_go():
    keys = made(key(1), key(2))
    os.remove(ROOT + "/reserve")
    real, reserve.make = reserve.make, lambda root: (None for _ in ())
    try:
        try:
            apply(keys, key(3))
        except OSError as error:
            assert error.errno == reserve.ENOSPC
        else:
            raise AssertionError("room that there is not")
        apply(keys, key(2, DRIVER))
        apply(keys, None, [public(1)])
    finally:
        reserve.make = real
    assert slots(keys) == slots(opened()) == {1: "key 2"} and keys.find(public(2)).role == DRIVER


def test_the_lowest_free_slot_is_given():
    keys = made(*[key(i) for i in range(4)])
    apply(keys, None, [public(1)])
    apply(keys, None, [public(2)])
    added = key(9)
    apply(keys, added)
    assert added.slot == 1
    assert slots(keys) == {0: "key 0", 1: "key 9", 3: "key 3"}
    assert slots(opened()) == slots(keys)


def test_an_updated_key_keeps_its_slot():
    keys = made(key(0), key(1), key(2))
    record = keys.find(public(1))
    record.role = DRIVER
    apply(keys, record)
    assert keys.count == 3
    for each in (keys, opened()):
        assert (each.find(public(1)).slot, each.find(public(1)).role) == (1, DRIVER)
        assert each.lasting_owners() == 2
    again = key(1, label="enrolled anew")
    apply(keys, again)
    assert again.slot == 1 and keys.count == 3


def test_owners_that_a_card_enrolled_are_counted_from_the_records_themselves():
    keys = made(key(0), key(1, origin=Origin.OWNER_COMMAND), key(2, DRIVER), key(3, flags=IMPERMANENT))
    for each in (keys, opened()):
        assert (each.lasting_owners(), each.lasting_owners(by_card=True)) == (2, 1)
    apply(keys, None, [public(0)])
    assert (keys.lasting_owners(), keys.lasting_owners(by_card=True)) == (1, 0)


def test_a_replacement_takes_the_slot_that_it_frees():
    keys = made(key(0), key(1), key(2))
    apply(keys, key(3), [public(1)])
    assert slots(keys) == {0: "key 0", 1: "key 3", 2: "key 2"} == slots(opened())


def test_removing_what_is_not_there_changes_nothing():
    keys = made(key(0))
    apply(keys, None, [public(5), b"", b"short"])
    assert slots(keys) == {0: "key 0"} == slots(opened())


def test_many_are_removed_at_once():
    keys = made(*[key(i) for i in range(8)])
    apply(keys, None, [public(i) for i in range(1, 8)])
    assert slots(keys) == {0: "key 0"} == slots(opened())
    assert keys.lasting_owners() == 1


def test_impermanent_keys_go_together_and_make_room_for_one():
    guests = [key(i, DRIVER, flags=IMPERMANENT) for i in (1, 2, 4)]
    keys = made(key(0), *guests, key(3))
    apply(keys, key(5, DRIVER, flags=IMPERMANENT), (), True)
    assert slots(keys) == {0: "key 0", 1: "key 5", 4: "key 3"} == slots(opened())
    apply(keys, None, (), True)
    assert slots(keys) == {0: "key 0", 4: "key 3"} == slots(opened())


def test_keys_of_one_bucket_do_not_disturb_each_other():
    near = alike(1, 5)
    keys = made(key(1), *[key(i) for i in near])
    apply(keys, None, [public(near[2])])
    for each in (keys, opened()):
        assert each.find(public(near[2])) is None
        for i in [1] + near[:2] + near[3:]:
            assert each.find(public(i)).label == "key %d" % i
        assert each.count == 5


def test_entries_are_listed_by_slot_from_any_slot_on():
    keys = made(*[key(i) for i in range(6)])
    apply(keys, None, [public(2)])
    assert [record.slot for record in entries(keys)] == [0, 1, 3, 4, 5]


def test_a_look_up_during_a_change_finds_every_other_key():
    near = alike(1, 6)
    keys = made(key(1), *[key(i) for i in near])
    looks = []

    async def look():
        while True:
            looks.append(all(keys.find(public(i)).label == "key %d" % i for i in near))
            await asyncio.sleep_ms(0)

    async def change():
        task = asyncio.create_task(look())
        await keys.apply(None, [public(1)])
        await keys.apply(key(1))
        task.cancel()

    asyncio.run(change())
    assert len(looks) > 4, "a change gives way to others"
    assert all(looks)
    assert opened().count == 7 and not opened().reports


def test_a_change_gives_way_between_flash_blocks():
    flash = fresh()
    keys = opened()
    near = [1] + alike(1, 60)
    for i in near:
        apply(keys, key(i, DRIVER, flags=IMPERMANENT if i % 2 else 0))
    stretches = []

    async def watch():
        while True:
            before = flash.operations
            await asyncio.sleep_ms(0)
            stretches.append(flash.operations - before)

    async def change():
        task = asyncio.create_task(watch())
        await keys.apply(key(2))
        await keys.apply(None, [public(i) for i in near[:20]])
        await keys.apply(None, (), True)
        task.cancel()

    asyncio.run(change())
    print("note: at most %d flash operations without a pause" % max(stretches))
    assert max(stretches) <= 40, "a block of 4096 bytes is one erase and 32 programs of 128 bytes"


def test_a_change_of_all_buckets_gives_way_between_their_reads():
    flash = mount(RamFlash(None, 512), fresh=True)
    _fill(opened(), 768)  # 12 in each
    keys = opened()
    apply(keys, key(1000, DRIVER, flags=IMPERMANENT))
    stretches = []

    async def watch():
        while True:
            before = flash.bytes_read
            await asyncio.sleep_ms(0)
            stretches.append(flash.bytes_read - before)

    async def change():
        task = asyncio.create_task(watch())
        await keys.apply(None, (), True)
        task.cancel()

    asyncio.run(change())
    print("note: at most %d bytes read without a pause" % max(stretches))
    assert max(stretches) <= 65_536, "a bucket, and what littlefs reads to find room for it"


def test_changes_wait_for_each_other():
    keys = made()

    async def both():
        await asyncio.gather(keys.apply(key(1)), keys.apply(key(2)), keys.apply(None, [public(1)]))

    asyncio.run(both())
    assert slots(keys) == {1: "key 2"} == slots(opened())


def fill_the_flash():
    """Somebody's file, as long as there is room."""
    for size in (4096, 128):  # what is left of a block, too
        with open(ROOT + "/ballast%d" % size, "wb") as f:
            try:
                while True:
                    f.write(b"x" * size)
                    f.flush()
            except OSError:
                pass


def empty_the_flash():
    for size in (4096, 128):
        os.remove(ROOT + "/ballast%d" % size)


def test_on_a_full_flash_a_key_is_not_added_and_nothing_has_changed():
    near = alike(1, 70)  # three blocks
    keys = made(key(1), *[key(i) for i in near])
    fill_the_flash()
    before = slots(keys)
    for _ in range(2):
        try:
            apply(keys, key(3))
        except OSError as error:
            assert error.errno == 28
        else:
            raise AssertionError("there was room")
        assert slots(keys) == before
        assert slots(opened()) == before, "nor at the next boot"
        assert reserve.whole(ROOT)
    empty_the_flash()
    apply(keys, key(3))
    assert slots(keys) == dict(list(before.items()) + [(71, "key 3")]) == slots(opened())
    assert keys.reports == []


def test_on_a_full_flash_stolen_keys_are_removed_one_after_the_other():
    near = alike(1, 70)
    keys = made(key(1), *[key(i) for i in near])
    fill_the_flash()
    for i in near[:4]:
        apply(keys, None, [public(i)])
        assert keys.find(public(i)) is None and opened().find(public(i)) is None
        assert reserve.whole(ROOT), "for the next one"
    record = keys.find(public(near[5]))
    record.role = DRIVER
    apply(keys, record)
    assert opened().find(public(near[5])).role == DRIVER, "a demotion takes no more room than a removal"
    assert opened().count == 67 and keys.reports == []


def test_without_a_reserve_a_key_is_removed_all_the_same_and_carried_out_when_there_is_room():
    near = alike(1, 70)
    keys = made(key(1), *[key(i) for i in near])
    os.remove(ROOT + "/reserve")
    fill_the_flash()
    with open(ROOT + "/ballast128", "wb") as f:
        f.write(b"one block for the journal, and none for the rest")
    apply(keys, None, [public(near[0])])
    for each in (keys, opened()):
        assert each.find(public(near[0])) is None and each.count == 70
        assert any("carried out" in report for report in each.reports)
        for change in ((key(3),), (None, [public(near[1])])):
            try:
                apply(each, *change)
            except OSError as error:
                assert error.errno == 28
            else:
                raise AssertionError("over one that is not carried out")
        assert each.find(public(near[1])) and not each.find(public(3)) and each.count == 70
    empty_the_flash()
    apply(keys, key(3))
    assert keys.count == 71 == opened().count and opened().reports == []


def failing(at):
    """files.put, failing at the n-th bucket and from then on."""
    done = []

    def put(folder, path, whole=files.put):
        if "keys" in path:
            done.append(path)
            if len(done) >= at:
                raise OSError(5)
        whole(folder, path)

    return put


def test_with_its_commit_a_change_is_made_whatever_becomes_of_carrying_it_out():
    for at in (1, 2):
        keys = made(key(0), key(1), key(2))
        whole, files.put = files.put, failing(at)
        try:
            apply(keys, key(4), [public(1)])
            wanted = {0: "key 0", 1: "key 4", 2: "key 2"}
            for each in (keys, opened()):
                assert slots(each) == wanted and each.count == 3 and each.slot_mask() == 7
                assert sorted(each.ids()) == sorted(key(i).id for i in (0, 2, 4))
                assert each.find(public(4)).label == "key 4" and each.find(public(1)) is None
                assert each.find_id(key(1).id) is None and each.lasting_owners() == 3
                assert each.lasting_owners(by_card=True) == 3
                try:
                    apply(each, key(5))
                except OSError:
                    pass
                else:
                    raise AssertionError("a change over one that is not carried out")
                assert slots(each) == wanted
        finally:
            files.put = whole
        apply(keys, key(5))
        assert slots(keys) == {0: "key 0", 1: "key 4", 2: "key 2", 3: "key 5"} == slots(opened())
        assert opened().reports == []


def test_what_a_look_up_hands_out_of_a_pending_change_is_the_askers_own():
    keys = made(key(0))
    whole, files.put = files.put, failing(1)
    try:
        apply(keys, key(1))
        keys.find(public(1)).role = 77
        assert keys.find(public(1)).role == OWNER
    finally:
        files.put = whole


def test_dropping_impermanent_keys_that_is_not_carried_out_hides_them_all():
    keys = made(key(0), *[key(i, DRIVER, flags=IMPERMANENT) for i in range(1, 5)])
    whole, files.put = files.put, failing(2)
    try:
        apply(keys, None, (), True)
        for each in (keys, opened()):
            assert slots(each) == {0: "key 0"} and each.count == 1
            assert not any(each.find(public(i)) for i in range(1, 5))
    finally:
        files.put = whole
    assert slots(opened()) == {0: "key 0"} and opened().reports == []


def test_a_journal_that_cannot_be_cleared_is_no_error_and_undoes_nothing():
    keys = made(key(0))
    real = journal.clear

    def fail(root):
        raise OSError(5)

    journal.clear = fail
    try:
        apply(keys, key(1))
        apply(keys, None, [public(1)])
        apply(keys, key(2))
        assert slots(keys) == {0: "key 0", 1: "key 2"} == slots(opened())
        real(ROOT)
        assert slots(opened()) == slots(keys)
    finally:
        journal.clear = real


# Another identity


def of_vehicle(vehicle):
    reports = []
    keys = Keychain(ROOT, reports.append, vehicle)
    keys.open()
    keys.reports = reports
    return keys


def test_a_key_agreed_with_another_identity_is_stale_and_keeps_its_slot_when_it_is_paired_anew():
    fresh()
    keys = of_vehicle(b"old!")
    for i in range(3):
        apply(keys, key(i))
    keys = of_vehicle(b"new!")
    assert keys.find(public(1)) is None and keys.find(public(1), True).label == "key 1"
    assert keys.find_slot(1) is None and keys.find_slot(1, True).label == "key 1"
    assert slots(keys) == {0: "key 0", 1: "key 1", 2: "key 2"}
    assert (keys.count, keys.lasting_owners(), keys.lasting_owners(by_card=True)) == (3, 0, 0)
    apply(keys, key(1, label="anew"))
    for each in (keys, of_vehicle(b"new!")):
        assert each.find(public(1)).label == "anew" and each.find(public(1)).slot == 1
        assert (each.count, each.lasting_owners()) == (3, 1)
    apply(keys, None, [public(0)])
    assert of_vehicle(b"new!").count == 2, "a stale key can be removed"


def test_a_stale_key_that_is_changed_stays_stale():
    fresh()
    apply(of_vehicle(b"old!"), key(1))
    keys = of_vehicle(b"new!")
    record = keys.find(public(1), True)
    record.role = DRIVER
    apply(keys, record)
    assert keys.find(public(1)) is None


def test_a_key_of_before_identities_were_noted_is_the_present_ones():
    made(key(1))
    assert of_vehicle(b"new!").find(public(1)) and of_vehicle(b"new!").lasting_owners() == 1


# Damage


def test_a_damaged_record_denies_its_key_and_no_other():
    near = alike(1, 2)
    keys = made(key(1), key(near[0]), key(near[1]), key(2))
    flip(path(1), INDEX + SIZE + 80)  # K of the second record
    for each in (keys, opened()):
        assert each.find(public(near[0])) is None
        assert any("a key's record is damaged" in report for report in each.reports), each.reports
        assert each.find_id(key(near[0]).id) is None
        assert each.find(public(1)) and each.find(public(near[1])) and each.find(public(2))
        assert len(entries(each)) == 3
    assert opened().lasting_owners() == 3, "a key that cannot be used does not count as an owner that is left"


def test_a_damaged_record_is_replaced_by_enrolling_its_key_again():
    near = alike(1, 1)[0]
    made(key(1), key(near))
    flip(path(1), INDEX + SIZE + 80)
    keys = opened()
    apply(keys, key(near, label="anew"))
    for each in (keys, opened()):
        assert each.find(public(near)).label == "anew"
        assert each.count == len(entries(each)) == 2
    assert opened().reports == []


def test_a_damaged_record_survives_changes_of_its_neighbours():
    near = alike(1, 2)
    made(key(1), key(near[0]))
    flip(path(1), INDEX + SIZE + 80)
    keys = opened()
    apply(keys, key(near[1]))
    flip(path(1), INDEX + SIZE + 80)  # and the bit comes back
    assert opened().find(public(near[0])).label == "key %d" % near[0]


def test_any_damage_to_an_index_is_mended_from_the_records():
    near = alike(1, 1)[0]
    keys = made(key(1), key(near, DRIVER), key(2))
    for at in (0, 1, 2, 3, 4, 5, 8, 15, HEAD, HEAD + 4, HEAD + 7, HEAD + 8, HEAD + 21, INDEX - 1):
        flip(path(1), at, 0x41)
        keys = opened()
        assert "damaged index, made anew from its records" in keys.reports[0], at
        for i in (1, near, 2):
            assert keys.find(public(i)).label == "key %d" % i
        assert (keys.count, keys.lasting_owners()) == (3, 2)
        flip(path(1), at, 0x41)
    flip(path(1), HEAD)
    keys = opened()
    apply(keys, None, [public(near)])
    keys = opened()
    assert keys.reports == [], "the next change of the bucket writes a sound index"
    assert slots(keys) == {0: "key 1", 2: "key 2"}


def test_a_damaged_index_and_a_damaged_record_deny_that_key_only():
    near = alike(1, 1)[0]
    made(key(1), key(near))
    flip(path(1), HEAD)
    flip(path(1), INDEX + SIZE + 9)
    keys = opened()
    assert keys.find(public(1)) and keys.find(public(near)) is None
    apply(keys, key(near))
    assert opened().find(public(near)) and opened().reports == []


def test_a_bucket_cut_short_anywhere_denies_what_it_lost():
    near = alike(1, 1)[0]
    made(key(1), key(near), key(2))
    whole = files.read(path(1))
    for n in (1, 4, HEAD, INDEX - 1, INDEX, INDEX + 1, INDEX + SIZE, len(whole) - 1):
        files.run(files.write(path(1), (whole[:n],)))
        keys = opened()
        assert keys.find(public(near)) is None
        assert bool(keys.find(public(1))) == (n >= INDEX + SIZE)
        assert keys.find(public(2)) and keys.reports
        apply(keys, key(near))
        assert opened().find(public(near)).label == "key %d" % near


def test_garbage_in_every_bucket_grants_nothing_and_boots():
    keys = made(key(1))
    for bucket in range(64):
        with open("%s/keys%d/%02x" % (ROOT, bucket % 8, bucket), "wb") as f:
            f.write(os.urandom(1500))
    keys = opened()
    assert keys.find(public(1)) is None and entries(keys) == [] and keys.lasting_owners() == 0
    assert len(keys.reports) >= 64
    apply(keys, key(1))
    assert opened().find(public(1))


def test_a_lost_bucket_file_is_reported_and_made_again():
    keys = made(key(1), key(2))
    os.remove(path(1))
    keys = opened()
    assert sum("lost, and its keys with it" in report for report in keys.reports) == 1
    assert keys.find(public(1)) is None and keys.find(public(2))
    apply(keys, key(1))
    assert opened().count == 2 and opened().reports == []


def test_a_flash_that_cannot_be_read_denies_and_reports():
    flash = fresh()
    keys = opened()
    apply(keys, key(1))
    assert keys.find(public(1))
    flash.cut_after(1)
    try:
        with open(ROOT + "/x", "wb") as f:
            f.write(b"x")
    except OSError:
        pass
    assert keys.find(public(1)) is keys.find_slot(0) is keys.find_id(key(1).id) is None
    assert keys.reports


def test_a_bucket_of_another_version_is_told_and_kept_and_the_rest_serves():
    made(key(1), key(2))
    with open(path(1), "rb") as f:
        data = bytearray(f.read())
    data[2], data[3] = 2, 0xFD
    with open(path(1), "wb") as f:
        f.write(data)
    for _ in range(2):
        keys = opened()
        assert any("format version 2" in report for report in keys.reports)
        assert keys.find(public(1)) is None and keys.find(public(2))
        for change in ((key(1),), (None, [public(1)]), (None, (), True)):
            try:
                apply(keys, *change)
            except OSError as error:
                assert "format version 2" in str(error)
            else:
                raise AssertionError("written over")
    apply(keys, None, [public(2)])
    assert opened().find(public(2)) is None
    assert files.read(path(1)) == data


def test_a_journal_of_another_version_or_kind_is_kept_and_stops_changes_and_nothing_else():
    for version, body in ((9, b"\x01change"), (1, b"\x07change")):
        keys = made(key(1))
        files.run(files.write_sealed(ROOT + "/journal/redo", version, body))
        before = files.read(ROOT + "/journal/redo")
        keys = opened()
        assert keys.find(public(1)) and any("version" in report for report in keys.reports)
        try:
            apply(keys, key(2))
        except OSError:
            pass
        else:
            raise AssertionError("written over")
        assert files.read(ROOT + "/journal/redo") == before and keys.count == 1


def test_a_damaged_journal_costs_its_change_and_no_key():
    keys = made(key(1))
    files.run(journal.commit(ROOT, journal.KEYS, b"\0\1" + key(2).pack()))
    flip(ROOT + "/journal/redo", 40)
    keys = opened()
    assert len(keys.reports) == 1 and slots(keys) == {0: "key 1"}
    assert opened().reports == []


def test_a_pending_provisioning_is_finished_before_keys_are_read():
    keys = made(key(1))
    files.run(journal.commit(ROOT, journal.PROVISION, bytes(97) + b"{}"))
    keys = opened()
    assert keys.count == 0
    assert provisioning.load(ROOT, bytes)[0] == b"{}"


# Size

_CHANGES = 60


def _fill(keys, count):
    """Bulk: buckets written as the keychain itself writes them, without a journal for each key."""
    buckets = [[] for _ in range(64)]
    for i in range(count):
        record = key(i, DRIVER, origin=Origin.OWNER_COMMAND)
        record.slot = i
        buckets[record.id[0] % 64].append((i, record.id))
    for bucket, content in enumerate(buckets):
        index = bytearray(INDEX)
        for at, (i, _) in enumerate(content):
            record = key(i, DRIVER, origin=Origin.OWNER_COMMAND)
            record.slot = i
            index[HEAD + 8 * at : HEAD + 8 * at + 8] = bucket_files.pack(record)
        index[:5] = b"Lk\x01\xfe" + bytes((len(content),))
        index[8:16] = files.digest(memoryview(index)[:8], memoryview(index)[16:])
        where = "%s/keys%d/%02x" % (ROOT, bucket % 8, bucket)
        files.run(files.write(where, _content(index, content)))


def _content(index, content):
    yield index
    for i, _ in content:
        record = key(i, DRIVER, origin=Origin.OWNER_COMMAND)
        record.slot = i
        yield record.pack()


def _measured(flash, keys, numbers):
    """RAM in use, and what a look-up costs on average in flash reads, bytes and microseconds."""
    gc.collect()
    gc.collect()
    ram = gc.mem_alloc()
    reads, read = flash.reads, flash.bytes_read
    times = []
    for i in numbers:
        start = time.ticks_us()
        found = keys.find(public(i))
        times.append(time.ticks_diff(time.ticks_us(), start))
        assert found.label == "key %d" % i
    n = len(numbers)
    return ram, (flash.reads - reads) / n, (flash.bytes_read - read) / n, sorted(times)[n // 2]


def _store_of(count):
    """A keychain of that size that has seen some changes, on a flash like a stock board's, and its figures.

    What littlefs reads to find a file depends on how full its folder's metadata log happens to be, whatever the count
    of keys. So the same keys are changed in both stores, often enough for several compactions, and looked up after
    each change: the figures are means.
    """
    image = new_image()
    try:
        flash = mount(Flash(image), fresh=True)
        keys = opened()
        _fill(keys, count)
        keys = opened()
        assert keys.count == count
        figures = []
        for _ in range(_CHANGES):
            for i in range(4):
                apply(keys, keys.find(public(i)))
            figures.append(_measured(flash, keys, range(4)))
        figures = [sum(column) / len(figures) for column in zip(*figures)]
        _other_things(keys, count)
        return figures
    finally:
        mount(RamFlash(), fresh=True)
        flash._file.close()
        os.remove(image)


def _other_things(keys, count):
    if count < Keychain.CAPACITY:
        return
    image = [files.read(path(i)) for i in (0, 1, count)]
    for change in ((key(count),), (key(count), [public(count + 1)])):
        try:
            apply(keys, *change)
        except KeychainFull:
            continue
        raise AssertionError("key 4097 found room")
    assert image == [files.read(path(i)) for i in (0, 1, count)], "nothing changed"
    assert keys.count == count and keys.find(public(count)) is None and keys.reports == []
    replacement = key(count)
    apply(keys, replacement, [public(7)])
    assert replacement.slot == 7 and keys.count == count and keys.find(public(7)) is None
    assert opened().count == count


def test_4096_keys_cost_the_same_ram_and_look_ups_as_4():
    few = _store_of(4)
    many = _store_of(Keychain.CAPACITY)
    for name, a, b in zip(("bytes of RAM in use", "flash reads a look-up", "bytes read a look-up"), few, many):
        print("note: %s: %d with 4 keys, %d with 4,096 (%+.1f %%)" % (name, a, b, (b - a) * 100 / a))
    print("note: microseconds a look-up here: %d with 4 keys, %d with 4,096" % (few[3], many[3]))
    for a, b in zip(few[:3], many[:3]):
        assert b <= 1.1 * a


def test_a_full_bucket_takes_no_more_and_loses_none():
    near = [1] + alike(1, 128)
    keys = made()
    for i in near[:128]:
        apply(keys, key(i, DRIVER))
    try:
        apply(keys, key(near[128], DRIVER))
    except KeychainFull:
        pass
    else:
        raise AssertionError("key 129 of a bucket found room")
    assert opened().count == 128 and opened().reports == []
    record = keys.find(public(near[5]))
    record.role = OWNER
    apply(keys, record)
    assert opened().lasting_owners() == 1, "updates find room"


def test_what_cannot_be_set_aside_keeps_no_car_from_starting():
    made(key(1))
    lost = next(n for n in range(2, 99) if path(n) != path(1))
    os.remove(path(lost))
    for name in ("", ".bad", ".worse"):
        os.mkdir(path(lost) + name)
        with open(path(lost) + name + "/x", "w") as f:
            f.write("a folder that is not empty is not replaced")
    keys = opened()
    assert keys.find(public(1)) and keys.reports


def test_a_full_keychain_of_a_car_that_lost_its_identity_can_be_paired_anew_and_cleared():
    class Small(Keychain):
        CAPACITY = 3

    fresh()
    keys = Small(ROOT, vehicle=b"old!")
    keys.open()
    for i in (1, 2):
        apply(keys, key(i))
    apply(keys, owner())
    keys = Small(ROOT, vehicle=b"new!")
    keys.open()
    assert keys.count == keys.CAPACITY and keys.lasting_owners() == 0
    apply(keys, whitelist.plan_pairing(operation(ADD), keys).record)
    me = keys.find(CLIENT_PUBLIC)
    assert me and keys.count == keys.CAPACITY and keys.lasting_owners(True) == 1
    apply(keys, None, whitelist.plan(removal(public(1)), me, keys).remove)
    replaced = {"publicKeyToReplace": {"PublicKeyRaw": public(2)}, "keyToAdd": {"PublicKeyRaw": VEHICLE_PUBLIC}}
    change = whitelist.plan(message({"replaceKey": dict(replaced, keyRole=DRIVER)}), me, keys)
    apply(keys, change.record, change.remove)
    assert [record.public for record in entries(keys)] == [VEHICLE_PUBLIC, CLIENT_PUBLIC]
