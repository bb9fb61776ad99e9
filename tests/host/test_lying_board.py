# SPDX-License-Identifier: Apache-2.0
"""A board that lies: whatever it answers, a command ends at once, with one line and the exit code of the table."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from host_tools import cli
from host_tools.explain.monitor import Monitor
from host_tools.serial import shape
from host_tools.serial.bench import Bench
from tests.host.car_model import VIN
from tests.host.test_wire import ScriptedBoard

Answer = Callable[[dict[str, Any]], Any]
PUBLIC = "04" + "ab" * 64


def a_key(slot: int = 0, **fields: Any) -> dict[str, Any]:
    key = {"slot": slot, "key": "0a1b2c3d", "public": PUBLIC, "role": 2, "form": 9, "origin": 1, "label": "x"}
    return {**key, "impermanent": False, **fields}


def an_entry(seq: int = 1, **fields: Any) -> dict[str, Any]:
    entry = {"seq": seq, "boot": 1, "at": 1, "kind": "command", "conn": "ble", "key": None, "command": 0}
    return {**entry, "outcome": 0, "detail": 0, "count": 1, **fields}


@pytest.fixture
def board() -> Iterator[ScriptedBoard]:
    scripted = ScriptedBoard()
    yield scripted
    scripted.unplug()


@pytest.fixture
def asked(board: ScriptedBoard) -> list[str]:
    """The names of the operations that were asked for."""
    return []


def answers(board: ScriptedBoard, asked: list[str], **results: Any) -> None:
    """What it answers, by operation; a function is given the request."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request["op"])
        result = results.get(request["op"], {})
        return {"ok": True, "result": result(request) if callable(result) else result}

    board.answers = answer


def run(board: ScriptedBoard, *arguments: str) -> Result:
    result = CliRunner().invoke(cli.app, [*arguments, "--port", board.port])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def one_line(result: Result) -> None:
    assert result.exit_code == 3, result.output
    assert result.stderr.startswith("BAD_ANSWER: ") and result.stderr.count("\n") == 1
    assert "Traceback" not in result.output


STATE = {
    "locked": True, "start_enabled": False, "start_left": 0, "asleep": False, "user_present": False, "brake": False,
    "closures": {}, "pending": None,
}  # fmt: skip
INFO = {"vin": VIN, "provisioned": True}
DEEP: Any = json.loads("[" * 500 + "]" * 500)


@pytest.mark.parametrize(
    ("command", "results"),
    [
        ("keys", {"keys": None}),
        ("keys", {"keys": {"keys": []}}),
        ("keys", {"keys": {"count": -1, "keys": []}}),
        ("keys", {"keys": {"count": 1e308, "keys": []}}),
        ("keys", {"keys": {"count": True, "keys": []}}),
        ("keys", {"keys": {"count": 1, "keys": [[]]}}),
        ("keys", {"keys": {"count": 1, "keys": [{}]}}),
        ("keys", {"keys": {"count": 1, "keys": [a_key(public="zz")]}}),
        ("keys", {"keys": {"count": 1, "keys": [a_key(role="owner")]}}),
        ("keys", {"keys": {"count": 1, "keys": [a_key(role=10**300)]}}),
        ("keys", {"keys": {"count": 1, "keys": [a_key(label=DEEP)]}}),
        ("keys", {"keys": {"count": 1, "keys": [a_key(label="x" * 5000)]}}),
        ("keys", {"keys": {"count": 99, "keys": [a_key(n) for n in range(50)]}}),
        ("log", {"log": {"last": 1, "entries": [{}]}}),
        ("log", {"log": {"last": 1, "entries": [an_entry(kind=[])]}}),
        ("log", {"log": {"last": 1, "entries": [an_entry(count="9")]}}),
        ("log", {"log": {"last": None, "entries": []}}),
        ("status", {"info": 7}),
        ("status", {"info": INFO, "state": {**STATE, "closures": []}}),
        ("status", {"info": INFO, "state": {**STATE, "pending": "yes"}}),
        ("status", {"info": INFO, "state": {"locked": True}}),
        ("status", {"info": {**INFO, "uptime": "long"}, "state": STATE}),
        ("tap", {"tap": {}}),
        ("tap", {"tap": {"approved": 7}}),
        ("clock +1", {"clock": {"now": "later"}}),
        (f"provision --force --vin {VIN}", {"provision": {"public_key": 4}}),
        ("monitor --once", {"info": INFO, "keys": {"count": 1, "keys": [{"slot": 0}]}}),
        ("monitor --once", {"info": INFO, "keys": {"count": 0, "keys": []}, "log": []}),
        ("monitor --once", {"info": {}, "pins": [1]}),
    ],
)
def test_an_answer_of_another_shape_is_one_line_at_once(
    board: ScriptedBoard, asked: list[str], command: str, results: dict[str, Any]
) -> None:
    answers(board, asked, **results)
    one_line(run(board, *command.split()))
    assert len(asked) <= 4, "it is not asked again and again"


