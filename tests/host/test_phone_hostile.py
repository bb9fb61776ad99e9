# SPDX-License-Identifier: Apache-2.0
"""A phone on hostile air: whatever arrives, it neither breaks nor believes."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import LatchkeyError
from host_tools.phone import keyfile, messages
from host_tools.phone.cache import SessionCache
from host_tools.phone.client import Phone
from tests.host.car_model import VIN, CarModel, ModelConnection

KEY = keyfile.generate()
SECRETS = (KEY.private.private_numbers().private_value.to_bytes(32, "big"),)

small = st.binary(max_size=40)
numbers = st.integers(0, 0xFFFFFFFF)


class Attacker(ModelConnection):
    """Answers in the car's place. The car hears nothing."""

    def __init__(self, car: CarModel, answers: Callable[[universal.RoutableMessage], list[bytes]]) -> None:
        super().__init__(car)
        self._answers = answers

    def send(self, message: bytes) -> None:
        request = universal.RoutableMessage.FromString(message)
        self.inbox.extend(self._answers(request))


@st.composite
def forgeries(draw: st.DrawFn) -> Callable[[universal.RoutableMessage], bytes]:
    """An answer that fits its request in all that can be seen, with anything in all that must be proven."""
    fault, status, flags = draw(st.integers(0, 30)), draw(st.integers(0, 2)), draw(st.sampled_from([0, 0, 2, 3]))
    payload, nonce, tag = draw(st.just(b"") | small), draw(small), draw(small | st.binary(min_size=16, max_size=32))
    kind = draw(st.sampled_from(["plain", "sealed", "session", "both", "none"]))
    info = sig.SessionInfo(
        counter=draw(numbers),
        publicKey=draw(st.sampled_from([b"", KEY.public, bytes(65), b"\x04" + bytes(64)])),
        epoch=draw(st.just(bytes(16)) | small),
        clock_time=draw(numbers),
    ).SerializeToString()
    counter = draw(numbers)

    def forge(request: universal.RoutableMessage) -> bytes:
        reply = universal.RoutableMessage(request_uuid=request.uuid, flags=flags)
        reply.to_destination.CopyFrom(request.from_destination)
        reply.from_destination.CopyFrom(request.to_destination)
        reply.signedMessageStatus.signed_message_fault = fault  # type: ignore[assignment]
        reply.signedMessageStatus.operation_status = status  # type: ignore[assignment]
        if kind in ("plain", "sealed"):
            reply.protobuf_message_as_bytes = payload
        if kind in ("sealed", "both"):
            data = reply.signature_data.AES_GCM_Response_data
            data.nonce, data.counter, data.tag = nonce, counter, tag
        if kind in ("session", "both"):
            reply.session_info = info
        if kind == "session":
            reply.signature_data.session_info_tag.tag = tag
        return reply.SerializeToString()

    return forge


_AMPLE = 30.0  # seconds for what is answered; what is not waits as long as a_phone says


def a_phone(car: CarModel, connection: ModelConnection) -> Phone:
    return Phone(connection, VIN, KEY, SessionCache(), timeout=0.05, pause=0.001)


@settings(max_examples=150, deadline=None)
@given(forged=st.lists(forgeries(), min_size=1, max_size=3), known=st.booleans(), key_change=st.booleans())
def test_no_forged_answer_is_ever_taken_for_success(
    forged: list[Callable[[universal.RoutableMessage], bytes]], known: bool, key_change: bool
) -> None:
    car = CarModel()
    car.enrol(KEY.public)
    phone = a_phone(car, ModelConnection(car))
    if known:
        phone.handshake(_AMPLE)
    before = phone.session
    phone.connection = Attacker(car, lambda request: [forge(request) for forge in forged])
    command = messages.remove_impermanent_keys() if key_change else messages.action("lock")
    try:
        phone.command(command, key_change=key_change)
    except LatchkeyError as error:
        assert "\n" not in error.line()
    else:
        raise AssertionError("a forged answer was believed")
    assert phone.session in (before, None)


@settings(max_examples=100, deadline=None)
@given(noise=st.lists(st.binary(max_size=200), max_size=6))
def test_noise_before_the_answer_changes_nothing(noise: list[bytes]) -> None:
    car = CarModel()
    car.enrol(KEY.public)
    connection = ModelConnection(car)
    connection.inbox.extend(noise)
    phone = Phone(connection, VIN, KEY, SessionCache(), timeout=5.0)
    phone.unlock()
    assert car.done == ["UNLOCK"]


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 400), bit=st.integers(0, 7))
def test_a_flipped_bit_never_turns_a_refusal_into_success(position: int, bit: int) -> None:
    """The car cannot lock (a door is open), and says so under the session's key."""
    car = CarModel()
    car.enrol(KEY.public)
    car.nominal = 2
    phone = a_phone(car, ModelConnection(car))
    phone.handshake(_AMPLE)
    send = phone.connection.send

    def flipped(message: bytes) -> None:
        send(message)
        connection = phone.connection
        assert isinstance(connection, ModelConnection)
        for _ in range(len(connection.inbox)):
            data = bytearray(connection.inbox.popleft())
            data[position % len(data)] ^= 1 << bit
            connection.inbox.append(bytes(data))

    phone.connection.send = flipped  # type: ignore[method-assign]
    try:
        phone.lock()
    except LatchkeyError:
        pass
    else:
        raise AssertionError("a refusal was taken for success")


@settings(max_examples=100, deadline=None)
@given(answer=st.binary(max_size=120), fault=st.integers(0, 40))
def test_any_answer_to_a_question_is_an_answer_or_one_line(answer: bytes, fault: int) -> None:
    car = CarModel()

    def reply(request: universal.RoutableMessage) -> list[bytes]:
        message = universal.RoutableMessage(request_uuid=request.uuid, protobuf_message_as_bytes=answer)
        message.to_destination.CopyFrom(request.from_destination)
        message.from_destination.CopyFrom(request.to_destination)
        message.signedMessageStatus.signed_message_fault = fault  # type: ignore[assignment]
        return [message.SerializeToString()]

    phone = a_phone(car, Attacker(car, reply))
    try:
        assert isinstance(phone.status(), vcsec.VehicleStatus)
    except LatchkeyError as error:
        assert "\n" not in error.line()


def test_nothing_secret_is_in_what_the_phone_prints() -> None:
    car = CarModel()
    car.enrol(KEY.public)
    phone = a_phone(car, ModelConnection(car))
    phone.unlock()
    assert phone.session is not None
    printed = f"{phone.session!r} {phone.key!r} {phone!r} {vars(phone)!r}"
    for secret in (*SECRETS, phone.session.key):
        assert secret.hex() not in printed and repr(secret) not in printed
