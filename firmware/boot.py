# SPDX-License-Identifier: Apache-2.0
"""Before anything else: outputs are safe by reset, the clock is fast, the file system is never reformatted here."""

import gc

import machine

# Collected often, what lives long lies together: a heap that is nearly full must not be in pieces as well.
gc.threshold(16_384)

try:
    machine.freq(240_000_000)  # stock builds start at 160 MHz
except (ValueError, AttributeError):
    pass  # a board that has no such speed runs at its own
