# SPDX-License-Identifier: Apache-2.0
"""Provisioning: a board becomes a car, or another one. Identity and settings are replaced and the keys are wiped, all
or nothing, under the journal."""

import os

from micropython import const

from latchkey import store
from latchkey.keys import buckets
from latchkey.store import files, identity, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from latchkey.store.identity import Report, Settings

_ENOENT = const(2)
_BUCKET = const(2)  # digits of its name, which no other file there has


def load(
    root: str, parse: Callable[[bytes], Settings], report: Report = print
) -> tuple[Settings, tuple[bytes, bytes] | None, bool] | None:
    """Who the board is, as store.identity.load has it; a provisioning that was interrupted is carried out first."""
    for folder in (root, root + "/journal", root + "/twin"):
        files.attempt(files.sweep, folder, report)
    try:
        change = journal.pending(root, report)
        if change and change[0] == journal.PROVISION:
            try:
                files.run(redo(root, change[1]))
                journal.forget(root)
            except OSError as e:
                report(f"provisioning is made, and not carried out yet: {e}")
                keys, settings = identity.split(change[1])
                return parse(settings), keys, False
    except files.UnknownVersion as e:
        report(str(e))
    return identity.load(root, parse, has_keys, report)


async def provision(root: str, settings: bytes, private: bytes, public: bytes) -> None:
    """Replace identity and settings (config.json) and wipe the keys. Raises OSError: nothing has changed."""
    from latchkey.store import reserve

    with await store.alone():
        body = private + public + settings
        await files.pace(journal.commit(root, journal.PROVISION, body, True))
        try:
            await files.pace(redo(root, memoryview(body)))
        except OSError as e:
            print("provisioning: the next start goes on with it:", e)
            return
        journal.forget(root)
        await files.pace(reserve.make(root))


def redo(root: str, body: memoryview) -> Generator[None]:
    """Carry it out. The identity comes last: where it is there, all is, and what a person edited since stays."""
    if identity.kept(root, body):
        return
    from latchkey.keys import changes
    from latchkey.roster import kept
    from latchkey.store import reserve

    def steps() -> Generator[None]:
        yield from changes.wipe(root)
        yield from kept.wipe(root)
        yield from identity.write(root, body)

    yield from reserve.spending(root, steps)


def has_keys(root: str) -> bool:
    """Whether a key was ever enrolled, as far as that can be seen: what cannot be looked at may hold one."""
    for bucket in range(buckets.FOLDERS):  # eight looks, and not one for each bucket: each takes a board some 3 ms
        try:
            entry: Any
            for entry in os.ilistdir(buckets.folder(root, bucket)):
                if len(entry[0]) == _BUCKET and entry[3]:  # its name, and its size
                    return True
        except OSError as e:
            if e.errno != _ENOENT:
                return True
    return False


journal.register(journal.PROVISION, __name__)
