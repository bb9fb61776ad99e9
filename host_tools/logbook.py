# SPDX-License-Identifier: Apache-2.0
"""The access log in words: what the car wrote down in numbers."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from host_tools.faults import keychain_fault, message_fault
from host_tools.phone import messages

_COMMANDS = {number: name for name, number in messages.ACTIONS.items()} | {64: "closures", 128: "charge port"}


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with the names of its command and of its fault beside their numbers."""
    words = dict(entry)
    if entry.get("kind") == "command":
        words["did"] = _COMMANDS.get(entry.get("command", -1), f"command {entry.get('command')}")
    if entry.get("kind") == "refused" and entry.get("outcome"):
        words["fault"] = message_fault(entry["outcome"])
    return words


def table(entries: list[dict[str, Any]], labels: dict[str, str]) -> Table:
    """The entries for people, oldest first. `labels` are the names of the keys that are enrolled now."""
    found = Table("no.", "at", "what", "key", "over", "how it ended", title="Access log")
    for entry in entries:
        key = entry.get("key") or ""
        who = f"{key} {labels.get(key, '')}".strip()
        times = f" x{entry['count']}" if entry.get("count", 1) > 1 else ""
        what = entry.get("did") or entry.get("kind", "")
        outcome = entry.get("fault") or ("refused" if entry.get("kind") == "refused" else "done")
        found.add_row(
            str(entry.get("seq", "")), f"{entry.get('at', '')} s", what, who, entry.get("conn", ""), outcome + times
        )
    return found


__all__ = ["described", "keychain_fault", "table"]
