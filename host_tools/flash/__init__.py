# SPDX-License-Identifier: Apache-2.0
"""Firmware onto a board, through the REPL that MicroPython keeps on its serial port.

`attention` gets the board's, or says why it cannot be had: no such port, no MicroPython, stuck in the bootloader, a
production build. `repl` runs code there, and starts the board again whatever happens.
`chip` asks what the board is and refuses the wrong one. `files` compares what is there with what should be, by hash,
and copies the difference. `install` does all that in an order that never leaves a board running a mixture of two
versions, and waits for the agent's first words. `erase` goes back to factory.
"""
