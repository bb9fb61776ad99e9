# SPDX-License-Identifier: Apache-2.0
"""Firmware onto a board, through the REPL that MicroPython keeps on its serial port.

`attention` gets the board's, or says why it cannot be had: no such port, no MicroPython, stuck in the bootloader, a
production build. `repl` runs code there, and starts the board again whatever happens.
`chip` asks what the board is and refuses the wrong one. `files` compares what is there with what should be, by hash,
and copies the difference. `install` does all that in an order that never leaves a board running a mixture of two
versions, and waits for the agent's first words. `erase` goes back to factory.
"""

from typing import Any

from host_tools.flash.install import Installed, Job, install
from host_tools.flash.listen import first_words
from host_tools.flash.repl import Repl

__all__ = ["Installed", "Job", "Repl", "install", "start_agent"]


def start_agent(port: str) -> dict[str, Any]:
    """Start a board that is at its prompt. Returns its agent's hello.

    :raises AgentFailed: with what it said, when it does not stay up
    """
    with Repl(port) as board:
        board.restart()
        return first_words(board.serial, port)[0]
