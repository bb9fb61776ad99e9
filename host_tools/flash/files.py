# SPDX-License-Identifier: Apache-2.0
"""The board's files: what is there, by hash, and getting another there whole or not at all."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

from host_tools.faults import LatchkeyError
from host_tools.flash.repl import Repl, ScriptFailed

_CHUNK = 1536  # bytes a step: 2 KB of base64, which any board's heap can hold
_TRIES = 3
_SUFFIX = ".new"
_BLOCK = 4096  # of littlefs: a file takes whole ones

# Defined on the board once, then called.
_HELPERS = """
import os, json, binascii, hashlib
def _tell(p):
 print(json.dumps([p, _hash(p), os.stat(p)[6]]))
def _hash(p):
 h = hashlib.sha256()
 b = bytearray(512)
 m = memoryview(b)
 try:
  with open(p, 'rb') as f:
   while True:
    n = f.readinto(b)
    if not n: break
    h.update(m[:n])
 except OSError:
  return ''
 return binascii.hexlify(h.digest()).decode()
def _walk(d):
 try:
  l = list(os.ilistdir(d))
 except OSError:
  return
 for e in l:
  p = d + '/' + e[0]
  if e[1] & 0x4000:
   _walk(p)
  else:
   _tell(p)
def _kind(p):
 try:
  return os.stat(p)[0]
 except OSError:
  return 0
def _new(p):
 at = p.find('/', 1)
 while at > 0:
  if not _kind(p[:at]): os.mkdir(p[:at])
  at = p.find('/', at + 1)
 return open(p, 'wb')
def _take(f, p, h):
 f.close()
 good = _hash(p + '.new') == h
 if good: os.rename(p + '.new', p)
 return good
def _drop(p):
 try:
  f.close()
 except (OSError, NameError):
  pass
 if _kind(p): os.remove(p)
"""


class Found(NamedTuple):
    """A file on the board."""

    sha256: str
    """Empty when it cannot be read."""
    size: int


class NoRoom(LatchkeyError):
    """The board's file system is full."""

    name = "NO_ROOM"


class CopyDamaged(LatchkeyError):
    """A file arrives other than it left."""

    name = "COPY_DAMAGED"


class Files:
    """The files of the board behind `repl`, named by their path from the root."""

    def __init__(self, repl: Repl) -> None:
        self._repl = repl
        repl.run(_HELPERS)

    def look(self, folder: str, single: list[str]) -> dict[str, Found]:
        """All files under `folder`, and those of `single` that are there."""
        code = f"for p in {single!r}:\n if _kind(p): _tell(p)\n_walk({folder!r})"
        lines = (json.loads(line) for line in self._repl.run(code).splitlines() if line.startswith("["))
        return {path: Found(sha256, size) for path, sha256, size in lines}

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return bool(self._repl.ask(f"print(json.dumps(_kind({path!r})))"))

    def read(self, path: str) -> bytes | None:
        """The content of a small file, None without it."""
        text = self._repl.ask(
            f"print(json.dumps(binascii.b2a_base64(open({path!r},'rb').read()).decode() if _kind({path!r}) else None))"
        )
        return None if text is None else base64.b64decode(text)

    def remove(self, path: str) -> None:
        """Remove a file, and its folder if that is empty then: a module could be hidden behind it."""
        folder = path.rpartition("/")[0]
        self._repl.run(f"os.remove({path!r})")
        if folder:
            self._repl.run(f"try: os.rmdir({folder!r})\nexcept OSError: pass")

    def free(self) -> int:
        """Bytes that files can still take."""
        return int(self._repl.ask("s = os.statvfs('/')\nprint(json.dumps(s[0] * s[4]))"))

    def put(self, path: str, data: bytes, progress: Callable[[int], None] = lambda count: None) -> None:
        """Write a file beside its place, see by its hash that it arrived, and put it into its place."""
        self._repl.undo = f"_drop({path + _SUFFIX!r})"
        for _ in range(_TRIES):
            try:
                if self._write(path, data, progress):
                    self._repl.undo = ""
                    return
            except ScriptFailed as error:
                if error.errno != errno.ENOSPC:
                    raise
                self._repl.run(f"_drop({path + _SUFFIX!r})")
                raise NoRoom(f"there is no room for {path} on the board", MAKE_ROOM) from None
            progress(-len(data))  # once more
        raise CopyDamaged(f"{path} arrives damaged, {_TRIES} times in a row", "try another cable, or another port")

    def _write(self, path: str, data: bytes, progress: Callable[[int], None]) -> bool:
        """One attempt. A small file is one step: each costs a round trip."""
        code = f"f = _new({path + _SUFFIX!r})\n"
        for at in range(0, len(data) or 1, _CHUNK):
            chunk = data[at : at + _CHUNK]
            code += f"f.write(binascii.a2b_base64('{base64.b64encode(chunk).decode()}'))\n"
            if at + _CHUNK < len(data):
                self._repl.run(code)
                progress(len(chunk))
                code = ""
        sha256 = hashlib.sha256(data).hexdigest()
        good = bool(self._repl.ask(code + f"print(json.dumps(_take(f, {path!r}, {sha256!r})))"))
        progress(len(chunk))
        return good


MAKE_ROOM = "remove files of yours with `mpremote rm`, or `latchkey firmware erase` goes back to an empty board"


def check_room(new: list[int], gone: list[int], free: int) -> None:
    """Refuse before the first change when files of these sizes will not fit in the place of those."""
    new, gone = [_whole(size) for size in new], [_whole(size) for size in gone]
    needed = sum(new) - sum(gone) + max(new, default=0)
    if needed > free:
        text = f"the firmware needs {needed // 1024} KB more on the board, and {free // 1024} KB are free"
        raise NoRoom(text, MAKE_ROOM)


def _whole(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
