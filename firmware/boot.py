# SPDX-License-Identifier: Apache-2.0
"""Before anything else: no prompt in a production build, outputs are safe by reset, the clock is fast, the file system
is never reformatted here.

MicroPython lets Ctrl-C interrupt this file and main.py each anew; so each takes that back in its first act, which no
jump precedes (an interrupt is raised at jumps), and swallows the one that came before. A build is a production build
unless `latchkey.prompt` is found in it, so that what is missing or damaged closes the prompt and never opens it.
Nothing may be raised from here in such a build: MicroPython would not run main.py, and give its prompt.
"""

import micropython

micropython.kbd_intr(-1)
pressed = False
try:
    for _ in (0, 1):
        pass
except KeyboardInterrupt:
    pressed = True
try:
    from latchkey import prompt
except Exception:  # noqa: BLE001 - absent or damaged, whatever it is: this is a production build
    prompt = None  # type: ignore[assignment]

import gc  # noqa: E402

import machine  # noqa: E402

# Collected often, what lives long lies together: a heap that is nearly full must not be in pieces as well.
gc.threshold(16_384)

try:
    machine.freq(240_000_000)  # stock builds start at 160 MHz
except (ValueError, AttributeError):
    pass  # a board that has no such speed runs at its own

if prompt:
    prompt.allow(pressed)
