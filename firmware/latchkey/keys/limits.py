# SPDX-License-Identifier: Apache-2.0
"""What a key with limits may do now (docs/protocol.md, "Limits"): in doubt owners and drivers may, guests may not.

Loaded by the first such key. Its uses lie in flash, a row of a file for each slot: whose they are, and how many are
spent (keys/charging.py writes them).
"""

import struct

from micropython import const

from latchkey.faults import Fault
from latchkey.store import formats
from latchkey.wire.schema import MessageFault, Origin, Permission, Role

TYPE_CHECKING = False
if TYPE_CHECKING:
    from latchkey.clock import Clock
    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

_ROW = const("<8sI4s")  # whose, how many, a digest of both
SIZE = const(16)
_NOBODYS = const(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
_ROWS = const(256)  # of a file: a flash block
_ENOENT = const(2)
_LEAP = const(400 * 86400)  # seconds that a roster may be ahead


def counted(allowed: int) -> int:
    """The Permission whose every command is a use, of a key that may do all that: starts, or else unlockings."""
    return allowed & Permission.START or allowed & Permission.UNLOCK


def check(record: Record, allowed: int, command: int, keychain: Keychain, own: int = 0) -> None:
    """Raises Fault if the limits of a key that may do all that forbid a command now; `own`: uses that are spent for
    it."""
    if command == Permission.READ:
        return
    why = over(record, allowed, keychain)
    if not why and record.uses and command != Permission.LOCK:
        try:
            why = "uses" if used(record, keychain.root) - own >= record.uses else ""
        except OSError as error:  # in doubt, too
            why = repr(error)
    if why:
        raise Fault(MessageFault.INACTIVE_KEY, why, command, record.role)


def over(record: Record, allowed: int, keychain: Keychain) -> str:
    """Why its time is not now, or may not be; empty: it is, as far as anybody knows."""
    clock = keychain.clock
    if (record.seconds or record.powered) and not left(record, clock):
        return "powered"
    if record.role == Role.OWNER or not (record.not_before or record.not_after):
        return ""
    now = clock.time()
    if keychain.roster:  # it may be a thief's: an owner's word is what goes further
        now = max(now, min(keychain.roster.time, now + _LEAP))
    if record.not_after and now >= record.not_after:
        return "not after"
    if clock.known:
        return "not before" if now < record.not_before else ""
    if record.role == Role.DRIVER or record.powered or (record.uses and counted(allowed)):
        return ""
    return "time not known"


def left(record: Record, clock: Clock) -> int:
    """Powered seconds that such a key has left; 0 too while the flash does not have what is being spent."""
    total = clock.powered()
    return max(0, record.powered - total) if total <= clock.ahead else 0


def told(record: Record, keychain: Keychain) -> tuple[int, ...]:
    """What there is to say of its limits: commands, the dates, uses and how many of them are spent, the powered seconds
    that are left, the number of its grant."""
    try:
        spent = used(record, keychain.root) if record.uses else 0
    except OSError:
        spent = record.uses
    seconds = left(record, keychain.clock) if record.seconds or record.powered else 0
    number = record.number if record.origin == Origin.GRANT else 0
    return record.commands, record.not_before, record.not_after, record.uses, spent, seconds, number


def dead(record: Record, keychain: Keychain) -> bool:
    """Whether it will never do anything again: its limits are used up for good, and not only in doubt. Raises
    OSError."""
    clock = keychain.clock
    if (record.seconds or record.powered) and clock.powered() >= record.powered:
        return True
    if record.not_after and clock.time() >= record.not_after:
        return True
    return bool(record.uses) and used(record, keychain.root) >= record.uses


def used(record: Record, root: str) -> int:
    """How many of its uses are spent; all, where what was written is damaged. Raises OSError."""
    try:
        with open(path(root, record.slot), "rb") as f:
            f.seek(place(record.slot))
            row = f.read(SIZE)
    except OSError as error:
        if error.errno != _ENOENT:
            raise
        return 0
    if not row or row == _NOBODYS:
        return 0
    if len(row) != SIZE or row[-4:] != formats.digest(row[:-4])[:4]:
        return record.uses
    whose, count, _ = struct.unpack(_ROW, row)
    return int(count) if whose == _tag(record) else 0


def row(record: Record, count: int) -> bytes:
    """That many are: as the flash has it."""
    body = struct.pack("<8sI", _tag(record), count)
    return body + formats.digest(body)[:4]


def path(root: str, slot: int) -> str:
    """The file that a slot's row is in."""
    return f"{root}/uses/{slot // _ROWS}"


def place(slot: int) -> int:
    """Where in it."""
    return slot % _ROWS * SIZE


def _tag(record: Record) -> bytes:
    """Whose uses: those of a key that came by one grant, and not of who has its slot later."""
    return formats.digest(record.public, record.signer, struct.pack("<I", record.number))
