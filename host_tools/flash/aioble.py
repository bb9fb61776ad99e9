# SPDX-License-Identifier: Apache-2.0
"""What the radio needs and a stock MicroPython does not have: aioble, by mip."""

from __future__ import annotations

import ast
import contextlib
import io
import socket
import urllib.error
from typing import Any

from mpremote.commands import CommandError
from mpremote.mip import _PACKAGE_INDEX, _install_package

from host_tools.flash.files import Files
from host_tools.flash.repl import Repl, ScriptFailed

# Not `aioble`: that package brings the central role too, which takes heap and is never used here.
PACKAGES = ("aioble-peripheral", "aioble-server")
_WHERE = "/lib"
_TIMEOUT = 20.0
_CHECK = "import aioble\naioble.advertise, aioble.Service, aioble.BufferedCharacteristic"


class _Basket:
    """What mip takes for a board: it keeps the files, so that all are there before the first is written."""

    def __init__(self, repl: Repl) -> None:
        self.files: dict[str, bytes] = {}
        self._repl = repl

    def exec(self, code: str) -> None:
        pass

    def eval(self, code: str) -> Any:
        return ast.literal_eval(self._repl.run(f"print({code})").strip())

    def fs_exists(self, path: str) -> bool:
        return True

    def fs_hashfile(self, path: str, algorithm: str) -> bytes:
        raise FileNotFoundError

    def fs_writefile(self, path: str, data: bytes, progress_callback: object = None) -> None:
        self._repl.run("")  # a slow network must not look as if nobody worked on the board
        self.files[path] = data


def install(repl: Repl, files: Files, index: str = "") -> tuple[str, str]:
    """See that aioble is there. Returns present, installed or missing, and why it is missing."""
    try:
        repl.run("import bluetooth")
    except ScriptFailed:
        return "missing", "this MicroPython has no Bluetooth"
    if _works(repl):
        return "present", ""
    basket = _Basket(repl)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for package in PACKAGES:
                _install_package(basket, package, (index or _PACKAGE_INDEX).rstrip("/"), _WHERE, None, True)
    except (CommandError, urllib.error.URLError, TimeoutError, ValueError) as error:
        return "missing", str(error)
    except OSError as error:
        return "missing", error.strerror or str(error)
    finally:
        socket.setdefaulttimeout(before)
    for path, data in basket.files.items():
        files.put(path, data)
    return ("installed", "") if _works(repl) else ("missing", "it was installed, and cannot be imported")


def _works(repl: Repl) -> bool:
    forget = "import sys\nfor n in list(sys.modules):\n if n.startswith('aioble'): del sys.modules[n]\n"
    try:
        repl.run(forget + _CHECK)
    except ScriptFailed:
        return False
    return True
