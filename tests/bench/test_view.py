# SPDX-License-Identifier: Apache-2.0
"""What a car tells those who hold its keys, and what it does not tell whoever bends the question."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import messages, session
from host_tools.phone.client import Phone
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from tests.bench.support import ADDRESS, UUID, answer, ask, fault, new_phone, nothing_changes, reboot

STATUS = ours.ToLatchkey(status=ours.StatusRequest())
KEYS = ours.ToLatchkey(keys=ours.KeysRequest())
LOG = ours.ToLatchkey(log=ours.LogRequest())
EVERYTHING = pytest.mark.parametrize("request_", [STATUS, KEYS, LOG], ids=["status", "keys", "log"])

pytestmark = pytest.mark.usefixtures("resting")


def answered(view: View, message: universal.RoutableMessage, request_hash: bytes) -> Any:
    """The proven answer to a message, or the name of its fault: then nothing else is said."""
    view.connection.send(message.SerializeToString())
    reply = answer(view.connection)  # the first one waits until it is loaded
    assert reply is not None
    plain = view.open_answer(reply.envelope, request_hash, set())
    if fault(reply) != "no fault":
        assert not plain and not reply.envelope.protobuf_message_as_bytes
        return fault(reply)
    return ours.FromLatchkey.FromString(plain)


def signed(view: View, request: Any, method: str, flags: int) -> tuple[universal.RoutableMessage, bytes]:
    """A request as no phone of ours makes it."""
    current = view.session or view.handshake()
    view.cache.next_counter(current)
    message = messages.routable(request, ADDRESS, UUID, view.domain)
    message.flags = flags
    signer = session.sign_hmac if method == "hmac" else session.sign_gcm
    request_hash = signer(current, view.key.public, message, current.expires_at(time.time(), 5.0))
    whole = message.signature_data.HMAC_Personalized_data.tag  # only vehicle security cuts it
    return message, request_hash[:1] + whole if method == "hmac" else request_hash


def asked(car: Bench, view: View, request: Any) -> Any:
    """The same of a request, once."""
    return answered(view, *view.sign(request))


def test_an_owner_is_told_what_the_bench_tells(car: Bench, owner: Phone) -> None:
    new_phone(car, "driver", "Bo", by=owner)
    owner.unlock()
    car.door("front_driver_door", True)
    view = View(owner)
    assert view.keys() == car.keys()
    assert view.log() == car.log()
    told, known = view.status(), car.status()
    del told["uptime"], known["uptime"]
    del known["sync"]  # told with the roster (RosterStatus)
    assert told == known


def test_a_driver_is_told_what_is_its_own_however_it_asks(car: Bench, owner: Phone) -> None:
    driver = new_phone(car, "driver", "Bo", by=owner)
    for _ in range(3):
        driver.unlock()
        owner.lock()
    view = View(driver)
    keys = view.keys()
    assert [key["key"] for key in keys] == [driver.key.id]
    entries = view.log()
    assert {entry["key"] for entry in entries} == {driver.key.id}
    assert entries == [entry for entry in car.log() if entry["key"] == driver.key.id]
    last = car.log()[-1]["seq"]
    for place in (0, 1, last - 2, last, 512, 4095, 4096, 0x7FFFFFFF, 0xFFFFFFFF):
        told = asked(car, view, ours.ToLatchkey(keys=ours.KeysRequest(start=place))).keys.keys
        assert {key.public for key in told} <= {driver.key.public}
        log = asked(car, view, ours.ToLatchkey(log=ours.LogRequest(since=place))).log.entries
        assert {entry.key.hex() for entry in log} <= {driver.key.id}


@EVERYTHING
def test_what_is_not_encrypted_for_one_key_is_not_told(car: Bench, owner: Phone, request_: Any) -> None:
    view = View(owner)
    with nothing_changes(car, owner):
        for method, flags, name in (
            ("gcm", 0, "REQUIRES_RESPONSE_ENCRYPTION"),
            ("hmac", 0, "BAD_PARAMETER"),
            ("hmac", messages.FLAG_ENCRYPT_RESPONSE, "BAD_PARAMETER"),
        ):
            message, request_hash = signed(view, request_, method, flags)
            assert answered(view, message, request_hash) == name
        unsigned = messages.routable(request_, ADDRESS, UUID, view.domain)
        assert answered(view, unsigned, b"") == "INSUFFICIENT_PRIVILEGES"


@EVERYTHING
def test_a_request_is_answered_once(car: Bench, owner: Phone, request_: Any) -> None:
    view = View(owner)
    message, request_hash = view.sign(request_)
    assert not isinstance(answered(view, message, request_hash), str)
    assert fault(ask(car, view.connection, message.SerializeToString())) == "INVALID_TOKEN_OR_COUNTER"
    reboot(car, owner)
    view.connection = owner.connection
    assert fault(ask(car, view.connection, message.SerializeToString())) == "INCORRECT_EPOCH"


def test_a_key_that_was_removed_is_told_nothing_more(car: Bench, owner: Phone) -> None:
    driver = new_phone(car, "driver", by=owner)
    view = View(driver)
    assert view.status()["locked"] in (True, False)
    owner.change_keys(messages.remove_key(driver.key.public))
    message, _ = view.sign(LOG)
    assert fault(ask(car, view.connection, message.SerializeToString())) == "UNKNOWN_KEY_ID"


def test_looking_is_no_entry_and_no_write(car: Bench, owner: Phone, simulated: Any) -> None:
    view = View(owner)
    view.log()
    before = car.log(), car.request("flash_ops")["count"]
    view.status()
    view.keys()
    view.log()
    assert (car.log(), car.request("flash_ops")["count"]) == before
