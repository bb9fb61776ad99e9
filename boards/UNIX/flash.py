# SPDX-License-Identifier: Apache-2.0
"""The simulated board's flash: a file of 4096-byte blocks, counted, and cut off in the middle of any operation.

An operation is one erase or one program. A power cut tears the operation that it meets, and from then on the flash
does nothing more. It can also fail: one operation, or all from one on, say an error and are not done; reads too.
"""

import machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 4096
_EIO = -5
_ERASED = b"\xff" * BLOCK


def make_image(path: str, blocks: int = 512) -> None:
    """A new, erased image file."""
    with open(path, "wb") as f:
        for _ in range(blocks):
            f.write(_ERASED)


def _die() -> None:
    machine.power_cut()


class Flash:
    def __init__(self, path: str) -> None:
        self._file = open(path, "r+b")  # noqa: SIM115 - as long as the board has power; unbuffered, outlives a kill
        self.blocks: int = self._file.seek(0, 2) // BLOCK
        self._start()

    def _start(self) -> None:
        self.operations = 0  # programs and erases
        self.reads = 0
        self.bytes_read = 0
        self.on_cut: Callable[[], None] = _die
        self._cut_at = 0
        self._torn = True
        self._dead = False
        self._fail_at = self._fail_reads_at = 0
        self._error = _EIO
        self._forever = False
        self.failures = 0  # errors told

    def fail_after(self, n: int, error: int = 5, forever: bool = False, reads: bool = False) -> None:
        """The n-th operation (or read) from now says this error and is not done; `forever`: all after it. 0: none."""
        self._fail_at = self._fail_reads_at = 0
        if reads:
            self._fail_reads_at = self.reads + n if n else 0
        else:
            self._fail_at = self.operations + n if n else 0
        self._error = -error
        self._forever = forever

    def _fails(self, at: int, count: int) -> bool:
        if not at or count < at or (count > at and not self._forever):
            return False
        self.failures += 1
        return True

    def cut_after(self, n: int, torn: bool = True) -> None:
        """The power fails in the middle of the n-th operation from now (not torn: just after it). 0 cancels."""
        self._cut_at = self.operations + n if n else 0
        self._torn = torn

    # The medium, replaced in tests by one in RAM.

    def _get(self, block: int, offset: int, buf: memoryview) -> None:
        self._file.seek(block * BLOCK + offset)
        self._file.readinto(buf)

    def _put(self, block: int, offset: int, data: bytes | memoryview) -> None:
        self._file.seek(block * BLOCK + offset)
        self._file.write(data)

    # What littlefs calls.

    def readblocks(self, block: int, buf: memoryview, offset: int = 0) -> int:
        if self._dead:
            return _EIO
        self.reads += 1
        if self._fails(self._fail_reads_at, self.reads):
            return self._error
        self.bytes_read += len(buf)
        self._get(block, offset, buf)
        return 0

    def writeblocks(self, block: int, buf: memoryview, offset: int | None = None) -> int:
        if offset is not None:
            return self._operate(block, offset, buf)
        for at in range(0, len(buf), BLOCK):
            error = self.ioctl(6, block) or self._operate(block, 0, memoryview(buf)[at : at + BLOCK])
            if error:
                return error
            block += 1
        return 0

    def ioctl(self, op: int, arg: int) -> int:
        if op == 4:
            return self.blocks
        if op == 5:
            return BLOCK
        if op == 6:
            return self._operate(arg, 0, _ERASED)
        return 0  # init, deinit, sync: every operation is in the file when it returns

    def _operate(self, block: int, offset: int, data: bytes | memoryview) -> int:
        if self._dead:
            return _EIO
        self.operations += 1
        if self._fails(self._fail_at, self.operations):
            return self._error
        if self.operations != self._cut_at:
            self._put(block, offset, data)
            return 0
        done = len(data)
        if self._torn:
            done = self.operations * 40503 % done  # anything from nothing to nearly all
        self._put(block, offset, memoryview(data)[:done])
        self._dead = True
        self.on_cut()  # when it comes back, what runs on sees a flash that fails
        return _EIO
