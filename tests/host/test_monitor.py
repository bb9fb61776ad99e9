# SPDX-License-Identifier: Apache-2.0
"""The live view against a model of the car: what it shows, and that it bears restarts and boards that are no car."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from host_tools import cli
from host_tools.explain.monitor import RECENT, Monitor
from host_tools.faults import NoAnswer
from host_tools.phone import keyfile
from host_tools.serial.bench import Bench
from host_tools.serial.wire import AtPrompt, Restarted
from tests.host.fake_bench import FakeBench


class Watched(FakeBench):
    """A car that can be looked into."""

    restart_timeout = 120.0

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.trouble: Exception | None = None
        self.asked: list[str] = []

    def pins(self) -> dict[str, Any]:
        if self.trouble:
            raise self.trouble
        return {"start": int(self.car.start_enabled), "lock": int(self.car.locked), "led": None}

    def stats(self) -> dict[str, Any]:
        self.asked.append("stats")
        return {"p256": 3, "verified": 41, "refused": 7, "handshakes": 5, "last_us": 2345, "phones": [2, 1]}

    def heap(self) -> dict[str, Any]:
        self.asked.append("heap")
        return {"free": 90 * 1024, "alloc": 60 * 1024, "largest": 33 * 1024}

    def request(self, op: str, **arguments: Any) -> dict[str, Any]:
        if op == "log":
            return {"entries": [], "last": max((entry["seq"] for entry in self.entries), default=0)}
        enrolled = self.keys()
        keys = [key for key in enrolled if key["slot"] >= arguments["start"]]
        return {"count": len(self.car.keys), "keys": keys[: arguments["limit"]]}


@pytest.fixture
def car() -> Watched:
    return Watched()


@pytest.fixture
def monitor(car: Watched) -> Monitor:
    return Monitor(car)  # type: ignore[arg-type]


def shown(monitor: Monitor, width: int = 110) -> str:
    console = Console(width=width, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(monitor.frame())
    return capture.get()


def refreshed(monitor: Monitor) -> str:
    monitor.refresh()
    return shown(monitor)


def test_state_pins_phones_and_heap_are_shown(car: Watched, monitor: Monitor) -> None:
    text = refreshed(monitor)
    for words in (f"car {car.car.vin}", "locked", "2 serial, 1 radio", "41 good, 7 refused", "2.3 ms", "no pin"):
        assert words in text
    assert "90 of 150 KB" in text and "33 KB" in text
    car.car.start_enabled, car.car.locked = True, False
    car.opens["rear_trunk"] = True
    text = refreshed(monitor)
    assert "unlocked" in text and "on, 120 s left" in text and "rear trunk" in text and "● 1" in text


def test_it_fits_an_ordinary_terminal(car: Watched, monitor: Monitor) -> None:
    refused = {"event": "refused", "conn": "serial/123", "fault": 5, "key": "0123abcd"}
    car.events += [{**refused, "why": "tag " * number} for number in range(3 * RECENT)]
    monitor.refresh()
    lines = shown(monitor, 80).splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 24


EVENTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"event": "command", "command": 16, "conn": "ble/0"}, ["start", "ble/0", "done"]),
    (
        {"event": "refused", "fault": 15, "why": "epoch", "expected": "a1" * 16, "got": "b2" * 16},
        ["INCORRECT_EPOCH", "expected a1a1a1a1…, got b2b2b2b2…"],
    ),
    ({"event": "refused", "fault": 0, "information": 7, "why": "role may not"}, ["NO_PERMISSION_TO_REMOVE (role may"]),
    ({"event": "refused", "fault": 0, "why": "not a RoutableMessage"}, ["refused (not a RoutableMessage)"]),
    ({"event": "pending", "key": "0123abcd", "role": 3}, ["asks to be driver", "0123abcd", "waits for a card"]),
    ({"event": "collision", "conn": "ble/3", "left": 30}, ["two ask to be enrolled", "no tap counts for 30 s"]),
    ({"event": "tap", "key": None}, ["card tapped", "nobody was waiting"]),
    ({"event": "enrolled", "key": "0123abcd", "by": "card"}, ["enrolled", "by card"]),
    ({"event": "boot", "cause": 3}, ["boot", "cause 3"]),
]


@pytest.mark.parametrize(("event", "words"), EVENTS)
def test_what_happens_is_said_in_words(car: Watched, monitor: Monitor, event: dict[str, Any], words: list[str]) -> None:
    monitor.refresh()
    car.events.append(event)
    text = refreshed(monitor)
    for word in words:
        assert word in text


def test_the_newest_comes_first_and_the_oldest_goes(car: Watched, monitor: Monitor) -> None:
    car.events += [{"event": "command", "command": 0, "conn": f"serial/{number}"} for number in range(RECENT + 5)]
    text = refreshed(monitor)
    assert text.index(f"serial/{RECENT + 4} ") < text.index(f"serial/{RECENT} ")
    assert "serial/4 " not in text


def test_keys_have_their_names(car: Watched, monitor: Monitor) -> None:
    key = keyfile.generate()
    car.car.enrol(key.public, label="Ann's phone")
    monitor.refresh()
    new = keyfile.generate()
    car.car.enrol(new.public, label="Bo's phone")
    car.events.append({"event": "enrolled", "key": new.id, "by": key.id})
    text = refreshed(monitor)
    assert f"{new.id} Bo's phone" in text and f"by {key.id} Ann's phone" in text


def test_what_happened_before_is_taken_from_the_log(car: Watched, monitor: Monitor) -> None:
    entry = {"seq": 1, "boot": 1, "at": 17, "kind": "refused", "conn": "ble", "key": None, "command": 0, "outcome": 3}
    car.entries.append({**entry, "detail": 0, "count": 1})
    text = refreshed(monitor)
    assert "+17 s" in text and "UNKNOWN_KEY_ID" in text


def test_a_restart_in_the_middle_is_shown_and_outlived(car: Watched, monitor: Monitor) -> None:
    monitor.refresh()
    car.trouble = Restarted()
    assert "restarting" in refreshed(monitor)
    car.trouble = None
    car.reboot()
    assert "restarting" not in refreshed(monitor)


def test_a_car_that_is_gone_ends_it(car: Watched, monitor: Monitor) -> None:
    car.trouble = NoAnswer()
    with pytest.raises(NoAnswer):
        monitor.refresh()


def test_a_car_that_is_silent_for_longer_than_a_restart_takes_ends_it(car: Watched, monitor: Monitor) -> None:
    monitor.refresh()
    car.trouble = NoAnswer()
    assert "restarting" in refreshed(monitor)
    car.restart_timeout = 0.0
    with pytest.raises(NoAnswer):
        monitor.refresh()
    car.restart_timeout = 120.0
    car.trouble = AtPrompt()
    with pytest.raises(AtPrompt):
        monitor.refresh()


def test_a_board_that_is_no_car_yet_is_shown_as_one(car: Watched, monitor: Monitor) -> None:
    car.hello["vin"] = None
    text = refreshed(monitor)
    assert "without an identity" in text and "not a car yet" in text


def test_the_heap_is_counted_seldom(car: Watched, monitor: Monitor) -> None:
    for _ in range(5):
        monitor.refresh()
    assert car.asked == ["stats", "heap"]


def test_once_prints_one_frame_and_draws_it(car: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Bench, "open", car.open)
    drawn = tmp_path / "monitor.svg"
    result = CliRunner().invoke(cli.app, ["monitor", "--port", "PORT", "--once", "--picture", str(drawn)])
    assert result.exit_code == 0 and car.car.vin in result.stdout
    svg = drawn.read_text()
    assert "locked" in svg and "@font-face" not in svg
    assert car.opened[-1][2] is True  # others may use the port meanwhile


def test_once_as_json_is_one_object(car: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "open", car.open)
    document = json.loads(CliRunner().invoke(cli.app, ["monitor", "--port", "PORT", "--once", "--json"]).stdout)
    assert document["state"]["locked"] is True and document["heap"]["free"] == 90 * 1024
