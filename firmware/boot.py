# SPDX-License-Identifier: Apache-2.0
"""Before anything else: no prompt in a production build, outputs low, the clock is fast, the file system is never
reformatted here.

MicroPython lets Ctrl-C interrupt this file and main.py each anew; so each takes that back in its first act, which no
jump precedes (an interrupt is raised at jumps), and swallows the one that came before. A build is a production build
unless `latchkey.prompt` is found in it, so that what is missing or damaged closes the prompt and never opens it.
Nothing may be raised from here in such a build: MicroPython would not run main.py, and give its prompt.

A restart by software leaves an ESP32's pins as they were driven, so the outputs are driven low before anything is
imported that is not in the chip. Which they are stands outside of the file system (start.py, `_write_down`).
"""

import micropython

micropython.kbd_intr(-1)
pressed = False
try:
    for _ in (0, 1):
        pass
except KeyboardInterrupt:
    pressed = True

import machine  # noqa: E402

try:
    from esp32 import NVS

    outputs = NVS("latchkey").get_i32("outputs")
    if outputs <= 0 or outputs % 1021:
        raise ValueError  # not what start.py writes
    outputs //= 1021
    pins: list[int | None] = [outputs & 63, outputs >> 6 & 63, outputs >> 12]
except Exception:  # noqa: BLE001 - as far as is known no agent has driven an output of this board yet
    try:
        from board import PINS

        pins = [PINS["start"], PINS["lock"], PINS["led"]]
    except Exception:  # noqa: BLE001 - absent or damaged: main.py will not get further either
        pins = []
for pin in pins:
    try:
        machine.Pin(pin, machine.Pin.OUT, value=0)
    except Exception:  # noqa: BLE001 - no pin: not every wire has one
        pass

try:
    from latchkey import prompt
except Exception:  # noqa: BLE001 - absent or damaged, whatever it is: this is a production build
    prompt = None  # type: ignore[assignment]

import gc  # noqa: E402

# Collected often, what lives long lies together: a heap that is nearly full must not be in pieces as well.
gc.threshold(16_384)

try:
    machine.freq(240_000_000)  # stock builds start at 160 MHz
except (ValueError, AttributeError):
    pass  # a board that has no such speed runs at its own

if prompt:
    prompt.allow(pressed)
