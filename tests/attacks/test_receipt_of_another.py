# SPDX-License-Identifier: Apache-2.0
"""Somebody wants a receipt for a start that was not his, or wants the owner's to say what is not so.

A receipt goes by the tag of the request, which anybody on the air has seen. It is told to the key that signed it alone
(and to owners), and what did not verify leaves no tag in the log: a replay or a forgery with the same tag is refused,
and the receipt goes on saying that the start was done.
"""

from __future__ import annotations

import pytest
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import Refused
from host_tools.phone import messages, receipt
from host_tools.phone.client import Phone
from host_tools.phone.receipt import Receipts
from host_tools.serial.bench import Bench
from tests.bench.support import ask, fault, forge, new_phone, stranger

pytestmark = pytest.mark.usefixtures("resting")


def test_a_guest_who_saw_the_owners_start_has_no_receipt_for_it(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "guest", by=owner)
    owner.start()
    tag = receipt.tag_of(owner.last_sent)
    assert Receipts(guest).about(tag) == receipt.Receipt(receipt.NOT_DONE, 0)
    assert Receipts(owner).about(tag).outcome == receipt.DONE
    with pytest.raises(Refused) as caught:
        Receipts(stranger(car)).about(tag)
    assert caught.value.name == "UNKNOWN_KEY_ID"


def test_a_start_that_was_done_is_not_talked_into_a_refusal(car: Bench, owner: Phone) -> None:
    owner.start()
    sent = universal.RoutableMessage.FromString(owner.last_sent)
    done = Receipts(owner).about(receipt.tag_of(owner.last_sent))
    assert fault(ask(car, owner.connection, owner.last_sent)) == "INVALID_TOKEN_OR_COUNTER"
    sent.signature_data.AES_GCM_Personalized_data.counter += 1  # the same tag, and another counter
    assert fault(ask(car, owner.connection, sent.SerializeToString())) == "INVALID_SIGNATURE"
    sent.signature_data.AES_GCM_Personalized_data.epoch = bytes(16)
    assert fault(ask(car, owner.connection, sent.SerializeToString())) == "INCORRECT_EPOCH"
    assert Receipts(owner).about(receipt.tag_of(owner.last_sent)) == done and done.outcome == receipt.DONE


def test_a_start_that_was_refused_is_not_talked_into_one_that_was_done(car: Bench, owner: Phone) -> None:
    guest = new_phone(car, "monitor", by=owner)
    with pytest.raises(Refused):
        guest.start()
    tag = receipt.tag_of(guest.last_sent)

    def same_tag(message: universal.RoutableMessage) -> None:
        message.signature_data.AES_GCM_Personalized_data.tag = tag

    forged = forge(owner, messages.action("start"), change=same_tag)
    assert fault(ask(car, owner.connection, forged.SerializeToString())) == "INVALID_SIGNATURE"
    assert Receipts(guest).about(tag).outcome == receipt.REFUSED
    assert Receipts(owner).about(tag).outcome == receipt.REFUSED


def test_a_flood_of_refusals_does_not_push_a_start_out_of_what_is_looked_at(car: Bench, owner: Phone) -> None:
    owner.start()
    sent = owner.last_sent
    for n in range(200):
        visitor = forge(owner, messages.action("start"), epoch=bytes([n]) * 16)
        ask(car, owner.connection, visitor.SerializeToString())
        if n % 40 == 0:
            car.clock(2)
    assert receipt.ask(owner, sent).outcome == receipt.DONE
