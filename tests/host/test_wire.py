# SPDX-License-Identifier: Apache-2.0
"""A host stays in step with a board that boots slowly, loses lines, restarts, goes deaf or talks nonsense."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import tty
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from host_tools.faults import NoAnswer
from host_tools.serial import wire
from host_tools.serial.bench import Bench, BenchError
from host_tools.serial.lines import MAX_MESSAGE, Frame, Joiner, LineDecoder, Numbers, split
from host_tools.serial.port import PortGone
from host_tools.serial.wire import Restarted

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


class ScriptedBoard:
    """A board on a pty that does as it is told: `obeys(frame)` says whether it hears a frame at all."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.boot = 1
        self.bench = True
        self.heard: list[Frame] = []
        self.handled: list[tuple[str, int, bytes]] = []
        self.obeys: Callable[[Frame], bool] = lambda frame: True
        self.acknowledges: Callable[[Frame], bool] = lambda frame: True
        self.answers: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda request: {"ok": True, "result": 1}
        self._numbers = Numbers()
        self._joiner: Joiner | None = None
        self._last = 0
        self._stop = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def say(self, kind: str, conn: int, message: bytes) -> None:
        for part, body in split(message):
            self.write(Frame(kind, conn, self._numbers.next(), part, body).encode())

    def write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                time.sleep(0.002)

    def hello(self, sync: int = 0) -> None:
        self.say("s", sync, json.dumps({"boot": str(self.boot), "vin": None, "bench": self.bench}).encode())

    def restart(self) -> None:
        """Forget everything, and say hello."""
        self.boot += 1
        self._joiner = None
        self._numbers = Numbers()
        self.hello()

    def unplug(self) -> None:
        self._stop = True
        self._thread.join()
        if self.master >= 0:
            os.close(self.master)
            os.close(self._slave)
            self.master = -1

    def kinds(self) -> str:
        return "".join(frame.kind for frame in self.heard)

    def _run(self) -> None:
        decoder = LineDecoder()
        os.set_blocking(self.master, False)
        while not self._stop:
            with contextlib.suppress(BlockingIOError):
                for item in decoder.feed(os.read(self.master, 4096)):
                    if isinstance(item, Frame):
                        self.heard.append(item)
                        if self.obeys(item):
                            self._take(item)
            time.sleep(0.002)

    def _take(self, frame: Frame) -> None:
        if frame.kind == "S":
            self._joiner, self._last = Joiner(), frame.seq
            self.hello(frame.conn)
        elif self._joiner is None:
            self.hello()
        elif frame.kind != "A":
            if self.acknowledges(frame):
                self.write(Frame("a", 0, frame.seq, ".", b"").encode())
            if frame.seq != self._last:
                self._last = frame.seq
                if message := self._joiner.add(frame):
                    self.handled.append(message)
                    if message[0] == "B":
                        request = json.loads(message[2])
                        answer = self.answers(request)
                        if answer is not None:
                            self.say("b", 0, json.dumps(answer | {"id": request["id"]}).encode())


@pytest.fixture
def board() -> Iterator[ScriptedBoard]:
    scripted = ScriptedBoard()
    yield scripted
    scripted.unplug()


def first(count: int, kind: str) -> Callable[[Frame], bool]:
    """False for the first so many frames of a kind."""
    left = [count]

    def passes(frame: Frame) -> bool:
        if frame.kind == kind and left[0]:
            left[0] -= 1
            return False
        return True

    return passes


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_board_that_still_boots_is_waited_for(board: ScriptedBoard) -> None:
    board.obeys = first(3, "S")
    board.write(b"ets Jul 29 2019 12:21:46\r\nrst:0x1 (POWERON_RESET)\r\n")
    with Bench.open(board.port) as car:
        assert car.hello["boot"] == "1"
    assert board.kinds().count("S") >= 4


def test_noise_before_the_hello_is_text(board: ScriptedBoard) -> None:
    def talk(frame: Frame) -> bool:
        if frame.kind == "S":
            board.write(b"\x00\xff@V01@@ boot log @")
        return True

    board.obeys = talk
    with Bench.open(board.port) as car:
        assert car.request("state") == 1
        assert "boot log" in car.log_text


