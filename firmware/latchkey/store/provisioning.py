# SPDX-License-Identifier: Apache-2.0
"""Who the board is: the settings, a plain file that a person may edit, and the identity that signs for it."""

from micropython import const

from latchkey.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

_VERSION = const(1)
_PRIVATE = const(32)
_IDENTITY = const(97)  # private and public key


def load(root: str) -> tuple[bytes, bytes | None, bytes | None] | None:
    """(settings, private, public); keys None when only settings were put there; None: not provisioned."""
    change = journal.pending(root, print)
    if change and change[0] == journal.PROVISION:
        files.run(redo(root, change[1]))
        journal.clear(root)
    files.sweep(root)
    settings = files.read(root + "/config.json")
    if settings is None:
        return None
    body = files.read_sealed(root + "/identity", _VERSION)
    if body is None:
        return settings, None, None
    return settings, bytes(body[:_PRIVATE]), bytes(body[_PRIVATE:])


async def provision(root: str, settings: bytes, private: bytes, public: bytes) -> None:
    """Replace identity and settings and wipe the keys, all or nothing."""
    async with journal.lock:
        body = private + public + settings
        await files.pace(journal.commit(root, journal.PROVISION, body))
        await files.pace(redo(root, memoryview(body)))
        journal.clear(root)


def redo(root: str, body: memoryview) -> Generator[None]:
    from latchkey.keys import buckets

    yield from buckets.wipe(root)
    yield from files.write_sealed(root + "/identity", _VERSION, body[:_IDENTITY])
    yield from files.write(root + "/config.json", (body[_IDENTITY:],))


async def set_identity(root: str, private: bytes, public: bytes) -> None:
    """For settings that were put on the board by hand."""
    async with journal.lock:
        await files.pace(files.write_sealed(root + "/identity", _VERSION, private + public))
