# SPDX-License-Identifier: Apache-2.0
"""The access log in words: what the car wrote down in numbers."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.messages import role_name
from host_tools.phone.refusals import keychain_fault, message_fault, nominal_error

COMMANDS = {  # by the permission that they take (latchkey.proto)
    2: "unlock",
    4: "lock",
    8: "wake",
    16: "start",
    32: "secure",
    64: "closures",
    128: "charge port",
    1024: "key change",
}


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with the names of its command and of its fault beside their numbers."""
    words = dict(entry)
    if entry["kind"] == "command":
        words["did"] = COMMANDS.get(entry["command"], f"command {entry['command']}")
    elif entry["kind"] == "refused":
        words["fault"] = _fault(entry["outcome"], entry.get("detail", 0))
    elif entry["kind"] == "prevented":
        words["fault"] = nominal_error(entry["detail"])
    elif entry["kind"] == "declined":
        words["did"], words["fault"] = "a roster's parcel", _name(ours.Decline, entry["detail"], "DECLINE_")
    elif entry["kind"] == "wish":
        words["did"] = f"a roster wishes this key were {role_name(entry['detail']) if entry['detail'] else 'gone'}"
        words["fault"] = "not done"
    elif entry["kind"] == "roster":
        words["did"] = f"roster {entry['detail']} in force"
    elif entry["kind"] == "revoked":
        words["did"] = f"grants of this key's were taken back, up to number {entry['detail']}"
    elif entry["kind"] == "enrolled" and entry.get("detail"):
        words["did"] = f"enrolled by grant {entry['detail']}"
    elif entry["kind"] == "time":
        words["did"] = "the time was set back" if entry["detail"] else "the time was set"
    elif entry["kind"] == "authority":
        words["did"] = "authority " + _name(ours.AuthorityChange, entry["detail"], "AUTHORITY_CHANGE_").lower()
    return words


def table(entries: list[dict[str, Any]], labels: dict[str, str]) -> Table:
    """The entries for people, oldest first. `labels` are the names of the keys that are enrolled now."""
    found = Table(title="Access log", box=box.SIMPLE_HEAD)
    for name in ("no.", "boot", "at", "what"):
        found.add_column(name, no_wrap=True)
    for name in ("key", "over", "how it ended"):
        found.add_column(name, overflow="fold")
    for entry in entries:
        key = entry["key"] or ""
        who = f"{key} {labels.get(key, '')}".strip()
        what = entry.get("did") or entry["kind"]
        ended = entry.get("fault", "done") + (f", {entry['count']} times" if entry["count"] > 1 else "")
        if entry["kind"] == "collision":
            what, ended = "two asked to be enrolled", ended.replace("done", "no tap counted")
        if entry["kind"] == "identity":
            what, ended = "the car lost its identity and drew another", "pair anew with the card"
        if entry["kind"] == "gap":
            what, ended = "the chain of the log begins anew", "what is above is not proven by what is below"
        if entry["kind"] == "dropped":
            what, ended = f"{entry['count']} entries found no room", ""
        found.add_row(str(entry["seq"]), str(entry["boot"]), f"{entry['at']} s", what, who, entry["conn"], ended)
    return found


def _name(enum: Any, number: int, prefix: str) -> str:
    """A newer car may know more."""
    names = {value: name for name, value in enum.items()}
    return str(names.get(number, number)).removeprefix(prefix)


def _fault(outcome: int, detail: int) -> str:
    if outcome:
        return message_fault(outcome)
    return keychain_fault(detail) if detail else "refused"