@pytest.mark.parametrize("ahead", [0, -1])
def test_pages_that_do_not_go_on_end_a_list(board: ScriptedBoard, asked: list[str], ahead: int) -> None:
    answers(board, asked, keys=lambda request: {"count": 4000, "keys": [a_key(max(0, request["start"] + ahead))]})
    if ahead:
        one_line(run(board, "keys"))
        assert len(asked) <= 2
    answers(board, asked, log=lambda request: {"last": 4000, "entries": [an_entry(max(1, request["since"] + ahead))]})
    one_line(run(board, "log"))
    assert len(asked) <= 40


def test_a_list_that_never_ends_ends(board: ScriptedBoard, asked: list[str]) -> None:
    """Each answer goes on, with one key or entry, and there are always more."""
    answers(
        board,
        asked,
        keys=lambda request: {"count": 1 << 40, "keys": [a_key(request["start"])]},
        log=lambda request: {"last": 1 << 40, "entries": [an_entry(request["since"] + 1)]},
    )
    for command in ("keys", "log"):
        asked.clear()
        one_line(run(board, command))
        assert len(asked) < 40


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"id": ' + b"9" * 5000 + b"}"])
def test_an_answer_that_is_no_object_is_one_line_at_once(board: ScriptedBoard, asked: list[str], data: bytes) -> None:
    def nonsense(request: dict[str, Any]) -> None:
        asked.append(request["op"])
        board.say("b", 0, data)

    board.answers = nonsense
    one_line(run(board, "keys", "--timeout", "60"))
    assert len(asked) <= 3


@pytest.mark.parametrize(
    "hello",
    [{}, {"boot": 7}, {"boot": None}, {"boot": "b", "vin": 7}, {"boot": "b", "bench": "no"}, {"boot": "x" * 9999}],
)
def test_a_hello_of_another_shape_is_one_line_at_once(
    board: ScriptedBoard, hello: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "hello", lambda sync=0: board.say("s", sync, json.dumps(hello).encode()))
    one_line(run(board, "status", "--timeout", "60"))


NAMES = [*(name.removesuffix("?") for name in shape.EVENT), "x"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(event=anything)
def test_any_event_is_shown_or_said_to_be_unreadable(event: Any) -> None:
    from tests.host.test_monitor import Watched

    car = Watched()
    monitor = Monitor(car)  # type: ignore[arg-type]
    monitor.refresh()
    bench = Bench.__new__(Bench)
    bench.events, bench._news = car.events, threading.Condition()
    bench._event(event if isinstance(event, dict) else {"event": event})
    monitor.refresh()
    monitor.frame()


@given(value=anything)
def test_any_value_has_a_shape_or_has_it_not(value: Any) -> None:
    for wanted in (*shape.ANSWERS.values(), shape.EVENT, shape.HELLO):
        assert isinstance(shape.fits(value, wanted), bool)
