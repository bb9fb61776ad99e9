# SPDX-License-Identifier: Apache-2.0
"""The answers to one request: whom they go to, how they are bound to it, and that no two look alike to a phone."""

import codes as faults
import named as messages
from latchkey.clock import Clock
from latchkey.session.reply import Reply
from latchkey.session.verify import Verified, verify
from latchkey.wire import envelope
from named import decode
from support import ADDRESS, CLIENT_PUBLIC, UUID, VIN, Conn, message, opened, owner, sessions_of, signed

ENCRYPT = 2


def asked(flags=ENCRYPT, method="gcm", verified=True, **other):
    """A request that has been verified, and the reply to it."""
    sessions, clock = sessions_of(owner()), Clock()
    fields = signed(b"\x10\x00", sessions.find(CLIENT_PUBLIC), 1, 5, flags=flags, method=method)
    fields.update(other)
    request = envelope.read(message(fields))
    conn = Conn()
    reply = Reply(conn, request, VIN)
    if verified:
        reply.verified = verify(request, sessions, VIN, clock.now())
        assert isinstance(reply.verified, Verified)
    return fields, reply, conn, sessions


def test_each_answer_to_a_request_has_a_counter_of_its_own_and_the_next_one():
    for method in ("gcm", "hmac"):
        fields, reply, conn, _ = asked(method=method)
        for n in range(1, 5):
            reply.payload(b"answer %d" % n)
            assert opened(conn.last(), fields) == (b"answer %d" % n, n), "a phone takes a counter once"


def test_a_refusal_of_somebody_known_is_encrypted_and_counts_too():
    fields, reply, conn, _ = asked()
    reply.payload(b"first")
    reply.fault(7)
    assert conn.last()["signedMessageStatus"] == {"operation_status": 2, "signed_message_fault": 7}
    assert opened(conn.last(), fields) == (b"", 2)


def test_who_did_not_ask_for_encryption_gets_none():
    _, reply, conn, _ = asked(flags=0)
    reply.payload(b"plain")
    assert conn.last()["protobuf_message_as_bytes"] == b"plain" and "signature_data" not in conn.last()


def test_who_is_not_known_gets_none():
    _, reply, conn, _ = asked(verified=False)
    reply.payload(b"plain")
    assert conn.last()["protobuf_message_as_bytes"] == b"plain" and "signature_data" not in conn.last()


def test_success_is_a_payload_that_is_there_and_empty():
    _, reply, conn, _ = asked(flags=0)
    reply.payload(b"")
    assert conn.last()["protobuf_message_as_bytes"] == b"" and "signedMessageStatus" not in conn.last()


def test_an_answer_goes_back_to_its_sender_by_whatever_it_gave():
    for name, sender in (("routing_address", ADDRESS), ("domain", 5)):
        _, reply, conn, _ = asked(from_destination={name: sender})
        reply.payload(b"x")
        assert conn.last()["to_destination"][name] == sender
        assert conn.last()["from_destination"]["domain"] == 2 and conn.last()["request_uuid"] == UUID


def test_session_info_goes_with_a_fault_only_when_there_is_a_session():
    _, reply, conn, sessions = asked(verified=False)
    reply.fault(6)
    assert "session_info" not in conn.last() and "protobuf_message_as_bytes" not in conn.last()
    session = sessions.find(CLIENT_PUBLIC)
    reply.fault(6, session, sessions.public, 9)
    info = decode(messages.SESSION_INFO, conn.last()["session_info"])
    assert info["epoch"] == session.epoch and info["clock_time"] == 9
    assert len(conn.last()["signature_data"]["session_info_tag"]["tag"]) == 32


def test_one_who_is_known_gets_session_info_with_a_fault_that_is_about_the_session():
    _, reply, conn, sessions = asked()
    reply.fault(6, sessions.find(CLIENT_PUBLIC), sessions.public, 9)
    assert decode(messages.SESSION_INFO, conn.last()["session_info"])["clock_time"] == 9
    assert conn.last()["signedMessageStatus"]["signed_message_fault"] == 6


def test_a_request_without_sender_and_name_is_answered_without_them():
    _, reply, conn, _ = asked(flags=0, from_destination=None, uuid=None)
    reply.payload(b"x")
    assert "to_destination" not in conn.last() and "request_uuid" not in conn.last()


def test_that_the_card_is_waited_for_is_no_end_of_a_request():
    _, reply, conn, _ = asked()
    reply.waiting()
    told, waiting = (decode(messages.ROUTABLE_MESSAGE, sent) for sent in conn.sent)
    assert told["to_destination"]["domain"] == 0 and "request_uuid" not in told
    assert waiting["signedMessageStatus"] == {"operation_status": 1} and "request_uuid" not in waiting


def test_an_answer_that_is_too_long_is_told_in_a_short_one():
    _, reply, conn, _ = asked(flags=0)
    reply.payload(bytes(1100))
    assert len(conn.sent) == 1
    assert conn.last()["signedMessageStatus"]["signed_message_fault"] == faults.RESPONSE_MTU_EXCEEDED
