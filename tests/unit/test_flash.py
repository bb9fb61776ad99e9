# SPDX-License-Identifier: Apache-2.0
"""The simulated flash: an image file that littlefs lives on, and power cuts."""

import os

import vfs
from flash import BLOCK, Flash

from ramflash import ROOT, RamFlash, fresh, mount, new_image


def test_a_file_system_on_an_image_file_survives_remounts():
    image = new_image()
    try:
        assert os.stat(image)[6] == 512 * BLOCK
        mount(Flash(image), fresh=True)
        for i in range(3):
            with open("%s/%d" % (ROOT, i), "wb") as f:
                f.write(b"%d" % i * 3000 * (i + 1))
            flash = mount(Flash(image))
            assert flash.blocks == 512
            for j in range(i + 1):
                with open("%s/%d" % (ROOT, j), "rb") as f:
                    assert f.read() == b"%d" % j * 3000 * (j + 1)
        assert os.statvfs(ROOT)[0] == BLOCK and os.statvfs(ROOT)[2] == 512
    finally:
        mount(RamFlash(), fresh=True)
        os.remove(image)


def test_an_image_without_a_file_system_does_not_mount():
    try:
        mount(RamFlash())
    except OSError:
        return
    raise AssertionError("mounted")


def test_programs_and_erases_are_counted_and_reads_apart():
    flash = RamFlash(blocks=4)
    assert flash.ioctl(4, 0) == 4 and flash.ioctl(5, 0) == BLOCK
    assert flash.ioctl(1, 0) == flash.ioctl(3, 0) == 0
    flash.writeblocks(1, b"abcd", 8)
    assert flash.operations == 1
    flash.writeblocks(2, bytes(2 * BLOCK))
    assert flash.operations == 5, "two erases and two programs"
    buf = bytearray(8)
    flash.readblocks(1, buf, 6)
    assert buf == b"\xff\xffabcd\xff\xff"
    assert (flash.operations, flash.reads, flash.bytes_read) == (5, 1, 8)
    flash.ioctl(6, 1)
    flash.readblocks(1, buf, 6)
    assert buf == b"\xff" * 8 and flash.operations == 6


def test_a_cut_tears_its_operation_and_nothing_works_after_it():
    told = []
    for n in range(1, 40):
        flash = RamFlash(blocks=2)
        flash.on_cut = lambda: told.append(True)
        flash.cut_after(n)
        for i in range(1, n):
            assert flash.writeblocks(0, b"x", i) == 0
        assert not flash.dead
        assert flash.writeblocks(1, bytes(32), 0) < 0
        written = flash.image()[1].count(b"\0")
        assert written < 32 and flash.image()[1][:written] == bytes(written), "a part, and that from its start"
        before = flash.image()
        assert flash.dead
        assert flash.writeblocks(1, bytes(32), 0) < 0 and flash.ioctl(6, 0) < 0 and flash.readblocks(0, before[0]) < 0
        assert flash.image() == before
        assert len(told) == n


def test_a_cut_that_is_not_torn_comes_just_after_its_operation():
    flash = RamFlash(blocks=2)
    flash.cut_after(2, torn=False)
    flash.writeblocks(1, bytes(32), 0)
    flash.writeblocks(1, bytes(32), 32)
    assert flash.dead and flash.image()[1].count(b"\0") == 64


def test_a_cut_can_be_called_off():
    flash = RamFlash(blocks=2)
    flash.cut_after(1)
    flash.cut_after(0)
    assert flash.writeblocks(1, bytes(32), 0) == 0 and not flash.dead


def test_a_write_that_meets_a_cut_raises():
    flash = fresh()
    flash.cut_after(3)
    try:
        with open(ROOT + "/a", "wb") as f:
            f.write(bytes(9000))
    except OSError:
        vfs.umount(ROOT)
        return
    raise AssertionError("a dead flash took it")
