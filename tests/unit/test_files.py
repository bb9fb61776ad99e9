# SPDX-License-Identifier: Apache-2.0
"""A file is the old one or the new one, and a damaged one is found."""

import asyncio
import os

from latchkey.store import files
from ramflash import ROOT, RamFlash, flip, fresh, mount


def names(folder=ROOT):
    return sorted(os.listdir(folder))


def refused(kind, do, *args):
    try:
        do(*args)
    except kind as error:
        return error
    raise AssertionError("not refused")


def test_a_file_is_replaced_whole_and_leaves_nothing_else():
    fresh()
    files.run(files.write(ROOT + "/a", (b"old",)))
    files.run(files.write(ROOT + "/a", (b"n", b"", bytearray(b"e"), memoryview(b"w"))))
    assert files.read(ROOT + "/a") == b"new"
    assert names() == ["a"]


def test_until_its_rename_the_old_file_is_there():
    fresh()
    files.run(files.write(ROOT + "/a", (b"old",)))
    steps = files.write(ROOT + "/a", (bytes(3 * 4096),))
    seen = [files.read(ROOT + "/a") for _ in steps]
    assert seen == [b"old"] * len(seen)
    assert len(seen) >= 3, "it yields between blocks, however large a chunk is"
    assert len(files.read(ROOT + "/a")) == 3 * 4096


def test_a_write_that_is_given_up_leaves_the_old_file_and_what_it_left_goes():
    fresh()
    files.run(files.write(ROOT + "/a", (b"old",)))

    async def give_up():
        task = asyncio.create_task(files.pace(files.write(ROOT + "/a", (bytes(4096),) * 4)))
        for _ in range(2):
            await asyncio.sleep_ms(0)
        task.cancel()
        await asyncio.sleep_ms(0)

    asyncio.run(give_up())
    assert files.read(ROOT + "/a") == b"old"
    assert names() == ["a", "new.tmp"]
    files.run(files.write(ROOT + "/a", (b"new",)))
    assert names() == ["a"]
    with open(ROOT + "/new.tmp", "wb") as f:
        f.write(b"half")
    files.sweep(ROOT)
    files.sweep(ROOT)
    assert names() == ["a"]


def test_steps_that_are_given_up_close_their_files():
    fresh()
    closed = []

    def steps():
        try:
            yield
            yield
        finally:
            closed.append(True)

    async def give_up():
        task = asyncio.create_task(files.pace(steps()))
        await asyncio.sleep_ms(0)
        task.cancel()
        await asyncio.sleep_ms(0)

    asyncio.run(give_up())
    assert closed == [True]


def test_a_full_flash_refuses_the_write_and_keeps_the_old_file():
    mount(RamFlash(blocks=8), fresh=True)
    files.run(files.write(ROOT + "/a", (b"old",)))
    refused(OSError, files.run, files.write(ROOT + "/a", (bytes(4096),) * 20))
    assert files.read(ROOT + "/a") == b"old"
    assert names() == ["a"], "and gives its room back"


def test_a_missing_file_is_none():
    fresh()
    assert files.read(ROOT + "/none") is None
    assert files.read_sealed(ROOT + "/none", 1) is None
    files.remove(ROOT + "/none")


def test_a_sealed_file_comes_back():
    fresh()
    files.run(files.write_sealed(ROOT + "/s", 3, b"body"))
    assert files.read_sealed(ROOT + "/s", 3) == b"body"


def test_any_flipped_bit_of_a_sealed_file_is_found():
    fresh()
    for at in range(4 + 8 + len(b"body")):
        for bit in range(8):
            files.run(files.write_sealed(ROOT + "/s", 1, b"body"))
            flip(ROOT + "/s", at, 1 << bit)
            refused(files.Damaged, files.read_sealed, ROOT + "/s", 1)


def test_a_sealed_file_cut_short_is_found():
    fresh()
    files.run(files.write_sealed(ROOT + "/s", 1, b"body"))
    whole = files.read(ROOT + "/s")
    for n in range(len(whole)):
        files.run(files.write(ROOT + "/s", (whole[:n],)))
        refused(files.Damaged, files.read_sealed, ROOT + "/s", 1)


def test_another_version_is_refused_by_its_number_and_left_as_it_is():
    fresh()
    files.run(files.write_sealed(ROOT + "/s", 7, b"body"))
    before = files.read(ROOT + "/s")
    error = refused(files.UnknownVersion, files.read_sealed, ROOT + "/s", 1)
    assert error.version == 7
    assert "/s has format version 7" in str(error)
    assert files.read(ROOT + "/s") == before


def test_a_folder_is_made_once():
    fresh()
    files.make_folder(ROOT + "/f")
    files.make_folder(ROOT + "/f")
    assert names() == ["f"]
    refused(OSError, files.make_folder, ROOT + "/none/f")


def test_a_file_too_long_for_the_heap_is_damaged_and_not_read():
    fresh()
    path = ROOT + "/a"
    for longest, sound in ((16384 - 12, True), (16384 - 11, False), (300_000, False)):
        with open(path, "wb") as f:
            for part in files.sealed(1, bytes(longest)):
                f.write(part)
        if sound:
            assert len(files.read_sealed(path, 1)) == longest
        else:
            assert "longer" in str(refused(files.Damaged, files.read_sealed, path, 1))