def test_silence_is_no_answer(board: ScriptedBoard) -> None:
    board.obeys = lambda frame: False
    with pytest.raises(NoAnswer, match="no car answered") as caught:
        Bench.open(board.port, timeout=0.5)
    assert caught.value.exit_code == 3


def test_a_prompt_is_told_from_silence(board: ScriptedBoard) -> None:
    def echo(frame: Frame) -> bool:
        board.write(b">>> " + frame.encode().replace(b"\n", b"\r\n") + b"... ")
        return False

    board.obeys = echo
    with pytest.raises(NoAnswer, match="prompt") as caught:
        Bench.open(board.port, timeout=0.7)
    assert "reset" in caught.value.hint


def test_a_hello_to_somebody_else_is_not_ours(board: ScriptedBoard) -> None:
    def wrong(frame: Frame) -> bool:
        board.hello(frame.conn % 255 + 1)
        return False

    board.obeys = wrong
    with pytest.raises(NoAnswer):
        Bench.open(board.port, timeout=0.7)


def test_an_unacknowledged_line_is_sent_again_unchanged(board: ScriptedBoard) -> None:
    board.acknowledges = first(2, "V")
    with Bench.open(board.port) as car, car.connect() as phone:
        phone.send(b"hello")
    lines = [frame for frame in board.heard if frame.kind == "V"]
    assert len(lines) == 3 and len(set(lines)) == 1
    assert board.handled[0] == ("V", phone.number, b"hello")


def test_a_long_message_survives_the_loss_of_any_of_its_lines(board: ScriptedBoard) -> None:
    seen: set[Frame] = set()

    def every_line_the_second_time(frame: Frame) -> bool:
        if frame.kind != "V" or frame in seen:
            return True
        seen.add(frame)
        return False

    board.obeys = every_line_the_second_time
    message = bytes(i * 7 & 0xFF for i in range(500))
    with Bench.open(board.port) as car, car.connect() as phone:
        phone.send(message)
    assert ("V", phone.number, message) in board.handled


def test_no_line_is_sent_before_the_one_before_it_is_acknowledged(board: ScriptedBoard) -> None:
    board.acknowledges = lambda frame: frame.part == "<"
    with Bench.open(board.port, timeout=1.5) as car:
        phone = car.connect()
        with pytest.raises(NoAnswer):
            phone.send(bytes(500))
    sent = [frame.seq for frame in board.heard if frame.kind == "V"]
    assert len(set(sent)) == 2


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_id(board: ScriptedBoard) -> None:
    lost = []

    def answer(request: dict[str, Any]) -> dict[str, Any] | None:
        lost.append(request["id"])
        return {"ok": True, "result": "late"} if len(lost) > 1 else None

    board.answers = answer
    with Bench.open(board.port) as car:
        assert car.request("state") == "late"
    assert len(lost) == 2 and lost[0] == lost[1]


def test_an_answer_to_another_question_is_not_taken(board: ScriptedBoard) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        board.say("b", 0, json.dumps({"id": request["id"] + 1, "ok": True, "result": "wrong"}).encode())
        return {"ok": True, "result": "right"}

    board.answers = answer
    with Bench.open(board.port) as car:
        assert [car.request("state") for _ in range(3)] == ["right"] * 3


def test_a_refused_request_tells_why(board: ScriptedBoard) -> None:
    board.answers = lambda request: {"ok": False, "error": "not on this board"}
    with Bench.open(board.port) as car, pytest.raises(BenchError, match="power_cut: not on this board"):
        car.request("power_cut", after=1)


def test_a_car_without_a_bench_is_not_asked(board: ScriptedBoard) -> None:
    board.bench = False
    with Bench.open(board.port) as car, pytest.raises(BenchError, match="without the bench"):
        car.request("state")
    assert "B" not in board.kinds()


