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
    from typing import Protocol, TypeVar

    Report = Callable[[str], None]

    class Named(Protocol):
        """Settings, as far as they matter here."""

        @property
        def vin(self) -> str: ...

    Settings = TypeVar("Settings", bound=Named)

_VERSION = const(1)
_PRIVATE = const(32)
_IDENTITY = const(97)  # private and public key
_TIME = const(4)  # of config.json when it was sealed
_LONGEST = const(16384)  # of config.json; the heap may have no room for more
_SEALED = const("settings")
_NAME = const("identity")


def load(
    root: str, parse: Callable[[bytes], Settings], has_keys: Callable[[str], bool], report: Report
) -> tuple[Settings, tuple[bytes, bytes] | None, bool] | None:
    """(what `parse` made of the settings, (private, public), False); None in place of the keys when there are none yet,
    and then True when there were some: they are lost. None: not provisioned.

    Raises what `parse` raises when there are no other settings to go on with.
    """
    settings, known = _settings(root, parse, has_keys, report)
    if settings is None:
        return None
    identity = files.load(root, _NAME, _VERSION, report)
    if identity and len(identity) == _IDENTITY:
        return settings, split(identity)[0], False
    return settings, None, known or has_keys(root)


def kept(root: str, body: memoryview) -> bool:
    """Whether this identity, of a body as `write` takes it, is what the board has."""
    try:
        return files.read_sealed(files.places(root, _NAME)[0], _VERSION) == body[:_IDENTITY]
    except (OSError, files.StoreError):
        return False


def write(root: str, body: memoryview) -> Generator[None]:
    """Write settings and, last, the identity: private key, public key, and config.json, one after the other."""
    yield from _write(root, body[_IDENTITY:])
    yield from files.keep(root, _NAME, _VERSION, body[:_IDENTITY])


def split(body: bytes | memoryview) -> tuple[tuple[bytes, bytes], bytes]:
    """((private, public), config.json) of such a body."""
    return (bytes(body[:_PRIVATE]), bytes(body[_PRIVATE:_IDENTITY])), bytes(body[_IDENTITY:])


async def set_identity(root: str, private: bytes, public: bytes) -> tuple[bytes, bytes]:
    """For settings that were put on the board by hand, and for a car that has lost its own.

    Returns the identity that the board has now: one that can be read after all stays, as every key was agreed with it.
    """
    with await store.alone():
        identity = files.load(root, _NAME, _VERSION, print)
        if not identity or len(identity) != _IDENTITY:
            identity = private + public
            _forget(root)
            await files.pace(files.keep(root, _NAME, _VERSION, identity))
        return split(identity)[0]


def _forget(root: str) -> None:
    """A provisioning that was carried out, and could not be cleared, must not be done again over what comes now."""
    change = journal.pending(root, print)
    if change and change[0] == journal.PROVISION:
        journal.clear(root)


def _settings(
    root: str, parse: Callable[[bytes], Settings], has_keys: Callable[[str], bool], report: Report
) -> tuple[Settings | None, bool]:
    """What is in force, and whether it was sealed before."""
    path = root + "/config.json"
    sealed = files.load(root, _SEALED, _VERSION, report)
    kept = b"" if sealed is None else sealed[_TIME:]
    before: Settings | None = None
    text = trouble = None
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
