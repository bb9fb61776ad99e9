# SPDX-License-Identifier: Apache-2.0
"""ESP32-C3: which GPIO is which wire (README.md says why these)."""

from micropython import const

NAME = "ESP32_GENERIC_C3"
PINS = {
    "start": 4,
    "lock": 5,
    "led": 10,
    "card": 6,
    "brake": 7,
    "door": 3,
}
# GPIOs that a wire may be on: outputs and inputs, and inputs only. README.md says why not the others.
OUTPUTS = b"\x00\x01\x03\x04\x05\x07\x0a"  # 0, 1, 3 to 5, 7, 10
INPUTS = b"\x06"  # 6

# For the host, which reads them here; they take no room on the board.
_CHIP = const("ESP32C3")  # as MicroPython names it
_MARCH = const("rv32imc")  # what native code is compiled for
_SERIAL = const("usb")  # the chip's own USB, whose port goes away when the board restarts
_MHZ = const(160)  # its full speed
