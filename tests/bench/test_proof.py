# SPDX-License-Identifier: Apache-2.0
"""Receipts, and a log that proves itself, on a whole car: rules of docs/protocol.md ("Receipts", "A log that proves
itself")."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from host_tools.faults import NoAnswer, Refused
from host_tools.phone import chain, messages, receipt
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.receipt import Receipts
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import Cuts, settle
from tests.bench.support import ADDRESS, UUID, Property, forge, new_phone, reboot
from tests.bench.test_view import answered, signed

pytestmark = pytest.mark.usefixtures("resting")

UNLOCK, START = 2, 16
NOTHING = receipt.Receipt(receipt.NOT_DONE, 0)
RECEIPT = ours.ToLatchkey(receipt=ours.ReceiptRequest(hash=b"12345678"))
HEAD = ours.ToLatchkey(head=ours.HeadRequest())
RAW = ours.ToLatchkey(log=ours.LogRequest(raw=True))


def tag(phone: Phone) -> bytes:
    """How the tag of what it sent last begins, or all of it."""
    return receipt.tag_of(phone.last_sent)


def proves_itself(phone: Phone, seen: chain.Head | None = None) -> chain.Head:
    """Where the log ends, in which nothing is wrong."""
    raws, head = View(phone).raw_log()
    assert [it for it in chain.check(raws, head, seen) if it.name not in chain.NOTES] == []
    return head


@pytest.mark.parametrize("request_", [RECEIPT, HEAD, RAW], ids=["receipt", "head", "raw"])
def test_p1_what_is_not_signed_and_encrypted_for_one_key_is_not_told(owner: Phone, request_: Any) -> None:
    view = View(owner)
    for method, flags, name in (
        ("gcm", 0, "REQUIRES_RESPONSE_ENCRYPTION"),
        ("hmac", messages.FLAG_ENCRYPT_RESPONSE, "BAD_PARAMETER"),
    ):
        message, request_hash = signed(view, request_, method, flags)
        assert answered(view, message, request_hash) == name
    unsigned = messages.routable(request_, ADDRESS, UUID, view.domain)
    assert answered(view, unsigned, b"") == "INSUFFICIENT_PRIVILEGES"


def test_p3_a_command_has_a_receipt_of_its_own_whatever_comes_after_it(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "guest", by=owner)
    added = tag(owner)
    guest.start()
    started, replayed = tag(guest), guest.last_sent
    car.door("front_driver_door", True)
    with pytest.raises(Refused):
        guest.lock()
    prevented = tag(guest)
    guest.connection.send(replayed)
    guest.connection.send(forge(guest, messages.action("start"), key=bytes(16)).SerializeToString())
    car.door("front_driver_door", False)
    asked = Receipts(guest)
    assert asked.about(started).outcome == receipt.DONE
    assert asked.about(prevented).outcome == receipt.REFUSED
    assert asked.about(os.urandom(8)) == NOTHING
    assert Receipts(owner).about(added).outcome == receipt.DONE, "a change of keys is a command too"
    entries = {entry["seq"]: entry for entry in car.log()}
    told = entries[asked.about(started).number]
    assert (told["kind"], told["command"], told["key"]) == ("command", START, guest.key.id)


def test_p5_a_receipt_is_there_after_a_restart(car: Bench, owner: Phone) -> None:
    owner.unlock()
    sent = owner.last_sent
    before = receipt.ask(owner, sent)
    reboot(car, owner)
    assert receipt.ask(owner, sent) == before and before.outcome == receipt.DONE


def test_p8_after_a_power_cut_at_any_operation_the_receipt_says_done_or_nothing_is_in_effect(
    car: Bench, owner: Phone, simulated: SimulatedBoard, record_property: Property
) -> None:
    at, sent = 0, b""
    for at in range(1, 60):
        settle(car)
        boot = car.boot
        car.request("power_cut", after=at)
        owner.start()
        sent = owner.last_sent
        if Cuts(car, owner, simulated).survived(boot):
            break
        car.wait_boot(boot)
        owner.connection = car.connect()
        found = receipt.ask(owner, sent)
        assert found.outcome == receipt.DONE or found == NOTHING
        state = car.state()
        assert (state["locked"], state["start_enabled"]) == (True, False)
        seen = proves_itself(owner)
        kinds = [entry["kind"] for entry in car.log()]
        assert "gap" not in kinds
        owner.unlock()
        settle(car)
        proves_itself(owner, seen)
    else:
        raise AssertionError("it never ended")
    record_property("note", f"a start and its entry: cut at each of {at - 1} flash operations")
    assert receipt.ask(owner, sent).outcome == receipt.DONE and at > 5


def test_p10_an_answer_that_is_lost_is_asked_for(car: Bench, owner: Phone) -> None:
    owner.timeout, patience = 1.0, owner.timeout
    try:
        car.request("reply", drop=1)
        with pytest.raises(NoAnswer):
            owner.start()
        sent = owner.last_sent
        owner.connection = car.connect()
        assert receipt.ask(owner, sent).outcome == receipt.DONE
        assert len([it for it in car.log() if it["command"] == START and it["key"] == owner.key.id]) >= 1
    finally:
        owner.timeout = patience


def test_p11_what_was_held_back_is_refused_once_its_receipt_was_asked_for(car: Bench, owner: Phone) -> None:
    owner.unlock()
    message, _ = owner.sign(messages.action("start"))
    sent = message.SerializeToString()
    assert receipt.ask(owner, sent) == NOTHING
    owner.connection.send(sent)
    car.info()
    assert not car.state()["start_enabled"]
    assert receipt.ask(owner, sent) == NOTHING


def test_h1_a_day_of_commands_refusals_keys_and_restarts_verifies(car: Bench, owner: Phone) -> None:
    first = proves_itself(owner)
    guest = new_phone(car, "guest", by=owner)
    for _ in range(3):
        guest.unlock()
        guest.start()
        with pytest.raises(Refused):
            guest.change_keys(messages.remove_key(owner.key.public))
        owner.lock()
    reboot(car, owner, guest)
    guest.unlock()
    settle(car)
    head = proves_itself(owner, first)
    assert head.number > first.number
    settle(car)
    raws, _ = View(owner).raw_log()
    told = {entry["seq"]: entry for entry in car.log()}
    for raw in raws:
        entry = chain.parse(raw)
        assert entry is not None and told[entry.number]["at"] == entry.told.at


def test_h6_the_car_signs_its_head_for_an_owner_and_for_nobody_else(car: Bench, owner: Phone) -> None:
    driver = new_phone(car, "driver", by=owner)
    settle(car)
    car.clock(10)
    began = car.request("stats")["p256"]
    head = View(owner).head()
    assert car.request("stats")["p256"] == began + 1
    raws, end = View(owner).raw_log()
    assert (head.number, head.chain) == (end.number, end.chain) and chain.check(raws, end) == []
    with pytest.raises(Refused) as caught:
        View(driver).head()
    assert caught.value.name == "INSUFFICIENT_PRIVILEGES"
    with pytest.raises(Refused):
        View(driver).raw_log()


def test_a_start_is_done_while_the_head_is_being_signed(car: Bench, owner: Phone) -> None:
    car.clock(10)
    view = View(owner)
    message, request_hash = view.sign(HEAD)
    view.connection.send(message.SerializeToString())
    owner.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for reply in view.replies(message.uuid, message.from_destination.routing_address, deadline):
            plain = view.open_answer(reply, request_hash, set())
            assert plain is not None and len(ours.FromLatchkey.FromString(plain).head.signature) == 64
            return
