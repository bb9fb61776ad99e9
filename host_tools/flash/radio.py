# SPDX-License-Identifier: Apache-2.0
"""What the radio needs and a stock MicroPython does not have: aioble, by mip."""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import urllib.error

from mpremote.commands import CommandError
from mpremote.mip import _PACKAGE_INDEX, _install_package
from mpremote.transport import TransportError

from host_tools.flash.files import MAKE_ROOM, NoRoom
from host_tools.flash.repl import BoardSilent, Repl, ScriptFailed

# Not `aioble`: that package brings the central role too, which takes heap and is never used here.
PACKAGES = ("aioble-peripheral", "aioble-server")
_WHERE = "/lib"
_TIMEOUT = 20.0
_CHECK = "import aioble\naioble.advertise, aioble.Service, aioble.BufferedCharacteristic"


def install(repl: Repl, index: str = "") -> tuple[str, str]:
    """See that aioble is there. Returns present, installed or missing, and why it is missing."""
    try:
        repl.run("import bluetooth")
    except ScriptFailed:
        return "missing", "this MicroPython has no Bluetooth"
    if _works(repl):
        return "present", ""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for package in PACKAGES:
                _install_package(repl, package, (index or _PACKAGE_INDEX).rstrip("/"), _WHERE, None, True)
    except (CommandError, urllib.error.URLError, TimeoutError, ValueError) as error:
        return "missing", str(error)
    except TransportError as error:
        raise BoardSilent(f"the board stopped answering ({error})", "run the same command again") from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoRoom("there is no room for aioble on the board", MAKE_ROOM) from None
        raise repl.gone(error) from None
    finally:
        socket.setdefaulttimeout(before)
    return ("installed", "") if _works(repl) else ("missing", "it was installed, and cannot be imported")


def _works(repl: Repl) -> bool:
    forget = "import sys\nfor n in list(sys.modules):\n if n.startswith('aioble'): del sys.modules[n]\n"
    try:
        repl.run(forget + _CHECK)
    except ScriptFailed:
        return False
    return True
