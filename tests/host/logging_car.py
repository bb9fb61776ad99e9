# SPDX-License-Identifier: Apache-2.0
"""The model of a car that keeps a log which proves itself. It shares no code with the phone: entries and their chain
are made here as docs/protocol.md says it."""

from __future__ import annotations

import contextlib
import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import latchkey_pb2 as ours
from tests.host.car_model import CarModel, Enrolled, Fault

COMMAND, REFUSED, PREVENTED, GAP = 2, 3, 11, 16
_UNKNOWN = universal.MESSAGEFAULT_ERROR_INVALID_COMMAND
_PAGE = 8


def key_id(public: bytes) -> bytes:
    return hashlib.sha1(public).digest()[:4]


def an_entry(
    number: int, before: bytes, kind: int = COMMAND, key: bytes = b"", tag: bytes = b"", version: int = 3, **more: int
) -> bytes:
    """An entry as a car writes it behind one with that link."""
    raw = struct.pack("<IIIH", number, more.get("boot", 1), more.get("at", 7), more.get("count", 1))
    numbers = more.get("command", 2), more.get("outcome", 0), more.get("detail", 0)
    raw += struct.pack("<BBHHH4sB", kind, 2 if key else 0, *numbers, key, bool(key))
    raw += bytes([version])
    raw += tag[:8].ljust(8, b"\0")
    link = hashlib.sha256(before + raw).digest()[:16] if version == 3 else bytes(16)
    raw += link + bytes(8)
    return raw + struct.pack("<I", zlib.crc32(raw))


def link_of(raw: bytes) -> bytes:
    return raw[36:52]


class LoggingCar(CarModel):
    """All that it is told lands in its log at once."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[bytes] = []
        self.lose = 0  # so many answers to what it is told in signed messages
        self.certain = True  # that nothing of what it did is missing in its log
        self.old = False  # a firmware that knows nothing of this
        self._asides: dict[bytes, tuple[bytes, int]] = {}
        self.before_answer: list[Any] = []  # called, one each, when it has been told something and not answered yet

    def write(self, kind: int = COMMAND, **more: Any) -> bytes:
        """One more entry."""
        before = link_of(self.log[-1]) if self.log and kind != GAP else bytes(16)
        self.log.append(an_entry(len(self.log) + 1, before, kind, **more))
        return self.log[-1]

    def handle(self, data: bytes) -> list[bytes]:
        message = universal.RoutableMessage.FromString(data)
        mine = message.to_destination.domain == 76
        self.domain = 76 if mine else int(universal.DOMAIN_VEHICLE_SECURITY)
        self.tell = None
        signer = message.signature_data.signer_identity.public_key or message.session_info_request.public_key
        key = self.keys.get(signer)
        if mine and key:
            self.tell = lambda plain: self._told(key, plain)
            with self._of_its_own(key):
                answers = super().handle(data)
        else:
            answers = super().handle(data)
        if message.HasField("signature_data") and self.lose:
            self.lose -= 1
            return []
        if message.HasField("signature_data") and self.before_answer:
            return list(self.before_answer.pop(0)(message, answers))
        return answers

    @contextlib.contextmanager
    def _of_its_own(self, key: Enrolled) -> Iterator[None]:
        """Each domain has an epoch and a counter."""
        others = key.epoch, key.counter
        key.epoch, key.counter = self._asides.get(key.public, (bytes(16), 0))
        yield
        self._asides[key.public] = key.epoch, key.counter
        key.epoch, key.counter = others

    def _signed(self, message: universal.RoutableMessage) -> universal.RoutableMessage:
        data = message.signature_data
        tag = data.AES_GCM_Personalized_data.tag or data.HMAC_Personalized_data.tag
        key, before = key_id(data.signer_identity.public_key), len(self.done)
        try:
            reply = super()._signed(message)
        except Fault as fault:
            if not fault.resync and self.domain != 76:
                self.write(REFUSED, key=key, tag=tag, outcome=fault.code)
            raise
        if len(self.done) > before:
            self.write(COMMAND, key=key, tag=tag)
        return reply

    def _obey(self, key: Enrolled, request: vcsec.UnsignedMessage) -> vcsec.FromVCSECMessage:
        nominal = self.nominal
        if request.HasField("InformationRequest"):
            self.nominal = 0
        answer = super()._obey(key, request)
        self.nominal = nominal
        return answer

    def _told(self, key: Enrolled, plain: bytes) -> bytes:
        request = ours.ToLatchkey.FromString(plain)
        kind = request.WhichOneof("request")
        if self.old or kind not in ("log", "receipt", "head"):
            raise Fault(_UNKNOWN)
        if kind == "head":
            told = self.head(True)
        elif kind == "receipt":
            told = self._receipt(request.receipt.hash, key)
        else:
            told = self._page(request.log, key)
        answer: bytes = ours.FromLatchkey(**{kind: told}).SerializeToString()
        return answer

    def head(self, signed: bool = False) -> ours.LogHead:
        """Where its log ends."""
        number, chain = len(self.log), link_of(self.log[-1]) if self.log else bytes(16)
        said = b"latchkey log\0" + self.vin.encode() + number.to_bytes(4, "big") + chain
        r, s = utils.decode_dss_signature(self._private.sign(said, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") if signed else b""
        return ours.LogHead(number=number, chain=chain, signature=signature)

    def _page(self, asked: ours.LogRequest, key: Enrolled) -> ours.LogPage:
        assert asked.raw
        newest = len(self.log)
        oldest = max(0, (newest - 1) // 64 * 64 - 448)
        since = max(asked.since, oldest)
        own = [raw for raw in self.log[since : since + _PAGE] if raw and (key.role == 2 or key_id(key.public) in raw)]
        page = ours.LogPage(entries=[ours.LogEntry(raw=raw) for raw in own])
        page.next = since + _PAGE if since + _PAGE < newest else 0
        if key.role == 2:
            page.head.CopyFrom(self.head())
        return page

    def _receipt(self, tag: bytes, key: Enrolled) -> ours.Receipt:
        assert len(tag) == 8
        told = ours.Receipt(oldest=1 if self.certain else 0)
        for raw in self.log:
            if raw[28:36] == tag and raw[22:26] == key_id(key.public):
                told.number = int.from_bytes(raw[:4], "little")
                told.outcome = 1 if raw[14] == COMMAND else 2
        return told
