# SPDX-License-Identifier: Apache-2.0
"""A car at a glance: what it is doing, its pins, who is connected, what it was told lately and what it refused."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from host_tools.explain import logbook
from host_tools.faults import NoAnswer
from host_tools.phone import messages
from host_tools.phone.refusals import keychain_fault, message_fault
from host_tools.serial.bench import Bench
from host_tools.serial.shape import check_answer
from host_tools.serial.wire import AtPrompt
from host_tools.words import plain

RECENT = 10
_STATS_EVERY, _HEAP_EVERY = 1.0, 10.0  # seconds; the heap is collected before it is counted, which takes long
_LABELS = 64  # keys whose names are fetched
_PAGE = 16
_PINS = ("start", "lock", "led", "card", "brake", "door")
_SPOKEN = ("command", "refused", "pending", "collision", "tap", "enrolled", "replaced", "updated", "removed", "boot")


@dataclass
class Row:
    """Something that happened."""

    at: str
    what: str
    who: str
    over: str
    ended: str
    bad: bool = False


@dataclass
class Monitor:
    """Watches a car. `refresh` asks it, `frame` draws it."""

    car: Bench
    info: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    pins: dict[str, Any] = field(default_factory=dict)
    stats: dict[str, Any] = field(default_factory=dict)
    heap: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    recent: deque[Row] = field(default_factory=lambda: deque(maxlen=RECENT))
    restarting: bool = False
    _boot: str = ""
    _stats_at: float = 0.0
    _heap_at: float = 0.0
    _heard: float = float("-inf")

    def refresh(self) -> None:
        """Ask the car. A restart in the middle is shown, and waited for: a slow board says nothing for a minute."""
        try:
            self._ask(time.monotonic())
            self.restarting = False
            self._heard = time.monotonic()
        except AtPrompt:
            raise
        except NoAnswer:
            if time.monotonic() - self._heard > self.car.restart_timeout:
                raise
            self.restarting = True

    def _ask(self, now: float) -> None:
        if self._boot != self.car.boot:
            self.info, self.state, self.stats, self.heap = self.car.info(), {}, {}, {}
            self._stats_at = self._heap_at = 0.0
            if not self._boot and self.info.get("provisioned"):
                self._read_labels()
                self._read_log()
            self._boot = self.car.boot
        self.pins = self.car.pins()
        if self.info.get("provisioned"):
            self.state = self.car.state()
            if now >= self._stats_at:
                self.stats, self._stats_at = self.car.stats(), now + _STATS_EVERY
        if now >= self._heap_at:
            self.heap, self._heap_at = self.car.heap(), now + _HEAP_EVERY
            self.info = self.car.info()
        while self.car.events:
            event = self.car.events.pop(0)
            if event.get("event") in {"enrolled", "replaced", "updated"}:
                self._read_labels()
            if event.get("event") in _SPOKEN:
                self.recent.append(self._row(event))

    def _read_labels(self) -> None:
        start, count = 0, 1
        while start < min(count, _LABELS):
            answer = self.car.request("keys", start=start, limit=_PAGE)
            check_answer("keys", answer)
            count = answer["count"]
            for key in answer["keys"]:
                self.labels[key["key"]] = key.get("label") or messages.role_name(key["role"])
                start = max(start, key["slot"]) + 1
            if not answer["keys"]:
                return

    def _read_log(self) -> None:
        """What it did before we looked."""
        answer = self.car.request("log", since=0, limit=1)
        check_answer("log", answer)
        last = answer["last"]
        entries = self.car.log(max(0, last - RECENT))
        for entry in map(logbook.described, entries):
            ended = entry.get("fault", "done")
            what, key = entry.get("did") or entry["kind"], entry.get("key") or ""
            row = Row(f"+{entry['at']} s", what, self._who(key), entry.get("conn", ""), ended, "fault" in entry)
            self.recent.append(row)

    def _row(self, event: dict[str, Any]) -> Row:
        kind, by = event["event"], event.get("by", "")
        row = Row(time.strftime("%H:%M:%S"), kind, self._who(event.get("key") or ""), event.get("conn", ""), "done")
        if kind == "command":
            row.what = str(logbook.described({"kind": kind, "command": event.get("command", -1)})["did"])
        elif kind == "refused":
            code, information = event.get("fault"), event.get("information")
            name = message_fault(code) if code else keychain_fault(information) if information else "refused"
            why = event.get("why", "")
            if "expected" in event:
                why += f": expected {_short(event['expected'])}, got {_short(event.get('got'))}"
            row.ended, row.bad = f"{name} ({why})" if why else name, True
        elif kind == "pending":
            row.what, row.ended = f"asks to be {messages.role_name(event.get('role', 0))}", "waits for a card"
        elif kind == "collision":
            row.what, row.ended, row.bad = "two ask to be enrolled", f"no tap counts for {event.get('left')} s", True
        elif kind == "tap":
            row.what, row.ended = "card tapped", "approved" if event.get("key") else "nobody was waiting"
        elif kind == "boot":
            row.ended = f"cause {event.get('cause')}"
        elif by:
            row.ended = "by card" if by == "card" else f"by {self._who(by)}"
        return row

    def _who(self, key: str) -> str:
        return f"{key} {self.labels.get(key, '')}".strip()

    # The picture

    def frame(self) -> RenderableType:
        """The car as it was at the last refresh."""
        info = self.info
        name = f"car {info['vin']}" if info.get("vin") else "a board without an identity: `latchkey provision`"
        head = Text.assemble(
            (plain(name), "bold"),
            plain(
                f"  {info.get('board', '?')}, firmware {info.get('version', '?')}, "
                f"MicroPython {info.get('micropython', '?')}, up {_span(info.get('uptime', 0))}"
            ),
        )
        if self.restarting:
            head.append("   restarting", "bold yellow")
        panels = Table.grid()
        panels.add_row(
            Panel(self._state_table(), title="state", padding=0),
            Panel(self._pins_table(), title="pins", padding=0),
            Panel(self._figures(), title="inside", padding=0),
        )
        return Group(head, panels, Panel(self._recent_table(), title="lately, newest first"))

    def _state_table(self) -> Table:
        table, state = _pairs(), self.state
        if not state:
            table.add_row("not a car yet", "")
            return table
        started = f"on, {state['start_left']} s left" if state["start_enabled"] else "off"
        opened = [name.replace("_", " ") for name, position in state["closures"].items() if position == "open"]
        pending = state["pending"]
        table.add_row("doors", _lit("locked", "green") if state["locked"] else _lit("unlocked", "yellow"))
        table.add_row("start", _lit(started, "red" if state["start_enabled"] else "green"))
        table.add_row("open", _lit(", ".join(opened), "yellow") if opened else "nothing")
        table.add_row("brake", "pressed" if state["brake"] else "released")
        table.add_row("driver", "in the car" if state["user_present"] else "not in the car")
        table.add_row("asleep", "yes" if state["asleep"] else "no")
        if state.get("collision"):
            table.add_row("card", _lit(f"two have asked: {state['collision']} s", "red"))
        else:
            told = _lit(f"{pending['key']}: {pending['left']} s", "yellow") if pending else "nobody waits"
            table.add_row("card", told)
        return table

    def _pins_table(self) -> Table:
        table = _pairs()
        for name, level in sorted(self.pins.items(), key=lambda pin: _PINS.index(pin[0]) if pin[0] in _PINS else 99):
            table.add_row(name, "no pin" if level is None else _lit("● 1", "green") if level else "○ 0")
        return table

    def _figures(self) -> Table:
        table, stats, heap = _pairs(), self.stats, self.heap
        serial, radio = [*stats.get("phones", []), 0, 0][:2]
        free, used, largest = (heap.get(name, 0) // 1024 for name in ("free", "alloc", "largest"))
        table.add_row("phones", f"{serial} serial, {radio} radio")
        table.add_row("commands", f"{stats.get('verified', 0)} good, {stats.get('refused', 0)} refused")
        table.add_row("handshakes", str(stats.get("handshakes", 0)))
        table.add_row("P-256 ops", str(stats.get("p256", 0)))
        table.add_row("last took", f"{stats.get('last_us', 0) / 1000:.1f} ms")
        table.add_row("heap free", f"{free} of {free + used} KB")
        table.add_row("in one piece", f"{largest} KB")
        return table

    def _recent_table(self) -> Table:
        table = Table(box=None, expand=True)
        for column in ("when", "what", "key", "over"):
            table.add_column(column, no_wrap=True)
        table.add_column("how it ended", ratio=1, overflow="ellipsis", no_wrap=True)
        for row in reversed(self.recent):
            style = "red" if row.bad else ""
            table.add_row(row.at, row.what, row.who, row.over, row.ended, style=style)
        return table


def _pairs() -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    return table


def _lit(text: str, colour: str) -> Text:
    return Text(plain(text), colour)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 12 else f"{text[:8]}…"


def _span(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
