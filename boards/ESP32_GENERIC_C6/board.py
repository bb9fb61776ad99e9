# SPDX-License-Identifier: Apache-2.0
"""ESP32-C6: which GPIO is which wire (README.md says why these)."""

from micropython import const

NAME = "ESP32_GENERIC_C6"
PINS = {
    "start": 2,
    "lock": 3,
    "led": 7,
    "card": 20,
    "brake": 21,
    "door": 22,
}
# GPIOs that a wire may be on: outputs and inputs, and inputs only. README.md says why not the others.
OUTPUTS = b"\x00\x01\x02\x03\x07\x12\x13\x14\x15\x16\x17"  # 0 to 3, 7, 18 to 23
INPUTS = b"\x06"  # 6

# For the host, which reads them here; they take no room on the board.
_CHIP = const("ESP32C6")  # as MicroPython names it
_MARCH = const("rv32imc")  # what native code is compiled for
_SERIAL = const("usb")  # the chip's own USB, whose port goes away when the board restarts
_MHZ = const(160)  # its full speed
