# SPDX-License-Identifier: Apache-2.0
# What every boards/<BOARD>/board.py gives the firmware: its name, and the GPIO number of each pin it has.

NAME: str
PINS: dict[str, int | None]
