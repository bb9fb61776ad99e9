# SPDX-License-Identifier: Apache-2.0
"""What the agent says first after its board has started."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import serial

from host_tools.faults import LatchkeyError
from host_tools.flash.repl import Repl
from host_tools.serial import lines
from host_tools.serial.port import PortGone

PATIENCE = 120.0
"""Seconds in which a board has started: the slowest take one minute."""
_PROMPT = b">>> "
# What an agent says that ends: why it refuses to run, or its exception. The chip's ROM and its loader say other things.
_LAST_WORDS = re.compile(r"latchkey: .+|\w*(?:Error|Exception|Exit)(?:: .*)?")


class AgentFailed(LatchkeyError):
    """The board started, and the agent did not."""

    name = "AGENT_FAILED"
    exit_code = 3


class NotBack(AgentFailed):
    """The board has not come back in time, and has said of nothing that failed."""

    name = "NO_ANSWER"


def first_words(port: serial.Serial, name: str, patience: float = PATIENCE) -> tuple[dict[str, Any], int]:
    """Wait for the agent's hello. Returns it, and how many milliseconds that took.

    :raises AgentFailed: it ended, with what it said
    :raises NotBack: nothing was heard of it
    :raises PortGone: the port has vanished
    """
    decoder, joiner = lines.LineDecoder(), lines.Joiner()
    text = b""
    at_prompt = False
    started = time.monotonic()
    try:
        while time.monotonic() - started < patience:
            data = port.read(port.in_waiting) if port.in_waiting else b""
            if not data:
                time.sleep(0.005)
            for item in decoder.feed(data):
                if isinstance(item, bytes):
                    text += item
                elif item.kind == "s" and (whole := joiner.add(item)):
                    return json.loads(whole[2]), round((time.monotonic() - started) * 1000)
            at_prompt = (text + data).rstrip(b" ").endswith(_PROMPT.rstrip())
            if at_prompt:
                break
    except (OSError, TypeError) as error:
        raise PortGone(f"{name} has gone: {error}", "plug the board in and run it again") from None
    said = text.decode(errors="replace").splitlines()
    last = next((line for line in map(str.strip, reversed(said)) if _LAST_WORDS.fullmatch(line)), "")
    if last or at_prompt:
        raise AgentFailed(f"the board starts, and its agent does not; it said: {last or 'nothing'}", _todo(last, name))
    raise NotBack(
        f"the board has not come back within {patience:g} s; of its agent it said: nothing",
        "it may only be slow: `latchkey status` in a minute, or press its RESET button",
    )


def _todo(said: str, port: str) -> str:
    if "refused" in said:
        return (
            f"correct them (`mpremote connect {port} edit :/data/config.json`), then `latchkey reboot`; or "
            "`latchkey firmware erase` makes it a new board, without its keys"
        )
    return "`latchkey flash` puts the firmware on it anew, and keeps its keys"


def start_agent(port: str) -> dict[str, Any]:
    """Start a board that is at its prompt. Returns its agent's hello.

    :raises AgentFailed: with what it said, when it does not stay up
    """
    with Repl(port) as board:
        board.restart()
        return first_words(board.serial, port)[0]
