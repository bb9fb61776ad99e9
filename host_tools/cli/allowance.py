# SPDX-License-Identifier: Apache-2.0
"""What a grant allows: out of the options that say it, and in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host_tools.cli import dates
from host_tools.faults import Misuse
from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.grants import Allowed
from host_tools.phone.present import Left

# What can be given, by the names of commands.
COMMANDS = {
    name.removeprefix("PERMISSION_").lower().replace("_", "-"): bit
    for name, bit in ours.Permission.items()
    if 0 < bit < ours.Permission.Value("PERMISSION_ADD_KEY")
}
_READ = COMMANDS["read"]
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Wish:
    """What somebody asked to give."""

    role: str | None = None
    uses: int | None = None
    since: str | None = None
    until: str | None = None
    hours: float | None = None
    only: str | None = None
    to: Path | None = None
    label: str = ""

    @property
    def dated(self) -> bool:
        """Whether it takes a clock to say what is meant."""
        return bool(self.since or self.until)

    def limits(self, clock: int, of: Allowed | None = None) -> ours.Limits:
        """The limits that say it, of an owner or of what somebody has been given. Raises Misuse."""
        role = self.role or ("" if of else "guest")
        messages.permission_change(bytes(65), "guest", self.label)  # a label that is too long, or not plain
        start = dates.moment(self.since, clock, last=False) if self.since else 0
        end = dates.moment(self.until, clock, last=True) if self.until else 0
        if end and start >= end:
            raise Misuse(f"--from {self.since!r} is {dates.words(start)}, which is not before --until", "swap them?")
        limits = ours.Limits(
            role=messages.ROLES[role] if role else 0,
            commands=_commands(self.only, role or (of.role if of else "")),
            not_before=start,
            not_after=end,
            uses=self.uses or 0,
            seconds=max(1, round(self.hours * 3600)) if self.hours else 0,
            key=keyfile.load_public(self.to) if self.to else b"",
            label=self.label.encode(),
        )
        if not limits.seconds:
            limits.seconds = _lasting(limits, role or (of.role if of else ""), clock, of)
        return limits


def _lasting(limits: ours.Limits, role: str, clock: int, of: Allowed | None) -> int:
    """Powered seconds that go with a date, and a day more: a car that does not know the time lets no guest in by a date
    alone."""
    end = limits.not_after or (of.not_after if of and limits.role else 0)
    if not end or role == "driver":
        return 0
    seconds = min(max(0, end - max(limits.not_before, clock)) + dates.DAY, grants.ALL)
    return seconds if of is None or not 0 < of.seconds < seconds else 0


def check(limits: ours.Limits, allowed: Allowed | None = None) -> None:
    """Raises Misuse for limits that would mean nothing, by themselves or with those that they narrow."""
    may = allowed.commands if allowed else limits.commands or grants.ROLES[messages.role_name(limits.role)]
    if limits.uses and not may & (COMMANDS["start"] | COMMANDS["unlock"]):
        raise Misuse("uses are starts or unlockings, and this may do neither", "leave --uses out, or give more")


def check_less(wanted: ours.Limits, had: Allowed) -> None:
    """Raises Misuse for more than there is to pass on: it would be cut, and somebody would believe that it was not."""
    more = [
        option
        for option, name in (("--uses", "uses"), ("--hours", "seconds"), ("--until", "not_after"))
        if 0 < getattr(had, name) < getattr(wanted, name)
    ]
    if wanted.not_before and wanted.not_before < had.not_before:
        more.append("--from")
    if wanted.commands & ~had.commands:
        more.append("--only")
    if more:
        raise Misuse(f"the link has less than that: {', '.join(more)}", f"it has: {in_words(had)}")


def in_words(allowed: Allowed) -> str:
    """What that allows."""
    return left_in_words(Left(allowed))


def left_in_words(left: Left) -> str:
    """What is left of what somebody may do."""
    return "; ".join(_parts(left.allowed, left.used, left.over))


def told(allowed: Allowed) -> dict[str, Any]:
    """The same for JSON."""
    return {
        "role": allowed.role,
        "commands": [name for name, bit in COMMANDS.items() if allowed.commands & bit],
        "not_before": dates.utc(allowed.not_before) if allowed.not_before else None,
        "not_after": dates.utc(allowed.not_after) if allowed.not_after else None,
        "uses": allowed.uses or None,
        "seconds": allowed.seconds or None,
        "key": keyfile.key_id(allowed.key) if allowed.key else None,
        "label": allowed.label,
    }


def _parts(allowed: Allowed, used: int, over: bool) -> Iterator[str]:
    yield allowed.role
    role = grants.ROLES.get(allowed.role, 0)
    if allowed.commands != role:
        names = [name for name, bit in COMMANDS.items() if allowed.commands & bit & ~_READ]
        yield f"only {', '.join(names)}" if names else "only to look"
    if allowed.uses:
        yield _uses(allowed.uses - used, "start" if allowed.counts_starts else "unlocking", left=used > 0)
    if allowed.not_before:
        yield f"from {dates.words(allowed.not_before)}"
    if allowed.not_after:
        yield f"until {dates.words(allowed.not_after)}"
    if over:
        yield "no hours left"
    elif allowed.seconds:
        hours = allowed.seconds / 3600
        yield f"at most {math.floor(hours * 10) / 10:g} h with the car's power on"
    if not (allowed.uses or allowed.not_after or allowed.seconds or over):
        yield "for as long as nobody takes it back"


def _uses(count: int, name: str, left: bool) -> str:
    number = _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)
    return f"{number} {name}{'' if count == 1 else 's'}{' left' if left else ''}"


def _commands(only: str | None, role: str) -> int:
    """To look is always among them: else nobody could see what is left."""
    if only is None:
        return 0
    names = [name.strip().lower() for name in only.split(",")]
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        raise Misuse(f"there is no command {unknown[0]!r} to give", f"there are {', '.join(COMMANDS)}")
    missing = [name for name in names if not COMMANDS[name] & grants.ROLES[role]]
    if missing:
        raise Misuse(f"the role {role} may not {missing[0]}", "give another --role, or leave that out")
    return sum({COMMANDS[name] for name in names}) | _READ
