# SPDX-License-Identifier: Apache-2.0
"""A use is written down before it is had (docs/protocol.md, "Limits"): a cut of the power, a flash that fails, or
whatever refuses the command after that, costs its key that use at most, and gives nothing back.

Loaded for the first such command, and dropped after the last.
"""

import asyncio

from micropython import const

from latchkey import forget, store
from latchkey.faults import Fault
from latchkey.keys import limits, policy
from latchkey.wire.schema import MessageFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.keys.keychain import Keychain
    from latchkey.keys.record import Record

_ENOSPC = const(28)
_PATIENCE = const(5)  # seconds that a command waits for the flash

busy: list[int] = []  # slots of the keys that are being served


def act(what: Any, reply: Any) -> None:
    """Do a command that is a use, (security, change, Permission), once it is written down. Raises Fault BUSY while
    another of that key's is."""
    record = reply.verified.session.record
    if record.slot in busy:
        raise Fault(MessageFault.BUSY, "one use at a time")
    asyncio.create_task(_use(what, reply, record))
    busy.append(record.slot)


async def _use(what: Any, reply: Any, record: Record) -> None:
    security, change, command = what
    keychain = security.keychain
    since = keychain.clock.now()
    try:
        with await store.alone():
            if keychain.clock.now() - since > _PATIENCE:
                raise Fault(MessageFault.BUSY, "others were writing")
            _look(record, command, keychain, 0)
            await asyncio.sleep_ms(0)  # each look at a key takes a board some 7 ms
            try:
                _spend(record, keychain.root)
            except OSError as error:
                raise Fault(MessageFault.BUSY, "its use cannot be written down: %r" % error)
        await asyncio.sleep_ms(0)
        _look(record, command, keychain, 1)
        security.act(change, command, reply)
    except Exception as error:  # noqa: BLE001 - the router tells it, as it does for messages at hand
        security.failed(reply.conn, reply, error)
    busy.remove(record.slot)
    if not busy:
        forget("latchkey.keys.charging")


def _look(old: Record, command: int, keychain: Keychain, own: int) -> None:
    """Raises Fault, unless the key is still there and may, with so many uses of its own spent for this."""
    record = keychain.find(old.public)
    if not record or (record.slot, record.number) != (old.slot, old.number):
        raise Fault(MessageFault.UNKNOWN_KEY_ID, "its signer is not enrolled any more")
    allowed = policy.allowed(record)
    if not allowed & command:
        raise Fault(MessageFault.INSUFFICIENT_PRIVILEGES, "role", command, record.role)
    limits.check(record, allowed, command, keychain, own)


def _spend(record: Record, root: str) -> None:
    """Write down one use more. Raises OSError: it may be written down or not."""
    if not store.room:
        raise OSError(_ENOSPC)  # what is free is kept for the keys
    path = limits.path(root, record.slot)
    row = limits.row(record, limits.used(record, root) + 1)
    try:
        _put(path, row, record.slot)
    except OSError:
        from latchkey.store import files  # it may be the first

        files.make_folder(root + "/uses")
        files.clear(path)
        open(path, "ab").close()
        _put(path, row, record.slot)


def _put(path: str, row: bytes, slot: int) -> None:
    """littlefs puts it in place with the close, whole or not at all."""
    with open(path, "r+b") as f:
        f.seek(limits.place(slot))
        f.write(row)
