# SPDX-License-Identifier: Apache-2.0
"""The simulated flash in RAM: copied as often as a test cuts its power. And keys to fill it with."""

import os
from hashlib import sha256

import vfs
from flash import BLOCK, Flash, make_image

from latchkey.keys.record import Record
from latchkey.wire.schema import Origin
from runner import skip_on_board

ROOT = "/data"
_ERASED = b"\xff" * BLOCK
_EIO = -5


class RamFlash(Flash):
    """A copy shares its blocks with the image until it writes to them."""

    def __init__(self, image=None, blocks=128):
        skip_on_board("its flash is in RAM, of which a board has less than that")
        self._image = list(image) if image else [_ERASED] * blocks
        self.blocks = len(self._image)
        self._start()
        self.on_cut = lambda: None  # from then on every operation fails
        self.whole = None  # after a cut, the image of a board whose power failed just after that operation

    @property
    def dead(self):
        return self._dead

    def image(self):
        return [bytes(block) if isinstance(block, bytearray) else block for block in self._image]

    def _operate(self, block, offset, data):
        cut = self._cut_at == self.operations + 1 and not self._dead
        error = super()._operate(block, offset, data)
        if cut:
            whole = RamFlash(self.image())
            whole._put(block, offset, data)
            self.whole = whole.image()
        return error

    def _get(self, block, offset, buf):
        buf[:] = self._image[block][offset : offset + len(buf)]

    def _put(self, block, offset, data):
        if not isinstance(self._image[block], bytearray):
            self._image[block] = bytearray(self._image[block])
        memoryview(self._image[block])[offset : offset + len(data)] = data


class QuickFlash(RamFlash):
    """Its reads are neither counted nor failed: littlefs makes ten thousand a boot, and a sweep boots thousands."""

    def readblocks(self, block, buf, offset=0):
        if self._dead:
            return _EIO
        buf[:] = self._image[block][offset : offset + len(buf)]
        return 0

    def fail_after(self, n, error=5, forever=False, reads=False):
        if reads:
            raise ValueError("a QuickFlash reads")
        super().fail_after(n, error, forever)


def new_image():
    """The path of a new image file of a stock board's size, on the host's disk."""
    skip_on_board("its flash is a file on the host")
    path = "/tmp/latchkey-test-%s.img" % os.urandom(8).hex()
    make_image(path)
    return path


def mount(flash, fresh=False):
    """What a reset does: whatever was mounted is gone."""
    try:
        vfs.umount(ROOT)
    except OSError:
        pass  # it was not mounted: on a board, a folder of the car's own may be underneath
    if fresh:
        vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), ROOT)
    return flash


def fresh(blocks=128):
    return mount(RamFlash(blocks=blocks), fresh=True)


def public(i):
    """Not a point of the curve: the store does not mind."""
    return b"\x04" + sha256(b"x%d" % i).digest() + sha256(b"y%d" % i).digest()


def key(i, role=2, **fields):
    fields = dict({"origin": Origin.CARD_TAP, "label": "key %d" % i}, **fields)
    return Record(public(i), sha256(b"k%d" % i).digest()[:16], role, **fields)


def entries(keys):
    """The readable keys of a keychain, stale ones too, in the order of their slots."""
    found = [keys.find_slot(slot, True) for slot in range(keys.CAPACITY) if keys.slots[slot] != 0xFF]
    return [record for record in found if record]


def flip(path, at, mask=1):
    """Bit rot."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    data[at] ^= mask
    with open(path, "wb") as f:
        f.write(data)
