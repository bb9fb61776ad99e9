# SPDX-License-Identifier: Apache-2.0
"""MicroPython's prompt, for whoever has the cable. Only a development build contains this module: without it, boot.py
and main.py keep the prompt closed, and no byte on the serial port is more than a byte."""

import machine
import micropython
from micropython import const

_CTRL_C = const(3)
_WEEK_MS = const(604_800_000)


def allow(pressed: bool) -> None:
    """Let Ctrl-C interrupt the program. Raises KeyboardInterrupt if it was pressed already."""
    micropython.kbd_intr(_CTRL_C)
    if pressed:
        raise KeyboardInterrupt


def ended() -> None:
    """The agent has ended, and somebody types: its watchdog cannot be stopped, and would restart the board."""
    machine.WDT(timeout=_WEEK_MS)
