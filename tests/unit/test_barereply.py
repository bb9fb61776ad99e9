# SPDX-License-Identifier: Apache-2.0
"""Answers to what was asked bare: to nobody in particular, and nothing where there is nothing to say."""

import named as messages
from latchkey.session.barereply import BareReply
from named import decode
from support import Conn


def answered(act):
    conn = Conn()
    act(BareReply(conn))
    return [decode(messages.ROUTABLE_MESSAGE, sent) for sent in conn.sent]


def test_a_payload_goes_out_as_a_broadcast_and_an_empty_one_not_at_all():
    (told,) = answered(lambda reply: reply.payload(b"x"))
    assert told["to_destination"]["domain"] == 0 and bytes(told["protobuf_message_as_bytes"]) == b"x"
    assert answered(lambda reply: reply.payload(b"")) == []


def test_that_the_card_is_waited_for_is_told():
    (told,) = answered(lambda reply: reply.waiting())
    assert decode(messages.FROM_VCSEC, told["protobuf_message_as_bytes"])["commandStatus"]["operationStatus"] == 1


def test_a_fault_names_the_domain_it_comes_from_and_nobody_it_goes_to():
    (told,) = answered(lambda reply: reply.fault(5))
    assert told["from_destination"]["domain"] == 2 and "to_destination" not in told
    assert told["signedMessageStatus"] == {"operation_status": 2, "signed_message_fault": 5}
