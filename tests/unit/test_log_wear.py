# SPDX-License-Identifier: Apache-2.0
"""What the access log writes for each command, and for how many years a flash takes that."""

import asyncio

from flash import BLOCK

from latchkey.store import logreader
from latchkey.wire.schema import LogKind
from ramflash import ROOT, RamFlash, mount

ERASES = 100_000  # that a block takes
ROUND = 512  # commands, until each place in the ring was written once


class Worn(RamFlash):
    """Counts what wears it: erases of each block."""

    def _start(self):
        super()._start()
        self.erases = [0] * self.blocks

    def _operate(self, block, offset, data):
        if len(data) == BLOCK and not offset and bytes(data[:16]) == b"\xff" * 16:
            self.erases[block] += 1
        return super()._operate(block, offset, data)


def driven(free):
    """(operations, erases, erases of the most worn block) a command, on a flash of 2 MB with so many free blocks."""
    flash = mount(Worn(blocks=512), fresh=True)
    with open(ROOT + "/others", "wb") as f:
        for _ in range(512 - free - 16):
            f.write(bytes(BLOCK))
    log = logreader.opened(ROOT, lambda: 7)

    def drive(count):
        for _ in range(count):
            log.append(LogKind.COMMAND, "ble/0", b"keyA", 16, 0, 0, b"\x05the request's tag")
            asyncio.run(log.flush())

    drive(64)
    operations, before = flash.operations, list(flash.erases)
    drive(ROUND)
    erased = [after - had for after, had in zip(flash.erases, before)]
    return (flash.operations - operations) / ROUND, sum(erased) / ROUND, max(erased) / ROUND


def test_one_block_is_erased_for_a_command_and_15_years_of_250_a_day_are_no_strain():
    for free in (400, 24):
        operations, erases, most = driven(free)
        a_day = ERASES / most / (15 * 365)
        print(
            "note: %d blocks free: %.1f flash operations a command, %.2f of them erases; the most worn block %.4f:"
            " %d commands a day for 15 years" % (free, operations, erases, most, a_day)
        )
        assert operations < 20 and erases <= 1.01, "as before there was a chain"
        assert a_day > 250
