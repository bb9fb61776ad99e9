# SPDX-License-Identifier: Apache-2.0
"""The model of a car that takes grants: what the phones of owner and guest are tested against before there is a board.

It shares no code with the phone: the chain of tags is checked here as docs/protocol.md says it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import latchkey_pb2 as ours
from tests.host.car_model import Enrolled, Fault
from tests.host.trusting_car import TrustingCar

_OWNER = 2
_GRANT = 4  # where a key came from
_DENIED = universal.MESSAGEFAULT_ERROR_INSUFFICIENT_PRIVILEGES
_LEAP = 400 * 86400


@dataclass
class Granted:
    """By which grant a key came, and how far it reaches."""

    maker: bytes
    number: int
    limits: list[ours.Limits]
    used: int = 0


@dataclass
class Spent:
    """The numbers of one maker that are used."""

    salt: int
    numbers: set[int] = field(default_factory=set)
    below: int = 1


class GrantingCar(TrustingCar):
    """Roles and dates it does not look at: that is the firmware's, and its tests'."""

    def __init__(self) -> None:
        super().__init__()
        self.makers: dict[bytes, Spent] = {}
        self.granted: dict[bytes, Granted] = {}
        self.time, self.time_known = 1_795_600_000, False
        self.old = False  # a firmware that knows nothing of this
        self.asked: list[Message] = []  # all of our own requests, in order
        self._asked = universal.RoutableMessage()
        self.grant_faults: list[str] = []  # said to the next that are brought, one each

    def handle(self, data: bytes) -> list[bytes]:
        message = universal.RoutableMessage.FromString(data)
        signed = message.HasField("session_info_request") or message.HasField("signature_data")
        if message.to_destination.domain != 76 or signed:
            return super().handle(data)
        if self.drop:
            self.drop -= 1
            return []
        request = ours.ToLatchkey.FromString(message.protobuf_message_as_bytes)
        kind = request.WhichOneof("request")
        if kind not in ("grant", "revoke"):
            return super().handle(data)
        self.requests.append(message)
        self.asked.append(request)
        reply = universal.RoutableMessage(request_uuid=message.uuid)
        reply.to_destination.CopyFrom(message.from_destination)
        reply.from_destination.CopyFrom(message.to_destination)
        if self.old:
            reply.signedMessageStatus.signed_message_fault = universal.MESSAGEFAULT_ERROR_INVALID_COMMAND
        else:
            why = self.grant_faults.pop(0) if self.grant_faults else self._brought(request)
            answer = ours.GrantAnswer(fault=ours.GrantFault.Value(f"GRANT_FAULT_{why}"))
            reply.protobuf_message_as_bytes = ours.FromLatchkey(**{kind: answer}).SerializeToString()
        return [reply.SerializeToString()]

    def _told(self, message: universal.RoutableMessage, plain: bytes) -> bytes:
        request = ours.ToLatchkey.FromString(plain)
        kind = str(request.WhichOneof("request"))
        if kind in ("roster", "install", "remove"):
            return super()._told(message, plain)
        if self.old:
            raise Fault(universal.MESSAGEFAULT_ERROR_INVALID_COMMAND)
        self.asked.append(request)
        self._asked = message
        signer = self.keys[message.signature_data.signer_identity.public_key]
        if kind == "keys":
            own = None if signer.role == _OWNER else signer
            page = ours.KeysPage(keys=[self._entry(it) for it in self.keys.values() if own in (None, it)])
            return _encoded(keys=page)
        if signer.role != _OWNER:
            raise Fault(_DENIED)
        answers: dict[str, Any] = {"maker": self._about, "time": self._timed, "revoke": self._signed_revocation}
        answer = answers[kind](signer, getattr(request, kind))
        return _encoded(**{kind: answer})

    def spent(self, owner: bytes) -> Spent:
        """What this owner's numbers have become. The salt is drawn when it is enrolled."""
        return self.makers.setdefault(owner, Spent(0x01020304 + len(self.makers)))

    def use(self, public: bytes) -> None:
        """A start, as far as the model goes."""
        self.granted[public].used += 1

    def _brought(self, request: ours.ToLatchkey) -> str:
        if request.HasField("grant"):
            return self._present(request.grant)
        revoked = request.revoke
        maker = self._by_handle(revoked.handle)
        if maker is None:
            return "MAKER"
        untagged = ours.Revocation()
        untagged.CopyFrom(revoked)
        untagged.ClearField("tag")
        key = self._subkey(maker, b"latchkey revoke")
        if hmac.digest(key, b"latchkey" + untagged.SerializeToString(), "sha256")[:16] != revoked.tag:
            return "TAG"
        return self._revoke(self._by_handle(revoked.maker) if revoked.maker else maker, revoked)

    def _present(self, grant: ours.Grant) -> str:
        maker = self._by_handle(grant.handle)
        if maker is None:
            return "MAKER"
        links, rest = [], grant.limits
        while rest:
            links.append(rest[1 : 1 + rest[0]])
            rest = rest[1 + rest[0] :]
        tag = self._subkey(maker, b"latchkey grant")
        named = b"latchkey" + grant.handle.to_bytes(4, "big") + grant.number.to_bytes(4, "big")
        for at, link in enumerate(links):
            tag = hmac.digest(tag, (named if at == 0 else b"") + link, hashlib.sha256)[:16]
        if tag != grant.tag:
            return "TAG"
        limits = [ours.Limits.FromString(link) for link in links]
        public = limits[-1].key
        known = self.granted.get(public)
        if public in self.keys:
            return "NONE" if known and (known.maker, known.number) == (maker.public, grant.number) else "KEY"
        spent = self.spent(maker.public)
        if grant.number < spent.below or grant.number in spent.numbers:
            return "SPENT"
        spent.numbers.add(grant.number)
        label = next((it.label.decode() for it in reversed(limits) if it.label), "")
        self.enrol(public, [it.role for it in limits if it.role][-1], label)
        self.granted[public] = Granted(maker.public, grant.number, limits)
        return "NONE"

    def _signed_revocation(self, signer: Enrolled, revoked: ours.Revocation) -> ours.GrantAnswer:
        why = self.grant_faults.pop(0) if self.grant_faults else None
        if why is None:
            why = self._revoke(self._by_handle(revoked.maker) if revoked.maker else signer, revoked)
        return ours.GrantAnswer(fault=ours.GrantFault.Value(f"GRANT_FAULT_{why}"))

    def _revoke(self, maker: Enrolled | None, revoked: ours.Revocation) -> str:
        if maker is None or maker.role != _OWNER:
            return "MAKER"
        spent, raw = self.spent(maker.public), revoked.numbers
        numbers = {int.from_bytes(raw[at : at + 4], "big") for at in range(0, len(raw), 4)}
        spent.numbers |= numbers
        spent.below = max(spent.below, revoked.below)
        for public, granted in list(self.granted.items()):
            if granted.maker == maker.public and (granted.number in numbers or granted.number < spent.below):
                del self.granted[public], self.keys[public]
        return "NONE"

    def _about(self, signer: Enrolled, _: ours.MakerRequest) -> ours.Maker:
        spent = self.spent(signer.public)
        numbers = {number for number in spent.numbers if number >= spent.below}
        bits = sum(1 << number - spent.below for number in numbers)
        return ours.Maker(
            handle=signer.slot + 1,
            salt=spent.salt,
            next=max(numbers, default=spent.below - 1) + 1,
            time=self.time,
            time_known=self.time_known,
            below=spent.below,
            spent=bits.to_bytes((bits.bit_length() + 7) // 8, "little"),
        )

    def _timed(self, signer: Enrolled, token: ours.TimeToken) -> ours.TimeAnswer:
        if token.anyway and token.seconds < self.time - 86400:
            self.pending, self.pending_key = self._back(signer, token), b"time"
            return ours.TimeAnswer(waiting=True)
        far = token.seconds > self.time + _LEAP
        if far and not token.anyway:
            refused = vcsec.WHITELISTOPERATION_INFORMATION_UNDOCUMENTED_ERROR
            return ours.TimeAnswer(time=self.time, known=self.time_known, information=refused)
        if token.seconds > self.time - 86400:
            self.time, self.time_known = max(self.time, token.seconds), True
        return ours.TimeAnswer(time=self.time, known=self.time_known)

    def _back(self, signer: Enrolled, token: ours.TimeToken) -> Callable[[], list[bytes]]:
        asked = self._asked

        def approved() -> list[bytes]:
            self.time, self.time_known, self.domain = token.seconds, True, 76
            plain = _encoded(time=ours.TimeAnswer(time=self.time, known=True))
            tag = asked.signature_data.AES_GCM_Personalized_data.tag
            return [self._sealed(asked, signer, b"\x05" + tag, plain, 2).SerializeToString()]

        return approved

    def _entry(self, key: Enrolled) -> ours.KeyEntry:
        entry = ours.KeyEntry(slot=key.slot, public=key.public, role=key.role, origin="ORIGIN_CARD_TAP", form=6)
        entry.label = key.label.encode()
        granted = self.granted.get(key.public)
        if granted is not None:
            entry.origin = ours.Origin.Value("ORIGIN_GRANT")
            entry.number, entry.used = granted.number, granted.used
            entry.signer = hashlib.sha1(granted.maker).digest()[:4]
            entry.uses = min((it.uses for it in granted.limits if it.uses), default=0)
            entry.not_after = min((it.not_after for it in granted.limits if it.not_after), default=0)
            entry.seconds = entry.powered_left = min((it.seconds for it in granted.limits if it.seconds), default=0)
            for limits in granted.limits:
                entry.commands = limits.commands & (entry.commands or limits.commands) or entry.commands
        return entry

    def _by_handle(self, handle: int) -> Enrolled | None:
        return next((it for it in self.keys.values() if it.slot + 1 == handle and it.role == _OWNER), None)

    def _subkey(self, maker: Enrolled, name: bytes) -> bytes:
        return hmac.digest(maker.shared, name + self.spent(maker.public).salt.to_bytes(4, "big"), "sha256")


def _encoded(**answer: Any) -> bytes:
    encoding: bytes = ours.FromLatchkey(**answer).SerializeToString()
    return encoding
