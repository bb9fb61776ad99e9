# SPDX-License-Identifier: Apache-2.0
"""Where files for cars lie: a folder, or an object store by its URL (fsspec). A file is the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, Protocol

from host_tools.faults import Misuse

# Object stores, which take a file whole or not at all. A server of files (SFTP, FTP) shows half of one meanwhile.
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "memory"})


class BadStore(Misuse):
    """The store is none, or none that can be written to."""

    name = "STORE"


class Store(Protocol):
    """Takes files, from several threads at once."""

    def put(self, name: str, data: bytes) -> None:
        """Keep that under this name, in place of what was there. Raises whatever its library raises."""

    def remove(self, name: str) -> None:
        """Have nothing under this name any more. Raises what `put` does."""

    def settle(self) -> None:
        """Return when what was done would survive a power cut."""


class Folder:
    """Files below a folder of this computer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                pass
        except OSError as error:
            raise BadStore(f"cannot write to {path}: {error.strerror}", "check the path and who may write") from None

    def put(self, name: str, data: bytes) -> None:
        """Write it beside its place and move it there."""
        place = self._path / name
        place.parent.mkdir(exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            beside.write_bytes(data)
            beside.replace(place)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    def remove(self, name: str) -> None:
        """Remove it, if it is there."""
        (self._path / name).unlink(missing_ok=True)

    def settle(self) -> None:
        """Once for many files."""
        os.sync()


class Objects:
    """Objects below a URL."""

    def __init__(self, url: str) -> None:
        import fsspec  # slow to import

        kind = url.partition(":")[0]
        if kind not in _WHOLE:
            raise BadStore(f"{url} is neither a folder nor an object store", f"one of {', '.join(sorted(_WHOLE))}")
        try:
            self._files: Any
            self._files, self._path = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise BadStore(f"a library for {kind} is missing: {error}", "install it beside Latchkey") from None
        except Exception as error:  # noqa: BLE001 - each store's library has its own
            raise BadStore(f"{url} cannot be used: {error}", "check the URL") from None

    def put(self, name: str, data: bytes) -> None:
        """In one request."""
        self._files.pipe_file(f"{self._path}/{name}", data)

    def remove(self, name: str) -> None:
        """In one request; a store may say that it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._path}/{name}")

    def settle(self) -> None:
        """An object that was taken is kept."""


def open_store(place: str) -> Store:
    """The store of that URL, or the folder of that path. Raises BadStore."""
    if "://" in place and not place.startswith("file://"):
        return Objects(place)
    return Folder(Path(place.removeprefix("file://")))
