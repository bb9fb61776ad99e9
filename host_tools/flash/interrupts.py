# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in the middle of work on a board or a car: heard once, and what then puts things in order is let finish."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from host_tools.faults import LatchkeyError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `kill`, and a terminal that is closed


@contextlib.contextmanager
def once() -> Iterator[None]:
    """The first of these raises KeyboardInterrupt, whichever it is; those after it are not heard until this is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]  # `nohup` stays as it is

    def interrupt(number: int, frame: FrameType | None) -> None:
        for other in heard:
            signal.signal(other, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def tell(error: BaseException, text: str) -> None:
    """Add to what ends the work how it left things: to the hint of our own, as a note to Ctrl-C and the like."""
    if isinstance(error, LatchkeyError):
        error.hint += f"; {text}" if error.hint else text
    else:
        error.add_note(text)
