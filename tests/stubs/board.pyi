# SPDX-License-Identifier: Apache-2.0
# What every boards/<BOARD>/board.py gives the firmware: its name, the GPIO number of each pin it has, and the GPIOs
# that they may be: for outputs and inputs, and for inputs only.

NAME: str
PINS: dict[str, int | None]
OUTPUTS: bytes
INPUTS: bytes
