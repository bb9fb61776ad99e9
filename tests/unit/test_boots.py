# SPDX-License-Identifier: Apache-2.0
"""The number of a start never comes again, whatever is damaged; one that cannot be written down is none."""

import asyncio
import os
import sys

from latchkey.store import boots, files, logreader
from latchkey.wire.schema import LogKind
from ramflash import ROOT, flip, fresh, mount
from simulated import esp32

COPIES = (ROOT + "/boot", ROOT + "/twin/boot")


def start():
    """A new board, with nothing in NVS."""
    esp32.ram.clear()
    return fresh()


def count():
    del told[:]
    return boots.count(ROOT, told.append)


told = []


def test_each_start_has_the_next_number():
    start()
    assert [count() for _ in range(4)] == [1, 2, 3, 4] and told == []


def test_any_two_of_its_three_places_may_be_damaged():
    for spared in range(3):
        start()
        for _ in range(5):
            count()
        for i, path in enumerate(COPIES):
            if i != spared:
                flip(path, 12, 0xFF)
        if spared != 2:
            esp32.ram.clear()
        assert count() == 6
        assert [count(), count()] == [7, 8] and told == [], "and all three are made anew"


def test_no_flipped_bit_lowers_it():
    start()
    last = count()
    for path in COPIES:
        for at in range(len(files.read(path))):
            for bit in range(8):
                flip(path, at, 1 << bit)
                number = count()
                assert number == last + 1
                last = number


def test_an_older_copy_does_not_lower_it():
    start()
    count()
    old = files.read(COPIES[0])
    for _ in range(3):
        count()
    for path in COPIES:
        files.run(files.write(path, (old,)))
    assert count() == 5, "NVS knows better"
    esp32.ram["latchkey.boot"] = 2
    assert count() == 6, "the files know better"


def test_a_file_system_made_anew_does_not_lower_it():
    start()
    count()
    fresh()
    assert count() == 2


def test_numbers_that_no_board_gets_to_are_damage():
    start()
    count()
    for number in (0xFFFFFFFF, 0x7FFFFFFF, 0x3FFFFFFF):
        files.run(files.write_sealed(COPIES[0], 1, number.to_bytes(4, "little")))
        esp32.ram["latchkey.boot"] = -number
        assert 1 < count() < 10


def test_the_highest_number_of_all_makes_no_other():
    start()
    files.run(files.write_sealed(COPIES[0], 1, (0x3FFFFFFD).to_bytes(4, "little")))
    assert count() == 0x3FFFFFFE
    assert count() is None and told


def test_an_absurd_number_in_nvs_does_not_stop_the_car():
    start()
    count()
    for number in (0x3FFFFFFE, 0x3FFFFFFD, 0x800000, 0x7FFFFFFF, 0, -1):
        last = count()
        esp32.ram["latchkey.boot"] = number
        assert [count(), count()] == [last + 1, last + 2], number
    esp32.ram["latchkey.boot"] = 0x7FFFFF
    assert [count(), count()] == [0x800000, 0x800001], "the sealed ones go on"
    flash = start()
    esp32.ram["latchkey.boot"] = 0x7FFFFF
    flash.fail_after(1, 28, forever=True)
    assert count() is None, "and NVS alone does not"


def test_nvs_alone_counts_up_to_its_highest():
    flash = start()
    esp32.ram["latchkey.boot"] = 0x7FFFFE
    flash.fail_after(1, 28, forever=True)
    assert [count(), count()] == [0x7FFFFF, None]


def test_one_place_that_can_be_written_is_enough():
    flash = start()
    count()
    flash.fail_after(1, 28, forever=True)
    assert count() == 2 and len(told) == 2
    mount(flash)
    flash.fail_after(0)
    assert count() == 3
    without_nvs(lambda: [count(), count()] == [4, 5] or fail())


def test_an_nvs_that_cannot_be_written_is_told_and_the_files_are_enough():
    def full(self, key, value):
        raise OSError(-0x1105, "ESP_ERR_NVS_NOT_ENOUGH_SPACE")

    start()
    real, esp32.NVS.set_i32 = esp32.NVS.set_i32, full
    try:
        assert count() == 1 and len(told) == 1 and "NVS" in told[0]
        assert count() == 2
    finally:
        esp32.NVS.set_i32 = real


def test_a_number_that_is_written_down_nowhere_is_none():
    flash = start()
    for _ in range(3):
        count()

    def nowhere():
        for error in (5, 28):
            flash.fail_after(1, error, forever=True)
            assert count() is None
            flash.fail_after(0)
            mount(flash)
        assert count() == 4

    without_nvs(nowhere)


def test_a_board_that_counted_its_starts_in_its_log_goes_on_from_there():
    start()
    log = logreader.opened(ROOT, lambda: 7, 41)
    log.append(LogKind.BOOT, "", None, 0, 0)
    asyncio.run(log.flush())
    assert [count(), count()] == [42, 43]


def test_what_is_in_the_way_is_set_aside():
    start()
    os.mkdir(COPIES[0])
    with open(ROOT + "/twin", "wb") as f:
        f.write(b"a file where the folder should be")
    assert count() == 1
    assert all(files.read_sealed(path, 1) == b"\1\0\0\0" for path in COPIES)


def test_a_simulated_nvs_that_is_none_holds_nothing():
    start()
    path = "/tmp/latchkey-test-" + os.urandom(8).hex()
    os.putenv("LATCHKEY_IMAGE", path)
    try:
        for text in ("", "[1]", "null", "5", '{"latchkey.boot": "x"}', '{"latchkey.boot": null}', "\xff"):
            with open(path + ".nvs", "w") as f:
                f.write(text)
            assert count() < count(), text
    finally:
        os.unsetenv("LATCHKEY_IMAGE")
        os.remove(path + ".nvs")


def fail():
    raise AssertionError


def without_nvs(do):
    """On a build that has none."""
    real = sys.modules["esp32"]
    sys.modules["esp32"] = sys
    try:
        do()
    finally:
        sys.modules["esp32"] = real
