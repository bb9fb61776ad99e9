# SPDX-License-Identifier: Apache-2.0
"""The access log read: opened at boot, where it ends, and its entries for who asks. Nothing here writes, but the
folder's making.

Whatever a segment holds, entries that are damaged, misplaced or impossible are passed over.
"""

import struct
from binascii import crc32

from micropython import const

from latchkey.store import files
from latchkey.store.accesslog import CONNS, KINDS, AccessLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# As in accesslog.py.
_SEGMENTS = const(8)
_PLACES = const(64)
_SIZE = const(64)
_LAYOUT = const("<IIIH13sB")
_WHAT = const("<BBHHH4sB")
_CRC = const(60)
_VERSION = const(2)
_MOST = const(0x1000000)  # entries, and starts, that no flash lives to see


def last(folder: str) -> tuple[int, int]:
    """(number of the newest entry, or of the last place that cannot be used; number of its boot). (0, 0): none."""
    last = boot = 0
    for segment in range(_SEGMENTS):
        try:
            with open(f"{folder}/{segment}", "rb") as f:
                n = min(f.seek(0, 2) // _SIZE, _PLACES)
                for place in (n - 1, 0):  # its first or its last entry has to be sound
                    f.seek(max(0, place) * _SIZE)
                    entry = _entry(f.read(_SIZE), None, False)
                    if not entry or entry["seq"] <= last or (entry["seq"] - 1) // _PLACES % _SEGMENTS != segment:
                        continue
                    if entry["seq"] >= _MOST or entry["boot"] >= _MOST:
                        continue
                    last = (entry["seq"] - 1) // _PLACES * _PLACES + n
                    boot = entry["boot"]
        except OSError:
            pass
    return last, boot


def opened(root: str, now: Callable[[], int], boot: int = 1) -> AccessLog:
    """The log, to go on in. Its folder is made, and what is in the way set aside; one that cannot be written is told,
    and waits."""
    folder = root + "/log"
    files.attempt(files.make_folder, folder, print)
    for segment in range(_SEGMENTS):
        files.attempt(files.clear, f"{folder}/{segment}", print)
    return AccessLog(folder, now, boot, last(folder)[0])


def entries(log: AccessLog, since: int = 0, limit: int = 16) -> Iterator[dict[str, Any]]:
    """Entries with numbers above `since`, oldest first; also those that wait for a flush."""
    folder, last, waiting = log.folder, log.last, log.waiting()
    flushed = last - len(waiting) // _SIZE
    place = max(since, (flushed - 1) // _PLACES * _PLACES - (_SEGMENTS - 1) * _PLACES, 0)
    while place < last and limit > 0:
        n = min(limit, _PLACES - place % _PLACES, flushed - place)
        data: bytes | memoryview
        if n > 0:
            data = _read(folder, place, n)
        else:
            n = last - place
            data = waiting[(place - flushed) * _SIZE :]
        for at in range(0, len(data), _SIZE):
            place += 1
            n -= 1
            entry = _entry(data[at : at + _SIZE], place, place > flushed)
            if entry and limit > 0:
                limit -= 1
                yield entry
        place += n  # a segment that is missing or cut short


def _read(folder: str, place: int, n: int) -> bytes:
    try:
        with open(f"{folder}/{place // _PLACES % _SEGMENTS}", "rb") as f:
            f.seek(place % _PLACES * _SIZE)
            data: bytes = f.read(n * _SIZE)
            return data[: len(data) // _SIZE * _SIZE]
    except OSError:
        return b""


def _entry(raw: bytes | memoryview, number: int | None, in_ram: bool) -> dict[str, Any] | None:
    """None for one that is damaged, or is not the one it should be."""
    if len(raw) != _SIZE or not (in_ram or crc32(raw[:_CRC]) == struct.unpack("<I", raw[_CRC:])[0]):
        return None
    seq, boot, at, count, what, version = struct.unpack_from(_LAYOUT, raw, 0)
    if version != _VERSION or number not in (None, seq):
        return None
    kind, conn, command, outcome, detail, key, keyed = struct.unpack(_WHAT, what)
    return {
        "seq": seq,
        "boot": boot,
        "at": at,
        "kind": KINDS[kind % len(KINDS)],
        "conn": CONNS[conn % len(CONNS)],
        "key": key.hex() if keyed else None,
        "command": command,
        "outcome": outcome,
        "detail": detail,
        "count": count,
    }
