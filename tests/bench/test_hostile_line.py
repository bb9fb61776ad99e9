# SPDX-License-Identifier: Apache-2.0
"""Whatever comes over the serial line, the car stays up and as it was, and the next good line counts."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator
from typing import Any

import pytest

from host_tools.explain import decode
from host_tools.phone import messages
from host_tools.serial.bench import Bench
from tests.bench.raw_line import RawLine
from tests.bench.support import VIN, AnyBoard, forge, new_phone, provision, snapshot

CTRL_C = 3  # belongs to the REPL and ends the agent, so nothing of ours ever sends it

INFO = b'{"id": 1, "op": "info"}'


class Bystander:
    """The owner of the car whose line is being abused."""

    def __init__(self, port: str) -> None:
        self._port = port
        with provision(port) as car:
            self.phone = new_phone(car, "owner")
            self.before, self.boot = snapshot(car), car.boot

    def check(self) -> None:
        """The car has not restarted and not changed, and obeys."""
        with Bench.open(self._port) as car, car.connect() as self.phone.connection:
            assert (car.boot, snapshot(car)) == (self.boot, self.before)
            corrections = self.phone.resyncs
            self.phone.unlock()
            self.phone.lock()
            assert self.phone.resyncs == corrections


@pytest.fixture(scope="module")
def owner(board: AnyBoard) -> Bystander:
    return Bystander(board.port)


@pytest.fixture
def line(board: AnyBoard, owner: Bystander) -> Iterator[RawLine]:
    """The line by hand; afterwards the owner finds the car as it was."""
    with RawLine(board.port) as raw:
        raw.greet()
        yield raw
    owner.check()


def noise(seed: int, size: int) -> bytes:
    return bytes(byte for byte in random.Random(seed).randbytes(size) if byte != CTRL_C)


GARBAGE = {
    "a line of text": b"Guru Meditation Error: Core 0 panic'ed\r\n",
    "half a line": b"@V01",
    "many starts of a frame": b"@" * 300 + b"\n",
    "an endless line": b"@B0000." + b"A" * 2000,
    "a frame without its crc": b"@B0000.e30=\n",
    "a frame with a wrong crc": b"@B0000.e30=00000000\n",
    "a frame whose base64 is none": b"@B0000.!!!!00000000\n",
    "letters": string.ascii_letters.encode() * 8,
    "zeroes": bytes(500),
    "noise": noise(1, 2000),
    "noise full of frame starts": noise(2, 600).replace(b"a", b"@").replace(b"b", b"@V01"),
    "control characters of the REPL, but for the one": b"\x01\x02\x04\x05print(1)\x04\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_passed_over(line: RawLine, name: str) -> None:
    line.write(GARBAGE[name])
    assert line.bench(INFO)["ok"] is True  # in the middle of it, with no new greeting


def test_a_line_that_is_missing_makes_the_host_begin_anew(line: RawLine, owner: Bystander) -> None:
    assert line.line_lost()["boot"] == owner.boot
    line.greet(78)
    assert line.bench(INFO)["ok"] is True


@pytest.mark.parametrize("size", [1025, 2000, 5000])
def test_a_message_that_is_too_long_is_dropped_whole(line: RawLine, owner: Bystander, size: int) -> None:
    start = forge(owner.phone, messages.action("start")).SerializeToString()
    line.send("V", 9, start + bytes(size - len(start)))
    assert line.bench(INFO)["ok"] is True
    assert [message for message in line.messages if message[0] == "v"] == []


def test_lines_that_make_no_whole_message_are_dropped(line: RawLine, owner: Bystander) -> None:
    wake = forge(owner.phone, messages.action("wake")).SerializeToString()
    for lost in ([("+", 3), (">", 3)], [("<", 3), (">", 4)], [("<", 3), ("+", 3)]):
        for part, conn in lost:
            line.line("V", conn, part, wake[:50])
    line.line("B", 0, ">", INFO)
    assert line.messages == []
    assert line.bench(INFO)["ok"] is True


NO_REQUESTS = [b"", b"[]", b"{", b"null", b"7", b'{"op":"state"}', b'{"id":"x","op":"state"}', b"\xff\xfe", b"[" * 200]


@pytest.mark.parametrize("text", NO_REQUESTS)
def test_a_bench_request_that_is_none_is_told_so(line: RawLine, text: bytes) -> None:
    refusal = line.bench(text)
    assert refusal["ok"] is False and refusal["error"]


NONSENSE: dict[str, dict[str, Any]] = {
    "an operation that is not there": {"op": "sesame"},
    "no operation": {},
    "a name from inside": {"op": "__init__"},
    "time that steps back": {"op": "clock", "advance": -1},
    "time that is missing": {"op": "clock"},
    "a door that is not there": {"op": "door", "name": "cat_flap", "open": True},
    "a hang of no length": {"op": "hang"},
    "a log since yesterday": {"op": "log", "since": "yesterday"},
    "a second identity": {"op": "provision", "vin": VIN},
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_bench_operation_that_makes_no_sense_is_refused(line: RawLine, name: str) -> None:
    refusal = line.bench(json.dumps({"id": 5, **NONSENSE[name]}).encode())
    assert (refusal["id"], refusal["ok"]) == (5, False) and refusal["error"]


def test_a_phone_connection_of_no_number_is_closed_at_once(line: RawLine, owner: Bystander) -> None:
    line.send("V", 0, forge(owner.phone, messages.action("wake")).SerializeToString())
    assert line.bench(INFO)["ok"] is True
    assert ("c", 0, b"") in line.messages


def test_the_ninth_phone_connection_is_closed_and_the_eight_stay(line: RawLine) -> None:
    question = messages.routable(None, b"a" * 16, b"u" * 16).SerializeToString()
    for number in range(1, 10):
        line.send("V", number, question)
    line.send("V", 1, question)
    assert line.bench(INFO)["ok"] is True
    assert [conn for kind, conn, _ in line.messages if kind == "c"] == [9]
    answered = [conn for kind, conn, data in line.messages if kind == "v" and decode.decode(data).kind == decode.FAULT]
    assert answered == [1, 2, 3, 4, 5, 6, 7, 8, 1]