def test_after_a_restart_who_waited_is_told_and_the_next_request_works(board: ScriptedBoard) -> None:
    def restart(request: dict[str, Any]) -> None:
        board.answers = lambda request: {"ok": True, "result": "again"}
        board.restart()

    board.answers = restart
    with Bench.open(board.port) as car:
        phone = car.connect()
        with pytest.raises(Restarted):
            car.request("state")
        with pytest.raises(NoAnswer, match="ended"):
            phone.receive()
        assert car.request("state") == "again"
        assert car.boot == "2"
        assert car.connect().number != phone.number


def test_a_restart_that_nobody_waited_for_is_noticed(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car:
        board.restart()
        car.wait_boot("1", timeout=10)
        assert car.request("state") == 1


def test_a_message_is_delivered_whole_or_not_at_all_across_a_restart(board: ScriptedBoard) -> None:
    count = 0

    def restarts_at_the_third_line(frame: Frame) -> bool:
        nonlocal count
        count += frame.kind == "V"
        if frame.kind == "V" and count == 3:
            board.restart()
            return False
        return True

    board.obeys = restarts_at_the_third_line
    with Bench.open(board.port) as car, car.connect() as phone, pytest.raises(Restarted):
        phone.send(bytes(1000))
    assert not [message for message in board.handled if message[0] == "V"]


def test_a_board_that_goes_deaf_is_no_answer_and_works_when_it_hears_again(board: ScriptedBoard) -> None:
    with Bench.open(board.port, timeout=0.8) as car:
        board.obeys = lambda frame: False
        with pytest.raises(NoAnswer):
            car.request("state")
        board.obeys = lambda frame: True
        assert car.request("state", timeout=10) == 1


def test_an_idle_host_says_that_it_is_still_there(board: ScriptedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_KEEPALIVE", 0.1)
    with Bench.open(board.port):
        assert until(lambda: board.kinds().count("A") >= 2)


def test_a_host_that_leaves_says_good_bye(board: ScriptedBoard) -> None:
    Bench.open(board.port).close()
    assert board.handled[-1] == ("C", 0, b"")


def test_hanging_up_tells_the_board(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car:
        phone = car.connect()
        phone.close()
        assert ("C", phone.number, b"") in board.handled


def test_the_board_may_hang_up(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car:
        phone = car.connect()
        board.say("v", phone.number, b"last words")
        board.say("c", phone.number, b"")
        assert phone.receive() == b"last words"
        with pytest.raises(NoAnswer, match="ended"):
            phone.receive()


def test_a_port_that_goes_ends_all_waiting(board: ScriptedBoard) -> None:
    car = Bench.open(board.port)
    phone = car.connect()
    board.unplug()
    with pytest.raises(NoAnswer, match="ended"):
        phone.receive(10)
    with pytest.raises(PortGone):
        car.request("state")
    car.close()


def test_too_long_a_message_is_not_sent(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car, car.connect() as phone:
        with pytest.raises(ValueError, match="1024"):
            phone.send(bytes(MAX_MESSAGE + 1))
        phone.send(bytes(MAX_MESSAGE))
    assert ("V", phone.number, bytes(MAX_MESSAGE)) in board.handled


def test_nonsense_from_the_board_is_ignored(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car:
        for kind in "vbesczq":
            for body in (b"", b"{", b"[]", b"7", b"\xff\xfe", b"null", b'{"id": []}', bytes(3000)):
                board.say(kind, 200, body)
        assert car.request("state") == 1
        assert all(isinstance(event, dict) for event in car.events)


def test_what_the_board_prints_is_kept(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car:
        board.write(b"first line\r\n")
        board.say("e", 0, b'{"event": "boot"}')
        assert car.wait_event("boot") == {"event": "boot"}
        assert "first line" in car.log_text


def test_events_are_found_by_their_fields(board: ScriptedBoard) -> None:
    with Bench.open(board.port) as car:
        for number in range(3):
            board.say("e", 0, json.dumps({"event": "tick", "number": number}).encode())
        assert car.wait_event("tick", number=2)["number"] == 2
        with pytest.raises(NoAnswer, match="tick"):
            car.wait_event("tick", timeout=0.1, since=3)
