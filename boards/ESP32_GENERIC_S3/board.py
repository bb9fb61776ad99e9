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

# For the host, which reads them here; they take no room on the board.
_CHIP = const("ESP32S3")  # as MicroPython names it
_MARCH = const("xtensawin")  # what native code is compiled for
_SERIAL = const("usb")  # the chip's own USB, whose port goes away when the board restarts
_MHZ = const(240)  # its full speed
