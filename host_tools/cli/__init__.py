# SPDX-License-Identifier: Apache-2.0
"""The command line.

A command is a function whose parameters are its options (`options` holds what they share, `phones` what every command
takes that a phone gives, or that looks at a car). It opens an `Answer`, which turns whatever goes wrong inside into one
line on stderr and an exit code: 0 the car did it, 1 it refused, 2 wrong usage, 3 no car answers in time. `drive` is the
driver's part, `keyring` and `look` the owner's, `hand` the harness's; `board` is about boards, `simulated` about those
that are none, `flash` about what runs on them, `acceptance` about whether it does what it should, `fleet` about all
cars at once; `watch` and `explain` show what is going on. `commands` has all their names, and loads the one that is
given.

This file is what runs first, while the rest is still being loaded: a Ctrl-C in that second ends as any other does.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from host_tools.cli.commands import app

__all__ = ["app", "main"]

_NAMES = {signal.SIGINT: "INTERRUPTED", signal.SIGTERM: "TERMINATED"}


def main() -> None:
    """The console script."""
    _open_standard_streams()
    for number in _NAMES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    from host_tools.cli import commands  # slow

    commands.run()


def _leave(number: int, _: object) -> NoReturn:
    """Nothing has been begun yet, so there is nothing to put away."""
    if "--json" in sys.argv:
        name = _NAMES[signal.Signals(number)]
        text = f'{{"ok": false, "error": {{"name": "{name}", "text": "ended before it began", "hint": ""}}}}\n'
        with contextlib.suppress(OSError):
            os.write(1, text.encode())
    os._exit(128 + number)


def _open_standard_streams() -> None:
    """A stream that our parent has closed is the null device: else the next file that is opened becomes stdout."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name) or os.fdopen(descriptor, "w", encoding="utf-8", closefd=False)
        stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only
        setattr(sys, name, stream)


def __getattr__(name: str) -> Any:
    """`app`, when somebody wants it."""
    if name == "app":
        from host_tools.cli.commands import app

        return app
    raise AttributeError(name)
