# SPDX-License-Identifier: Apache-2.0
"""What outlives a power cut.

`formats` is what each file of ours begins with. `files` writes a file whole or not at all, a block at a time. `journal`
makes a change of several files one change: it is written down first (the rename of the journal is the commit: from then
on the change is made), then carried out, then forgotten; a boot carries out what it finds written down. A keychain's
change is carried out by the keychain, and one of another kind by the module that is registered for it. `reserve` is the
room that this takes on a flash which others have filled. What there is only one of is kept in two places: by `identity`
(who the board is, its settings) and `boots` (the number of this start, in NVS too). `accesslog` is a ring of who did
what, `logreader` its other half. Slow work is written as generators that yield between flash blocks: `files.run` drives
them at boot, `files.pace` in the running loop. All but `formats` and `accesslog` is loaded when something changes.
"""

import asyncio

lock = asyncio.Lock()
room = True  # False: the reserve is not whole, and what is free belongs to it
owners: dict[int, str] = {}  # of the kinds of changes that the journal may hold (journal.register)


class _Held:
    def __enter__(self) -> None:
        """It is held already."""

    def __exit__(self, *_: object) -> None:
        lock.release()


_held = _Held()


async def alone() -> _Held:
    """One writer at a time, as what one sets free is not another's: `with await store.alone():`, which takes a third of
    the bytes of `async with`."""
    await lock.acquire()
    return _held
