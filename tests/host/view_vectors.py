# SPDX-License-Identifier: Apache-2.0
"""Test vectors of the owner's view (docs/protocol.md), made by the phone's side and written where the car's tests are.

`python -m tests.host.view_vectors` writes them anew. The keys, the VIN and K are those of the protocol's own examples.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import messages, session

FILE = Path(__file__).parents[1] / "unit" / "view_vectors.py"
VIN = "5YJ30123456789ABC"
K = bytes.fromhex("1b2fce19967b79db696f909cff89ea9a")
PHONE = bytes.fromhex(
    "04b2b6bc68c2da0665ce656815594996c62394edd8bea905fe781a754fe6a845a7"
    "14330902f225e9269d466e05b349981fda9d85cc23c6fb444aa73b629105dc6e"
)
EPOCH, REQUEST_NONCE, ANSWER_NONCE = bytes(range(16)), bytes(range(32, 44)), bytes(range(64, 76))
ADDRESS, UUID = b"a" * 16, b"u" * 16
EXPIRES_AT, COUNTER = 120, 7


def a_session() -> session.Session:
    """The phone's side of the session."""
    return session.Session(VIN, b"", K, EPOCH, COUNTER, 0.0)


def request() -> tuple[universal.RoutableMessage, bytes, bytes]:
    """A signed request for the log since entry 2, its plaintext, and its hash."""
    message = messages.routable(ours.ToLatchkey(log=ours.LogRequest(since=2)), ADDRESS, UUID, 76)
    plain = message.protobuf_message_as_bytes
    message.flags = messages.FLAG_ENCRYPT_RESPONSE
    with mock.patch("os.urandom", lambda size: REQUEST_NONCE[:size]):
        request_hash = session.sign_gcm(a_session(), PHONE, message, EXPIRES_AT)
    return message, plain, request_hash


def answer(request_hash: bytes) -> tuple[universal.RoutableMessage, bytes, bytes]:
    """The car's answer to it, its plaintext, and the metadata that it is bound to."""
    entry = ours.LogEntry(
        number=3, boot=1, at=0, kind=2, link=2, key=hashlib.sha1(PHONE).digest()[:4], command=2, outcome=0, detail=0,
        count=1,
    )  # fmt: skip
    plain: bytes = ours.FromLatchkey(log=ours.LogPage(entries=[entry])).SerializeToString()
    meta = session.tlv(
        (sig.TAG_SIGNATURE_TYPE, bytes([sig.SIGNATURE_TYPE_AES_GCM_RESPONSE])),
        (sig.TAG_DOMAIN, bytes([76])),
        (sig.TAG_PERSONALIZATION, VIN.encode()),
        (sig.TAG_COUNTER, 1),
        (sig.TAG_FLAGS, 0),
        (sig.TAG_REQUEST_HASH, request_hash),
        (sig.TAG_FAULT, 0),
    )
    sealed = AESGCM(K).encrypt(ANSWER_NONCE, plain, hashlib.sha256(meta).digest())
    message = universal.RoutableMessage(request_uuid=UUID, protobuf_message_as_bytes=sealed[:-16])
    message.to_destination.routing_address = ADDRESS
    message.from_destination.domain = 76  # type: ignore[assignment]
    proof = message.signature_data.AES_GCM_Response_data
    proof.nonce, proof.counter, proof.tag = ANSWER_NONCE, 1, sealed[-16:]
    return message, plain, meta


def vectors() -> dict[str, str]:
    """All in hex, by name."""
    asked, asked_plain, request_hash = request()
    told, told_plain, meta = answer(request_hash)
    return {
        "EPOCH": EPOCH.hex(),
        "REQUEST_PLAINTEXT": asked_plain.hex(),
        "REQUEST_NONCE": REQUEST_NONCE.hex(),
        "REQUEST_CIPHERTEXT": asked.protobuf_message_as_bytes.hex(),
        "REQUEST_TAG": asked.signature_data.AES_GCM_Personalized_data.tag.hex(),
        "REQUEST": asked.SerializeToString(deterministic=True).hex(),
        "ANSWER_PLAINTEXT": told_plain.hex(),
        "ANSWER_METADATA": meta.hex(),
        "ANSWER_NONCE": ANSWER_NONCE.hex(),
        "ANSWER_CIPHERTEXT": told.protobuf_message_as_bytes.hex(),
        "ANSWER_TAG": told.signature_data.AES_GCM_Response_data.tag.hex(),
        "ANSWER": told.SerializeToString(deterministic=True).hex(),
    }


def text() -> str:
    """The module with them for the tests that run under MicroPython."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        '"""Vectors of the owner\'s view (docs/protocol.md): `python -m tests.host.view_vectors` writes them."""',
        "",
    ]
    for name, value in vectors().items():
        if len(value) <= 96:
            lines.append(f'{name} = "{value}"')
        else:
            parts = [f'    "{value[at : at + 96]}"' for at in range(0, len(value), 96)]
            lines += [f"{name} = (", *parts, ")"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
