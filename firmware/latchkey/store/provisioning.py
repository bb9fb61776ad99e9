# SPDX-License-Identifier: Apache-2.0
"""Who the board is: the identity that signs for it, and its settings, both sealed and in two places.

`config.json` is how settings come in: a person may put it there or edit it. What a boot finds in it is checked in full
and, when it is new and good, sealed; when it is bad or rotten it is told, and the sealed settings stay in force.
"""

import os
import struct

from micropython import const

from latchkey import store
from latchkey.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    Report = Callable[[str], None]

_VERSION = const(1)
_PRIVATE = const(32)
_IDENTITY = const(97)  # private and public key
_TIME = const(4)  # of config.json when it was sealed
_LONGEST = const(16384)  # of config.json; the heap may have no room for more
_ENOENT = const(2)
_SEALED = const("settings")
_NAME = const("identity")


def load(
    root: str, parse: Callable[[bytes], Any], report: Report = print
) -> tuple[Any, tuple[bytes, bytes] | None, bool] | None:
    """(what `parse` made of the settings, (private, public), False); None in place of the keys when there are none yet,
    and then True when there were some: they are lost. None: not provisioned.

    Raises what `parse` raises when there are no other settings to go on with.
    """
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
                return parse(bytes(change[1][_IDENTITY:])), _pair(change[1]), False
    except files.UnknownVersion as e:
        report(str(e))
    settings, known = _settings(root, parse, report)
    if settings is None:
        return None
    identity = files.load(root, _NAME, _VERSION, report)
    if identity and len(identity) == _IDENTITY:
        return settings, _pair(identity), False
    return settings, None, known or has_keys(root)


def _pair(identity: bytes | memoryview) -> tuple[bytes, bytes]:
    return bytes(identity[:_PRIVATE]), bytes(identity[_PRIVATE:_IDENTITY])


async def provision(root: str, settings: bytes, private: bytes, public: bytes) -> None:
    """Replace identity and settings and wipe the keys, all or nothing. Raises OSError: nothing has changed."""
    from latchkey.store import reserve

    async with store.lock:
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
    try:
        if files.read_sealed(files.places(root, _NAME)[0], _VERSION) == body[:_IDENTITY]:
            return
    except (OSError, files.StoreError):
        pass
    from latchkey.keys import changes
    from latchkey.store import reserve

    def steps() -> Generator[None]:
        yield from changes.wipe(root)
        yield from _write(root, body[_IDENTITY:])
        yield from files.keep(root, _NAME, _VERSION, body[:_IDENTITY])

    yield from reserve.spending(root, steps)


async def set_identity(root: str, private: bytes, public: bytes) -> tuple[bytes, bytes]:
    """For settings that were put on the board by hand, and for a car that has lost its own.

    Returns the identity that the board has now: one that can be read after all stays, as every key was agreed with it.
    """
    async with store.lock:
        identity = files.load(root, _NAME, _VERSION, print)
        if not identity or len(identity) != _IDENTITY:
            identity = private + public
            _forget(root)
            await files.pace(files.keep(root, _NAME, _VERSION, identity))
        return _pair(identity)


def _forget(root: str) -> None:
    """A provisioning that was carried out, and could not be cleared, must not be done again over what comes now."""
    change = journal.pending(root, print)
    if change and change[0] == journal.PROVISION:
        journal.clear(root)


def has_keys(root: str) -> bool:
    """Whether a key was ever enrolled, as far as that can be seen: what cannot be looked at may hold one."""
    from latchkey.keys import buckets

    for bucket in range(buckets.COUNT):
        try:
            if os.stat(buckets.path(root, bucket))[6]:
                return True
        except OSError as e:
            if e.errno != _ENOENT:
                return True
    return False


def _settings(root: str, parse: Callable[[bytes], Any], report: Report) -> tuple[Any, bool]:
    """What is in force, and whether it was sealed before."""
    path = root + "/config.json"
    sealed = files.load(root, _SEALED, _VERSION, report)
    kept = b"" if sealed is None else sealed[_TIME:]
    before = text = trouble = None
    if sealed is not None:
        try:
            before = parse(kept)
        except files.StoreError as e:  # a firmware took them that was not as strict: config.json may mend that
            trouble = e
    try:
        try:
            text = files.read(path, _LONGEST)
        except OSError as e:
            report(f"{path}: {e}")
        if before:
            if text == kept:
                return before, True
            if text is None or _rotten(path, text, sealed or b""):
                report("config.json is lost or rotten: made anew from what is sealed")
                files.attempt(lambda path: files.run(_write(root, kept)), path, report)
                return before, True
        settings = None if text is None else parse(text)
        if settings and sealed is not None and settings.vin.encode() not in kept and has_keys(root):
            raise files.StoreError("vin: this car has keys, and only provisioning makes it another")
    except files.StoreError as e:
        if before is None:
            raise
        report(f"settings refused: {e}; those from before stay in force")
        return before, True
    if settings is None and trouble:
        raise trouble
    if settings:
        try:
            _forget(root)
            files.run(_seal(root, text or b""))
        except (OSError, files.StoreError) as e:
            report(f"config.json is in force, and could not be sealed: {e}")
    return settings, sealed is not None


def _write(root: str, text: bytes | memoryview) -> Generator[None]:
    yield from files.write(root + "/config.json", (text,))
    yield
    yield from _seal(root, text)


def _seal(root: str, text: bytes | memoryview) -> Generator[None]:
    yield from files.keep(root, _SEALED, _VERSION, _time(root + "/config.json") + bytes(text))


def _time(path: str) -> bytes:
    return struct.pack("<I", os.stat(path)[8] & 0xFFFFFFFF)


def _rotten(path: str, text: bytes, sealed: bytes) -> bool:
    """An edit changes the file's time, as far as there is a clock; rot does not, and it is one bit."""
    if len(text) != len(sealed) - _TIME or _time(path) != sealed[:_TIME]:
        return False
    return sum(bin(a ^ b).count("1") for a, b in zip(text, sealed[_TIME:])) <= 1
