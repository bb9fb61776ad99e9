# SPDX-License-Identifier: Apache-2.0
"""The access log's chain, checked as docs/protocol.md has it and with nothing of the firmware's."""

import struct
from binascii import crc32
from hashlib import sha256

from ramflash import ROOT

GAP = 16


def raws(folder=ROOT + "/log"):
    """All sound entries in flash, as they are, by number."""
    found = {}
    for segment in range(8):
        try:
            with open("%s/%d" % (folder, segment), "rb") as f:
                data = f.read()
        except OSError:
            continue
        for at in range(0, len(data) - 63, 64):
            raw = data[at : at + 64]
            if crc32(raw[:60]) == struct.unpack("<I", raw[60:])[0]:
                found[struct.unpack("<I", raw[:4])[0]] = raw
    return found


def link(before, raw):
    return sha256(before + raw[:36]).digest()[:16]


def broken(folder=ROOT + "/log"):
    """The numbers of those entries that do not go on from the one before them. The first one, whose one before it the
    ring may have overwritten, begins the chain or is taken as it is."""
    found = raws(folder)
    wrong = []
    for number, raw in sorted(found.items()):
        before = found.get(number - 1)
        if number == 1 or raw[14] == GAP:
            before = bytes(16)
        elif before:
            before = before[36:52]
        elif number == min(found):
            continue
        if before is None or link(before, raw) != raw[36:52]:
            wrong.append(number)
    return wrong
