# SPDX-License-Identifier: Apache-2.0
"""Dates as people say them, in the zone of this computer, and how long things last. docs/sharing.md has what is
understood; anything else is refused, since a guess about a key's end would be one too many."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from host_tools.faults import Misuse

RELEASED = 1795564800  # seconds since 1970: it was later than that wherever this release runs
DAY = 86400

_MOST_YEARS = 20  # after its release nobody uses it as it is
_LAST = 0xFFFFFFFF  # the latest that can be said
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_UNITS = {"min": 60, "minute": 60, "h": 3600, "hour": 3600, "day": DAY, "week": 7 * DAY}
_SPAN = re.compile(r"(?:in )?(\d{1,6}) ?(min|minute|h|hour|day|week)s?", re.ASCII)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ t](\d\d:\d\d(?::\d\d)?) ?(z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_WORDS = re.compile(r"(?:(today|tomorrow|[a-z]{3,9}) ?)?(?:at )?(?:(\d\d?)(?::(\d\d))? ?(am|pm)?)?", re.ASCII)
_FORMS = "say `sunday`, `tomorrow 18:00`, `2 h`, `3 days`, `2026-11-29 18:00` or the same with a zone (`+01:00`, `Z`)"


class BadDate(Misuse):
    """Words that are no date, or one that cannot be meant."""

    name = "BAD_DATE"


class WrongClock(Misuse):
    """This computer does not know what time it is, and dates would go by it."""

    name = "WRONG_CLOCK"


def now(at_least: int = 0) -> int:
    """What time it is, in seconds since 1970. Raises WrongClock when it cannot be.

    :param at_least: what a car said that it was, at least, some time ago
    """
    seconds = int(time.time())
    hint = "set this computer's clock, then do it again"
    if not RELEASED <= seconds < RELEASED + _MOST_YEARS * 366 * DAY:
        raise WrongClock(f"this computer's clock says {words(seconds)}, which cannot be", hint)
    if seconds + DAY < at_least:
        said = f"this computer's clock says {words(seconds)}, and the car said {words(at_least)} before that"
        raise WrongClock(said, f"{hint}; if the car's is wrong: `latchkey time --set --anyway`")
    return seconds


def stamp() -> int:
    """What this computer's clock says, for people to read, and within what can be kept."""
    return max(0, min(int(time.time()), _LAST))


def moment(text: str, clock: int, last: bool) -> int:
    """Seconds since 1970 of what somebody said at that time. Raises BadDate for what is not understood, or is past.

    :param last: whether a day without a time means its last minute; else its first
    """
    said = " ".join(text.lower().replace(",", " ").split())
    seconds = _span(said, clock)
    if seconds is None:
        seconds = _iso(said, last, text)
    if seconds is None:
        seconds = _spoken(said, clock, last, text)
    if seconds <= clock:
        raise BadDate(f"{text!r} is past: it was {words(seconds)}", "give one that is to come")
    if seconds > _LAST:
        raise BadDate(f"{text!r} is too far away", "the latest is in 2106")
    return seconds


def words(seconds: int) -> str:
    """A moment in this computer's zone, as `moment` understood it."""
    try:
        return f"{datetime.fromtimestamp(seconds):%A %Y-%m-%d %H:%M} {zone()}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s after 1970"


def zone() -> str:
    """The name of this computer's zone."""
    given = os.environ.get("TZ", "").lstrip(":")
    try:
        name = given or str(Path("/etc/localtime").resolve()).partition("/zoneinfo/")[2]
        return ZoneInfo(name).key
    except (OSError, ValueError, KeyError):  # no zone's name
        return time.strftime("%Z (UTC%z)")


def _span(said: str, clock: int) -> int | None:
    found = _SPAN.fullmatch(said)
    return clock + int(found[1]) * _UNITS[found[2]] if found else None


def _iso(said: str, last: bool, text: str) -> int | None:
    found = _ISO.fullmatch(said)
    if found is None:
        return None
    hour = found[2] or ("23:59" if last else "00:00")
    try:
        when = datetime.fromisoformat(f"{found[1]}T{hour}{(found[3] or '').upper()}")
    except ValueError:
        raise BadDate(f"there is no {text!r}", _FORMS) from None
    return _local(when, text) if when.tzinfo is None else int(when.timestamp())


def _spoken(said: str, clock: int, last: bool, text: str) -> int:
    found = _WORDS.fullmatch(said)
    if found is None or not said or (found[2] and not (found[3] or found[4])):
        raise BadDate(f"{text!r} is no date that is understood", _FORMS)
    day, hour = found[1], _hour(found, last, text)
    today = datetime.fromtimestamp(clock).date()
    step = 7
    if day is None or day == "today":
        begin, step = today, 1 if day is None else 0
    elif day == "tomorrow":
        begin = today + timedelta(days=1)
    else:
        names = [name for name in _DAYS if day in (name, name[:3])]
        if not names:
            raise BadDate(f"{text!r} is no date that is understood", _FORMS)
        begin = today + timedelta(days=(_DAYS.index(names[0]) - today.weekday()) % 7)
    seconds = _at(begin, hour, text)
    return seconds if seconds > clock else _at(begin + timedelta(days=step), hour, text)


def _hour(found: re.Match[str], last: bool, text: str) -> tuple[int, int]:
    if found[2] is None:
        return (23, 59) if last else (0, 0)
    hour, minute, half = int(found[2]), int(found[3] or 0), found[4]
    if half and not 1 <= hour <= 12:
        hour = 99
    elif half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59:
        raise BadDate(f"there is no such hour as in {text!r}", _FORMS)
    return hour, minute


def _at(day: date, hour: tuple[int, int], text: str) -> int:
    return _local(datetime(day.year, day.month, day.day, *hour), text)


def _local(when: datetime, text: str) -> int:
    """In this computer's zone: of an hour that there is twice, the first."""
    try:
        seconds = int(when.timestamp())
    except (ValueError, OverflowError, OSError):
        raise BadDate(f"{text!r} is too far away", "the latest is in 2106") from None
    if datetime.fromtimestamp(seconds) != when:
        raise BadDate(f"there is no {when:%H:%M} on that day: clocks are put forward", "choose another hour")
    return seconds


def utc(seconds: int) -> str:
    """A moment for machines."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
