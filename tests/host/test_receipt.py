# SPDX-License-Identifier: Apache-2.0
"""A command whose answer is lost: the phone asks the car what became of it, and never gives a start twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import NoAnswer, Refused
from host_tools.phone import keyfile, messages, outcome, receipt
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from tests.host.car_model import ModelConnection
from tests.host.command import run
from tests.host.fake_bench import FakeBench
from tests.host.logging_car import REFUSED, LoggingCar

START = "REMOTE_DRIVE"


@pytest.fixture
def car(bench: FakeBench) -> LoggingCar:
    bench.car = LoggingCar()
    return bench.car


@pytest.fixture
def owner(car: LoggingCar, tmp_path: Path) -> Key:
    key = keyfile.create(tmp_path / "owner.pem")
    car.enrol(key.public, label="Ann")
    return key


@pytest.fixture
def phone(car: LoggingCar) -> Phone:
    key = keyfile.generate()
    car.enrol(key.public)
    return Phone(ModelConnection(car), car.vin, key, timeout=0.5, pause=0.01)


def gave(command: str, key: Key, code: int, timeout: str = "0.3") -> dict[str, Any]:
    result = run(command, "--key", str(key.path), "--timeout", timeout, "--json")
    assert result.exit_code == code, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@pytest.mark.parametrize("command", ["start", "unlock"])
def test_p10_one_that_ran_is_done_though_its_answer_is_lost(
    bench: FakeBench, car: LoggingCar, owner: Key, command: str
) -> None:
    car.lose = 1
    told = gave(command, owner, 0)
    assert (told["did"], told["receipt"], told["entry"], len(car.done)) == (command, "done", 1, 1)
    assert len(bench.opened) == 2, "the car was come up to anew"


def test_people_are_told_which(car: LoggingCar, owner: Key) -> None:
    car.lose = 1
    result = run("start", "--key", str(owner.path), "--timeout", "0.3")
    assert "asking the car" in result.output and "Its answer was lost; entry 1 of the log says so" in result.output


def test_p11_one_that_was_lost_on_its_way_has_not_run_is_not_sent_again_and_never_will_run(
    bench: FakeBench, car: LoggingCar, owner: Key
) -> None:
    gave("unlock", owner, 0)
    taken = CutOff(car)
    told = gave("start", owner, 1)
    assert told["error"]["name"] == "NOT_DONE" and "give it again" in told["error"]["hint"]
    assert told["receipt"] == "not done" and START not in car.done
    [late] = taken.held
    car.handle(late)
    assert START not in car.done, "it came after all, and was too late"
    gave("start", owner, 0)
    assert car.done.count(START) == 1


class CutOff:
    """Holds the next start back, as somebody on the air could."""

    def __init__(self, car: LoggingCar) -> None:
        self.held: list[bytes] = []
        self._handle = car.handle
        car.handle = self.handle  # type: ignore[method-assign]

    def handle(self, data: bytes) -> list[bytes]:
        message = universal.RoutableMessage.FromString(data)
        if not self.held and message.HasField("signature_data"):
            self.held.append(data)
            return []
        return self._handle(data)


def test_one_that_was_refused_says_so(car: LoggingCar, owner: Key) -> None:
    car.keys[owner.public].role = 6
    car.lose = 1
    told = gave("start", owner, 1)
    assert (told["error"]["name"], told["receipt"], told["entry"]) == ("NOT_DONE", "refused", 1)
    assert car.log[0][14] == REFUSED


def test_a_car_that_cannot_say_leaves_it_open(car: LoggingCar, owner: Key) -> None:
    car.certain = False
    taken = CutOff(car)
    told = gave("start", owner, 3)
    assert told["error"]["name"] == "NO_ANSWER" and "may have run" in told["error"]["hint"]
    assert told["receipt"] == "unknown" and len(taken.held) == 1


@pytest.mark.parametrize("how", ["silent", "old"])
def test_a_car_that_is_gone_or_knows_no_receipts_is_one_that_gave_no_answer(
    car: LoggingCar, owner: Key, how: str
) -> None:
    gave("unlock", owner, 0)
    car.old = how == "old"
    car.lose = 1 if car.old else 1000
    car.drop = 0 if car.old else 1000
    told = gave("start", owner, 3)
    assert told["error"]["name"] == "NO_ANSWER" and "may have run" in told["error"]["hint"]


def clear_fault(code: int) -> Any:
    """What somebody on the air says in the car's place."""

    def forged(message: universal.RoutableMessage, _: list[bytes]) -> list[bytes]:
        reply = universal.RoutableMessage(request_uuid=message.uuid)
        reply.to_destination.CopyFrom(message.from_destination)
        reply.from_destination.CopyFrom(message.to_destination)
        reply.signedMessageStatus.operation_status = universal.OPERATIONSTATUS_ERROR
        reply.signedMessageStatus.signed_message_fault = code  # type: ignore[assignment]
        return [reply.SerializeToString()]

    return forged


