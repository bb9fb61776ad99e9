# SPDX-License-Identifier: Apache-2.0
"""ESP32: which GPIO is which wire (README.md says why these)."""

from micropython import const

NAME = "ESP32_GENERIC"
PINS = {
    "start": 26,
    "lock": 27,
    "led": 25,
    "card": 18,
    "brake": 19,
    "door": 21,
}
# GPIOs that a wire may be on: outputs and inputs, and inputs only. README.md says why not the others.
OUTPUTS = b"\x04\x0d\x12\x13\x15\x16\x17\x19\x1a\x1b\x20\x21"  # 4, 13, 18, 19, 21 to 23, 25 to 27, 32, 33
INPUTS = b"\x0e"  # 14

# For the host, which reads them here; they take no room on the board.
_CHIP = const("ESP32")  # as MicroPython names it
_MARCH = const("xtensawin")  # what native code is compiled for
_SERIAL = const("uart")  # a bridge chip's port, which stays when the board restarts
_MHZ = const(240)  # its full speed
