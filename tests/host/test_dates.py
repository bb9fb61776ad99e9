# SPDX-License-Identifier: Apache-2.0
"""Dates as people say them: each form that is understood, in a zone with a summer time, and all others refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tools.cli import dates
from host_tools.cli.dates import BadDate, WrongClock


@pytest.fixture(autouse=True)
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> int:
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp())


NOW = at("2026-11-26 09:30")  # a Thursday, 10:30 in Paris


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2h", "2026-11-26 11:30"),
        ("in 2 hours", "2026-11-26 11:30"),
        ("90 min", "2026-11-26 11:00"),
        ("3 days", "2026-11-29 09:30"),
        ("1 week", "2026-12-03 09:30"),
        ("today", "2026-11-26 22:59"),
        ("today 18:00", "2026-11-26 17:00"),
        ("Tomorrow", "2026-11-27 22:59"),
        ("tomorrow 18:00", "2026-11-27 17:00"),
        ("tomorrow at 18:00", "2026-11-27 17:00"),
        ("tomorrow, 6pm", "2026-11-27 17:00"),
        ("tomorrow 6:30 am", "2026-11-27 05:30"),
        ("12 am", "2026-11-26 23:00"),
        ("12pm", "2026-11-26 11:00"),
        ("18:00", "2026-11-26 17:00"),
        ("9:00", "2026-11-27 08:00"),  # it is over today
        ("sunday", "2026-11-29 22:59"),
        ("SUN", "2026-11-29 22:59"),
        ("sunday 18:00", "2026-11-29 17:00"),
        ("thursday", "2026-11-26 22:59"),  # today
        ("thursday 9:00", "2026-12-03 08:00"),  # over today
        ("wed", "2026-12-02 22:59"),
        ("2026-11-29", "2026-11-29 22:59"),
        ("2026-11-29 18:00", "2026-11-29 17:00"),
        ("2026-11-29T18:00", "2026-11-29 17:00"),
        ("2026-11-29T18:00:00", "2026-11-29 17:00"),
        ("2026-11-29T18:00Z", "2026-11-29 18:00"),
        ("2026-11-29 18:00 +05:30", "2026-11-29 12:30"),
        ("2026-11-29T18:00-0800", "2026-11-30 02:00"),
        ("2027-07-01 12:00", "2027-07-01 10:00"),  # summer time
        ("2027-10-31 02:30", "2027-10-31 00:30"),  # there twice: the first
    ],
)
def test_what_is_understood(said: str, meant: str) -> None:
    assert dates.utc(dates.moment(said, NOW, last=True)) == dates.utc(at(meant))


@pytest.mark.parametrize(
    ("said", "meant"),
    [("tomorrow", "2026-11-26 23:00"), ("2026-11-29", "2026-11-28 23:00"), ("sun", "2026-11-28 23:00")],
)
def test_a_day_begins_with_its_first_minute(said: str, meant: str) -> None:
    assert dates.moment(said, NOW, last=False) == at(meant)


@pytest.mark.parametrize(
    "said",
    ["", " ", "soon", "next week", "29.11.2026", "11/29/2026", "29/11", "18", "25:00", "12:60", "13pm", "0am",
     "2 months", "5m", "-2h", "2026-13-01", "2026-02-30", "2026-11-29 24:00", "2026-W48-7", "20261129", "noon",
     "sunday sunday", "mo", "2026-11-29T18:00+25:00", "1e9 days", "\uff12h", "9" * 400, "2h\x1b[2J"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_can_be_said(said: str) -> None:
    with pytest.raises(BadDate) as told:
        dates.moment(said, NOW, last=True)
    assert told.value.hint


@pytest.mark.parametrize("said", ["2026-11-25", "2026-11-26 10:30", "today 9:00", "1999-01-01", "0 h"])
def test_what_is_past_is_refused(said: str) -> None:
    with pytest.raises(BadDate, match="is past: it was"):
        dates.moment(said, NOW, last=True)


@pytest.mark.parametrize("said", ["2200-01-01", "99999 weeks", "9999-12-31"])
def test_what_a_grant_cannot_say_is_refused(said: str) -> None:
    with pytest.raises(BadDate, match="too far away"):
        dates.moment(said, NOW, last=True)


def test_an_hour_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadDate, match="put forward"):
        dates.moment("2027-03-28 02:30", NOW, last=True)


def test_a_moment_is_told_with_its_day_and_its_zone() -> None:
    assert dates.words(at("2026-11-29 22:59")) == "Sunday 2026-11-29 23:59 Europe/Paris"


def test_a_zone_without_a_name_is_told_by_its_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    assert dates.words(at("2026-11-29 22:59")) == "Monday 2026-11-30 01:59 XYZ (UTC+0300)"


@pytest.mark.parametrize("wrong", ["1970-01-01 00:00", "2019-05-01 00:00", "2026-11-24 23:00", "2100-01-01 00:00"])
def test_a_clock_that_is_years_off_is_noticed(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setattr(time, "time", lambda: float(at(wrong)))
    with pytest.raises(WrongClock, match=f"says .*{wrong[:3]}.*cannot be"):
        dates.now()


def test_a_clock_that_is_behind_the_cars_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    assert dates.now(at_least=NOW + 3600) == NOW
    with pytest.raises(WrongClock, match="the car said"):
        dates.now(at_least=NOW + 2 * dates.DAY)


@given(st.text(max_size=40), st.booleans())
def test_any_words_are_a_date_to_come_or_refused(said: str, last: bool) -> None:
    try:
        assert NOW < dates.moment(said, NOW, last) < 2**32
    except BadDate as told:
        assert told.text