@pytest.mark.parametrize("code", [3, 4, 7])
def test_a_refusal_in_the_clear_of_what_ran_is_not_believed(car: LoggingCar, owner: Key, code: int) -> None:
    gave("unlock", owner, 0)
    car.before_answer.append(clear_fault(code))
    assert gave("start", owner, 0)["receipt"] == "done"
    car.before_answer.append(lambda message, _: car.done.pop() and car.log.pop() and clear_fault(code)(message, []))
    told = gave("start", owner, 1)
    assert told["error"]["name"] != "NOT_DONE" and told["receipt"] == "not done", "it was the car's"


def test_a_start_in_doubt_whose_car_then_falls_silent_is_asked_after_and_nothing_else(
    car: LoggingCar, owner: Key
) -> None:
    gave("unlock", owner, 0)

    def forged(message: universal.RoutableMessage, answers: list[bytes]) -> list[bytes]:
        car.lose = 1  # the answer to the state that is asked for next
        reply: list[bytes] = clear_fault(1)(message, answers)
        return reply

    car.before_answer.append(forged)
    assert gave("start", owner, 0)["receipt"] == "done" and car.done.count(START) == 1


@pytest.mark.parametrize("code", sorted(outcome.RESYNC | outcome.PASSING))
def test_p12_a_start_that_ran_is_not_given_again_because_somebody_on_the_air_says_no(
    car: LoggingCar, phone: Phone, code: int
) -> None:
    phone.unlock()
    car.before_answer.append(clear_fault(code))
    phone.start()
    assert car.done.count(START) == 1


def test_p12_a_start_that_ran_is_not_given_again_because_of_session_info_that_anybody_can_ask_for(
    car: LoggingCar, phone: Phone
) -> None:
    """A handshake in the phone's name, with the start's own uuid, gets the car to prove a session info for it."""

    def forged(message: universal.RoutableMessage, _: list[bytes]) -> list[bytes]:
        request = universal.RoutableMessage(uuid=message.uuid)
        request.to_destination.CopyFrom(message.to_destination)
        request.from_destination.CopyFrom(message.from_destination)
        request.session_info_request.public_key = phone.key.public
        reply = universal.RoutableMessage.FromString(car.handle(request.SerializeToString())[0])
        reply.signedMessageStatus.operation_status = universal.OPERATIONSTATUS_ERROR
        reply.signedMessageStatus.signed_message_fault = universal.MESSAGEFAULT_ERROR_TIME_EXPIRED
        return [reply.SerializeToString()]

    phone.unlock()
    car.before_answer.append(forged)
    phone.start()
    assert car.done.count(START) == 1 and phone.resyncs == 1


def test_a_start_that_did_not_run_is_given_again_when_the_car_says_why_it_may_now_work(
    car: LoggingCar, phone: Phone
) -> None:
    phone.unlock()
    car.ahead += 60  # the phone's idea of the car's clock is wrong: TIME_EXPIRED
    phone.start()
    assert car.done == ["UNLOCK", START]
    car.faults.append(universal.MESSAGEFAULT_ERROR_BUSY)
    phone.start()
    assert car.done == ["UNLOCK", START, START]


def test_after_a_restart_of_the_car_nobody_has_to_ask(car: LoggingCar, phone: Phone) -> None:
    phone.start()
    car.reboot()
    before = len(car.requests)
    phone.start()
    assert car.done == [START, START] and len(car.requests) - before == 2


def test_a_start_in_doubt_that_the_car_cannot_speak_of_is_not_given_again(car: LoggingCar, phone: Phone) -> None:
    phone.unlock()
    car.certain = False
    car.before_answer.append(clear_fault(universal.MESSAGEFAULT_ERROR_BUSY))
    car.write = lambda *_, **__: b""  # type: ignore[method-assign]
    with pytest.raises(NoAnswer) as caught:
        phone.start()
    assert "may have run" in caught.value.hint and car.done.count(START) == 1


def test_a_refusal_that_is_proven_is_no_doubt(car: LoggingCar, phone: Phone) -> None:
    car.nominal = 2
    before = len(car.requests)
    with pytest.raises(Refused):
        phone.start()
    assert len(car.requests) - before == 2, "a handshake, and the start"


def test_a_receipt_is_asked_for_with_the_tag_of_either_method(car: LoggingCar, phone: Phone) -> None:
    for method in ("gcm", "hmac"):
        phone.command(messages.action("wake"), method)
        told = receipt.ask(phone, phone.last_sent)
        assert told == receipt.Receipt(receipt.DONE, len(car.log))
