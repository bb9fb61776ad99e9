# SPDX-License-Identifier: Apache-2.0
"""The access log read: opened at boot, where it ends, and its entries for who asks. Nothing here writes, but the
folder's making.

Whatever a segment holds, entries that are damaged, misplaced or impossible are passed over.
"""

import struct
from binascii import crc32

from micropython import const

from latchkey.store.accesslog import CONNS, AccessLog
from latchkey.wire.schema import LogKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

KINDS = (  # the names of LogKind, by number: new ones go to the end
    "other", "boot", "command", "refused", "enrolled", "removed", "updated", "replaced", "dropped", "collision",
    "identity", "prevented", "roster", "declined", "wish", "authority", "gap", "revoked", "time",
)  # fmt: skip
# As in accesslog.py.
_SEGMENTS = const(8)
_PLACES = const(64)
_SIZE = const(64)
_LAYOUT = const("<IIIH13sB")
_WHAT = const("<BBHHH4sB")
_VERSION_AT = const(27)
_LINK = const(36)
_LINK_END = const(52)
_CRC = const(60)
_VERSION = const(3)
_UNCHAINED = const(2)  # the version before it, which had zeros for request and link
_MOST = const(0x1000000)  # entries, and starts, that no flash lives to see


def last(folder: str) -> tuple[int, int, bytes]:
    """(number of the newest entry, or of the last place that cannot be used; number of its boot; its link of the chain,
    b"": it has none). (0, 0, b""): none."""
    last = boot = 0
    chain = b""
    for segment in range(_SEGMENTS):
        try:
            with open(f"{folder}/{segment}", "rb") as f:
                n = min(f.seek(0, 2) // _SIZE, _PLACES)
                for place in (n - 1, 0):  # its first or its last entry has to be sound
                    f.seek(max(0, place) * _SIZE)
                    raw = f.read(_SIZE)
                    entry = _entry(raw, None, False)
                    if not entry or entry["seq"] <= last or (entry["seq"] - 1) // _PLACES % _SEGMENTS != segment:
                        continue
                    if entry["seq"] >= _MOST or entry["boot"] >= _MOST:
                        continue
                    last = (entry["seq"] - 1) // _PLACES * _PLACES + n
                    boot = entry["boot"]
                    chain = raw[_LINK:_LINK_END] if entry["seq"] == last and raw[_VERSION_AT] == _VERSION else b""
        except OSError:
            pass
    return last, boot, chain


def opened(root: str, now: Callable[[], int], boot: int = 1) -> AccessLog:
    """The log, to go on in. Its folder is made, and what is in the way set aside; one that cannot be written is told,
    and waits. Where the newest entry has no link, a chain begins anew, with an entry that says so."""
    from latchkey.store import files  # who only reads has no need of it

    folder = root + "/log"
    files.attempt(files.make_folder, folder, print)
    for segment in range(_SEGMENTS):
        files.attempt(files.clear, f"{folder}/{segment}", print)
    newest, _, chain = last(folder)
    log = AccessLog(folder, now, boot, newest, chain or bytes(_LINK_END - _LINK))
    if newest and not chain:
        log.append(LogKind.GAP, "", None, 0, 0)
    return log


def entries(log: AccessLog, since: int = 0, limit: int = 16) -> Iterator[dict[str, Any]]:
    """Entries with numbers above `since`, oldest first, without their bytes; also those that wait for a flush."""
    while limit > 0:
        found, since = read(log, since, limit)
        limit -= len(found)
        for entry in found:
            del entry["raw"]
        yield from found
        if not since:
            return


def head(log: AccessLog) -> tuple[int, bytes]:
    """(number of the newest entry in flash, its link of the chain)."""
    return log.last - len(log.waiting()) // _SIZE, log.chain


def read(log: AccessLog, since: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """(the sound ones of at most so many entries with numbers above `since`, where the next page goes on; 0: nowhere).

    It takes one look into the flash, whatever is there.
    """
    waiting = log.waiting()
    flushed = head(log)[0]
    place = max(since, (flushed - 1) // _PLACES * _PLACES - (_SEGMENTS - 1) * _PLACES, 0)
    if place >= log.last:
        return [], 0
    data: bytes | memoryview
    if place < flushed:
        limit = min(limit, _PLACES - place % _PLACES, flushed - place)
        data = _read(log.folder, place, limit)
    else:
        limit = min(limit, log.last - place)
        data = waiting[(place - flushed) * _SIZE :][: limit * _SIZE]
    found = []
    for at in range(0, len(data), _SIZE):
        entry = _entry(data[at : at + _SIZE], place + at // _SIZE + 1, place >= flushed)
        if entry:
            found.append(entry)
    place += limit
    return found, place if place < log.last else 0


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
    if version not in (_VERSION, _UNCHAINED) or number not in (None, seq):
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
        "raw": bytes(raw),
    }
