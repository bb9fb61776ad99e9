# SPDX-License-Identifier: Apache-2.0
"""Words that a phone or a board chose: whatever they are, they are shown as plain text and do nothing."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_tools import cli
from host_tools.phone import keyfile, messages
from host_tools.phone.keyfile import Key
from host_tools.serial.bench import BenchError
from tests.host.car_model import VIN
from tests.host.command import at_port, run
from tests.host.fake_bench import FakeBench

HOSTILE = [
    "[/x]",
    "[red]x[/red]",
    "[link=file:///etc]x[/]",
    ":car: x",
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07x",
    "\x9b31mx",
    "one\ntwo",
    "a\rb",
    "x\u202egnp.\u2066x",
    "x\u200b\u200fx",
    "line\u2028end",
    "\ud800x",
    "\udcc0\udcaf",
    "\x00x\x7f",
]
FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


class HostileBench(FakeBench):
    """A car all of whose words are chosen by somebody else."""

    def __init__(self) -> None:
        super().__init__()
        self.word = ""
        self.events: list[dict[str, Any]] = []
        self.log_text = ""

    def say(self, word: str) -> None:
        self.word = word
        self.hello |= {"version": word, "board": word}
        self.entries.append({
            "seq": 1, "boot": 1, "at": 1, "kind": word, "conn": word, "key": None, "command": 0, "outcome": 0,
            "detail": 0, "count": 1,
        })  # fmt: skip
        self.events.append({"event": "refused", "conn": word, "why": word, "expected": word, "got": word})
        self.log_text = f"{word}\n"

    def info(self) -> dict[str, Any]:
        return {**super().info(), "micropython": self.word}

    def pins(self) -> dict[str, Any]:
        return {"start": 0, self.word: 1}

    def stats(self) -> dict[str, Any]:
        return {}

    def heap(self) -> dict[str, Any]:
        return {"free": 1, "alloc": 1, "largest": 1}

    def request(self, op: str, **arguments: Any) -> dict[str, Any]:
        if op == "log":
            return {"entries": [], "last": 1}
        return {"count": len(self.car.keys), "keys": [] if arguments["start"] else self.keys()}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> HostileBench:
    return at_port(monkeypatch, HostileBench())


@pytest.fixture
def owner(bench: HostileBench, tmp_path: Path) -> Key:
    key = keyfile.create(tmp_path / "owner.pem")
    bench.car.enrol(key.public)
    return key


def harmless(text: str) -> None:
    """No character in it does anything to a terminal but end a line."""
    found = {character for character in text if character != "\n" and unicodedata.category(character) in FORBIDDEN}
    assert not found, found


def visible(word: str, text: str) -> None:
    """What can be seen of a word is there as it was chosen: nobody took it for markup."""
    for part in ("[/x]", "[red]x[/red]", "[link=file:///etc]x[/]", ":car: x"):
        if part in word:
            assert part in text


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("command", ["status", "keys", "log", "monitor --once"])
def test_a_label_and_a_boards_words_are_shown_and_obeyed_by_nobody(
    bench: HostileBench, owner: Key, command: str, word: str
) -> None:
    bench.say(word)
    bench.car.keys[owner.public].label = word
    result = run(*command.split())
    assert result.exit_code == 0, result.output
    harmless(result.stdout + result.stderr)
    visible(word, result.stdout)
    if command == "keys":
        rows = [line for line in result.stdout.splitlines() if owner.id in line]
        assert len(rows) == 1 and "card tap" in rows[0], "a label has one line, its own"


@pytest.mark.parametrize("word", HOSTILE[4:])
@pytest.mark.parametrize("command", ["pair --key new.pem", "keys add --key owner.pem --new new.pem"])
def test_a_label_that_cannot_be_shown_is_refused_before_anything_is_made(
    bench: HostileBench, owner: Key, command: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*command.split(), "--label", word)
    assert result.exit_code == 2 and result.stderr.startswith("USAGE: the label ") and result.stderr.count("\n") == 1
    harmless(result.stderr)
    assert not (tmp_path / "new.pem").exists() and not bench.opened


@pytest.mark.parametrize("word", HOSTILE)
def test_json_holds_the_words_as_they_came(bench: HostileBench, owner: Key, word: str) -> None:
    bench.car.keys[owner.public].label = word
    result = run("keys", "--json")
    harmless(result.stdout)
    assert json.loads(result.stdout)["keys"][0]["label"] == word


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("lines", [True, False])
def test_what_a_board_prints_and_reports_steers_no_terminal(
    bench: HostileBench, owner: Key, monkeypatch: pytest.MonkeyPatch, word: str, lines: bool
) -> None:
    def pause(_: float) -> None:
        if bench.log_text:
            raise KeyboardInterrupt
        bench.say(word)

    monkeypatch.setattr("host_tools.cli.watch.time.sleep", pause)
    result = run("monitor", "--lines") if lines else run("monitor")
    assert result.exit_code == 0
    harmless(result.stdout + result.stderr)
    visible(word, result.stdout)


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("command", ["status", "tap", "reboot", "unlock --key owner.pem", "provision --vin V --force"])
def test_what_a_board_says_of_an_error_is_one_plain_line(
    bench: HostileBench, owner: Key, command: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def fail(*_: object, **__: object) -> Any:
        raise BenchError(f"no: {word}")

    for name in ("info", "tap", "reboot", "connect", "provision"):
        monkeypatch.setattr(bench, name, fail)
    result = run(*command.replace(" V", f" {VIN}").split())
    assert result.exit_code == 1 and result.stderr.count("\n") == 1
    harmless(result.stderr)
    visible(word, result.stderr)


@pytest.mark.parametrize("word", [*HOSTILE, "", "5YJ30123456789AB", "x" * 3000])
def test_a_board_whose_vin_is_none_is_told_so_in_a_line(bench: HostileBench, owner: Key, word: str) -> None:
    bench.hello["vin"] = word
    assert owner.path
    result = run("unlock", "--key", owner.path)
    assert result.exit_code in {1, 3} and result.stderr.count("\n") == 1
    harmless(result.stderr)
    shown = run("status")
    harmless(shown.stdout)
    visible(word, shown.stdout)


def test_what_is_no_terminal_has_no_edge(bench: HostileBench, owner: Key) -> None:
    bench.car.keys[owner.public].label = label = "A label of 24 characters"
    entry = {"seq": 1, "boot": 123456, "at": 1234567, "kind": "refused", "conn": "ble/123", "key": owner.id}
    longest = "SERVICE_KEY_ATTEMPTING_TO_ADD_PREDELIVERY_KEY_WHEN_ALREADY_DELIVERED"
    code = next(n for n in range(60) if explained(n) == longest)
    bench.entries.append({**entry, "command": 0, "outcome": 0, "detail": code, "count": 40})
    bench.hello["board"] = board = "A board with a name that goes on and on " * 4
    for command, word in (("log", f"{longest}, 40 times"), ("log", label), ("keys", label), ("status", board.strip())):
        assert any(word in line for line in run(command).stdout.splitlines()), (command, word)


def explained(code: int) -> str:
    from host_tools.phone.refusals import keychain_fault

    return keychain_fault(code)


def test_a_long_explanation_is_not_wrapped_where_there_is_no_terminal() -> None:
    move = messages.move(dict.fromkeys(messages.CLOSURES, "open"))
    request = messages.routable(move, bytes(16), bytes(16)).SerializeToString().hex()
    said = run("explain", request).stdout
    asks = [line for line in said.splitlines() if "frontDriverDoor OPEN" in line and "tonneau OPEN" in line]
    assert asks and f"protobuf_message_as_bytes {move.SerializeToString().hex()}" in " ".join(said.split())


@pytest.mark.parametrize("word", HOSTILE)
def test_a_report_in_html_shows_them_as_plain_text(word: str, tmp_path: Path) -> None:
    from host_tools.report.page import page
    from host_tools.report.results import Result as Outcome
    from host_tools.report.results import Run

    board = {"board": word, "version": word, "micropython": word}
    measure = {"name": word, "unit": word, "values": [1.0, 2.0]}
    properties = [("board", board), ("note", word), ("measure", measure)]
    run_of = Run("PORT", "2026-01-01", {"harness": "1"}, ["t"])
    run_of.results["t"] = Outcome("t", "f.py", "failed", 1.0, word, [("Messages", word)], properties)
    run_of.results["u"] = Outcome(f"u[{word}]", "f.py", "skipped", 1.0, word)
    text = page(run_of, tmp_path)
    harmless(text)
    text.encode()


@given(text=st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs"])))
def test_plain_text_has_one_line_and_nothing_hidden(text: str) -> None:
    from host_tools.words import Screen, plain

    shown = plain(text)
    assert "\n" not in shown
    harmless(shown)
    assert plain(shown) == shown
    file = io.StringIO()
    Screen(file=file, width=10_000).print(text)
    assert file.getvalue() == f"{shown}\n" or not text


def test_bytes_that_are_no_utf8_are_seen_as_bytes() -> None:
    from host_tools.words import lines, plain

    assert plain(b"a\xc0\xafb\xf4\x90") == plain("a\udcc0\udcafb\udcf4\udc90") == r"a\xc0\xafb\xf4\x90"
    assert lines("a\tb\r\nc\rd\x1b\n") == "a\tb\nc\\x0dd\\x1b\n"


def test_no_other_screen_is_used() -> None:
    """A console of Rich's own takes words for markup."""
    rooms = Path(cli.__file__).parents[1]
    assert [path for path in rooms.rglob("*.py") if "Console(" in path.read_text()] == []
    assert "(Console)" in (rooms / "words.py").read_text()
