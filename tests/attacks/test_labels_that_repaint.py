# SPDX-License-Identifier: Apache-2.0
"""A label is chosen by whoever pairs: some made the bench's `keys` never answer, others drew on the owner's terminal.

Now what is not UTF-8, or steers what shows it, is refused at the door, in every operation that has a label.
"""

from __future__ import annotations

import pytest
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.explain import decode
from host_tools.explain.decode import answer_words
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import ADDRESS, UUID, new_phone, nothing_changes, tell

pytestmark = pytest.mark.usefixtures("resting")

REFUSED = "keys not changed: UNDOCUMENTED_ERROR"
LABELS = {
    "no UTF-8": b"\xff\xfe",
    "a slash in two bytes": b"\xc0\xaf",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "half a pair": b"\xed\xa0\x80",
    "half a character": b"Bo \xf0\x9f\x94",
    "an escape sequence": b"\x1b[2J\x1b[1A",
    "its short form": "\x9b2J".encode(),
    "two lines": b"Bo\nslot 0 owner",
    "a carriage return": b"\rAnn",
    "nothing visible": b"\0",
    "a backspace": b"\x08\x08\x08",
    "right to left": "Bo‮gpj".encode(),
    "isolated": "⁦Bo⁩".encode(),
    "a paragraph": "Bo\u2029Ann".encode(),
}


def labelled(operation: vcsec.UnsignedMessage, kind: str, label: bytes) -> bytes:
    """The operation with these bytes as its label: field 1001, which the published descriptors do not have."""
    change = getattr(operation.WhitelistOperation, kind)
    number = vcsec.WhitelistOperation.DESCRIPTOR.fields_by_name[kind].number
    return field(16, field(number, change.SerializeToString() + field(1001, label)))


def field(number: int, raw: bytes) -> bytes:
    """One field of bytes."""
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def varint(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number & 0x7F | 0x80]) + varint(number >> 7)


@pytest.mark.parametrize("name", LABELS)
def test_a_label_that_is_not_text_is_refused_to_who_pairs(car: Bench, owner: Phone, name: str) -> None:
    plain = messages.add_key(keyfile.generate().public, "driver")
    payload = labelled(plain, "addKeyToWhitelistAndAddPermissions", LABELS[name])
    message = messages.routable(None, ADDRESS, UUID)
    message.protobuf_message_as_bytes = payload
    bare = vcsec.ToVCSECMessage()
    bare.signedMessage.protobufMessageAsBytes = payload
    bare.signedMessage.signatureType = vcsec.SIGNATURE_TYPE_PRESENT_KEY
    with nothing_changes(car, owner), car.connect() as connection:
        for form in (message, bare):
            connection.send(form.SerializeToString())
            reply = connection.receive(5)
            assert reply is not None and said(reply) == REFUSED
        assert car.tap()["approved"] is None


def said(data: bytes) -> str:
    return answer_words(decode.decode(data).answer)


@pytest.mark.parametrize("name", LABELS)
def test_and_to_who_signs(car: Bench, owner: Phone, name: str) -> None:
    guest = new_phone(car, "guest", "Bo", by=owner)
    added = keyfile.generate().public
    for operation, kind in (
        (messages.add_key(added, "driver"), "addKeyToWhitelistAndAddPermissions"),
        (messages.add_key(added, "driver", impermanent=True), "addImpermanentKey"),
        (messages.update_key(guest.key.public, "driver"), "updateKeyAndPermissions"),
    ):
        told = tell(car, owner, labelled(operation, kind, LABELS[name]))
        assert isinstance(told, vcsec.FromVCSECMessage) and answer_words(told) == REFUSED
    keys = car.keys()
    assert {key["label"] for key in keys} == {"Ann's phone", "Bo"}


def test_what_people_write_is_kept(car: Bench, owner: Phone) -> None:
    for label in ("José's 🔑", "שלום", "[red]:car:[/x]", "電話"):
        phone = new_phone(car, "guest", label, by=owner)
        keys = car.keys()
        assert label in {key["label"] for key in keys}
        owner.change_keys(messages.remove_key(phone.key.public))


def test_a_label_that_is_too_long_is_cut_between_characters(car: Bench, owner: Phone) -> None:
    kept = "x" + "é" * 11
    payload = labelled(
        messages.add_key(keyfile.generate().public, "guest"), "addKeyToWhitelistAndAddPermissions", f"{kept}éé".encode()
    )
    owner.change_keys(vcsec.UnsignedMessage.FromString(payload))
    keys = car.keys()
    assert {key["label"] for key in keys} == {"Ann's phone", kept}
