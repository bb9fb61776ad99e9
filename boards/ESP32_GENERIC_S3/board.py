# SPDX-License-Identifier: Apache-2.0
"""ESP32-S3: which GPIO is which wire (README.md says why these)."""

from micropython import const

NAME = "ESP32_GENERIC_S3"
PINS = {
    "start": 4,
    "lock": 5,
    "led": 6,
    "card": 7,
    "brake": 15,
    "door": 16,
}
# GPIOs that a wire may be on: outputs and inputs, and inputs only. README.md says why not the others.
# 1, 2, 4 to 17, 21, 40 to 42, 47
OUTPUTS = b"\x01\x02\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x15\x28\x29\x2a\x2f"
INPUTS = b"\x12"  # 18

# For the host, which reads them here; they take no room on the board.
_CHIP = const("ESP32S3")  # as MicroPython names it
_MARCH = const("xtensawin")  # what native code is compiled for
_SERIAL = const("usb")  # the chip's own USB, whose port goes away when the board restarts
_MHZ = const(240)  # its full speed
