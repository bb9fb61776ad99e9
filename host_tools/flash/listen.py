# SPDX-License-Identifier: Apache-2.0
"""What the agent says first after its board has started."""

from __future__ import annotations

import json
import time
from typing import Any

import serial

from host_tools.faults import LatchkeyError
from host_tools.flash.repl import Repl
from host_tools.serial import lines
from host_tools.serial.port import PortGone

_PATIENCE = 30.0
_PROMPT = b">>> "


class AgentFailed(LatchkeyError):
    """The board started, and the agent did not."""

    name = "AGENT_FAILED"
    exit_code = 3


def first_words(port: serial.Serial, name: str, patience: float = _PATIENCE) -> tuple[dict[str, Any], int]:
    """Wait for the agent's hello. Returns it, and how many milliseconds that took."""
    decoder, joiner = lines.LineDecoder(), lines.Joiner()
    text = b""
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
            if (text + data).rstrip(b" ").endswith(_PROMPT.rstrip()):
                break
    except (OSError, TypeError) as error:
        raise PortGone(f"{name} has gone: {error}", "plug the board in and run it again") from None
    said = [line for line in text.decode(errors="replace").splitlines() if line.strip()]
    last = next((line for line in reversed(said) if ": " in line and not line.startswith(">>>")), "nothing")
    raise AgentFailed(f"the board starts, and its agent does not; it said: {last.strip()}", _todo(last, name))


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
