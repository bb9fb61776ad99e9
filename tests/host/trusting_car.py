# SPDX-License-Identifier: Apache-2.0
"""The model of a car with an authority: what phones and couriers are tested against before there is a board."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.authority.parcels import Seal
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import parcelfile
from tests.host.car_model import CarModel
from tests.host.parcel_reader import Declined, read

_DOMAIN = 76
_VCSEC = 2
_ABSENT = vcsec.WHITELISTOPERATION_INFORMATION_PUBLIC_KEY_NOT_ON_WHITELIST


class TrustingCar(CarModel):
    """It opens seals and counts parts; whether a whole roster is sound `parcel_reader` says at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.authority: ours.Authority | None = None
        self.generation = self.version = 0
        self.listed: list[bytes] = []
        self.brought: list[ours.Parcel] = []  # all that came, in order
        self.refuse: list[str] = []  # said to the next parcels, one each, without looking at them
        self.deaf_after: int | None = None  # so many parcels
        self._coming: dict[int, ours.Parcel] = {}
        self._delegations: dict[int, ours.Parcel] = {}
        self._wanted = 0

    @property
    def seal(self) -> Seal:
        """What it shares with its authority."""
        return Seal(self.authority.seal if self.authority else b"")

    def handle(self, data: bytes) -> list[bytes]:
        message = universal.RoutableMessage.FromString(data)
        mine = message.to_destination.domain == _DOMAIN
        self.domain, self.tell = (_DOMAIN, lambda plain: self._told(message, plain)) if mine else (_VCSEC, None)
        if not mine or message.HasField("session_info_request") or message.HasField("signature_data"):
            return super().handle(data)
        if self.deaf_after is not None and len(self.brought) >= self.deaf_after:
            return []
        told = self._parcel(ours.ToLatchkey.FromString(message.protobuf_message_as_bytes).parcel)
        reply = universal.RoutableMessage(request_uuid=message.uuid)
        reply.to_destination.CopyFrom(message.from_destination)
        reply.from_destination.CopyFrom(message.to_destination)
        reply.protobuf_message_as_bytes = ours.FromLatchkey(parcel=told).SerializeToString()
        return [reply.SerializeToString()]

    def _told(self, message: universal.RoutableMessage, plain: bytes) -> bytes:
        request = ours.ToLatchkey.FromString(plain)
        kind = request.WhichOneof("request")
        answer: Any = {"roster": self._roster, "install": lambda: self._install(message, request.install),
                       "remove": self._remove}[kind]()  # fmt: skip
        plain_answer: bytes = ours.FromLatchkey(**{kind: answer}).SerializeToString()
        return plain_answer

    def _roster(self) -> ours.RosterStatus:
        if self.authority is None:
            return ours.RosterStatus()
        return ours.RosterStatus(
            address=self.seal.address, url=self.authority.url, role=self.authority.role, generation=self.generation,
            version=self.version, keys=len(self.listed), expires=1_802_592_000, wishes=1, sync=b"couriers only",
            declined=ours.Decline.Value("DECLINE_VIN"),
        )  # fmt: skip

    def _install(self, message: universal.RoutableMessage, authority: ours.Authority) -> ours.AuthorityAnswer:
        def approved() -> list[bytes]:
            self.authority = authority
            self.domain = _DOMAIN
            tag = message.signature_data.AES_GCM_Personalized_data.tag
            key = self.keys[message.signature_data.signer_identity.public_key]
            plain = ours.FromLatchkey(install=ours.AuthorityAnswer()).SerializeToString()
            return [self._sealed(message, key, b"\x05" + tag, plain, 2).SerializeToString()]

        self.pending, self.pending_key = approved, authority.root
        return ours.AuthorityAnswer(waiting=True)

    def _remove(self) -> ours.AuthorityAnswer:
        if self.authority is None:
            return ours.AuthorityAnswer(information=_ABSENT)
        self.authority, self.listed, self.version = None, [], 0
        return ours.AuthorityAnswer()

    def _parcel(self, parcel: ours.Parcel) -> ours.Delivered:
        self.brought.append(parcel)
        why = self.refuse.pop(0) if self.refuse else self._take(parcel)
        return ours.Delivered(
            declined=ours.Decline.Value(f"DECLINE_{why}"),
            generation=self.generation,
            version=self.version,
            wanted=self._wanted,
        )

    def _take(self, parcel: ours.Parcel) -> str:
        if self.authority is None:
            return "NO_AUTHORITY"
        if parcel.address != self.seal.address:
            return "ADDRESS"
        order = (parcel.generation, parcel.version)
        if parcel.version and order < (self.generation, self.version):
            return "OLD"
        try:
            inside = self.seal.open(parcel)
        except InvalidTag:
            return "SEAL"
        if not parcel.version:
            self._delegations[parcel.generation] = parcel
            return "NONE"
        if parcel.part == 0:
            if order == (self.generation, self.version) or parcel == self._coming.get(0):
                return "NONE"
            body = ours.Head.FromString(ours.Signed.FromString(inside).body)
            self._coming, self._wanted = {0: parcel}, 1 if body.keys else 0
        elif parcel.part != self._wanted:
            return "PART"
        else:
            self._coming[parcel.part] = parcel
            self._wanted = parcel.part + 1 if ours.Part.FromString(inside).next else 0
        return "NONE" if self._wanted else self._whole(parcel)

    def _whole(self, last: ours.Parcel) -> str:
        file = parcelfile.join(it.SerializeToString() for it in [*self._delegations.values(), *self._coming.values()])
        assert self.authority is not None
        try:
            roster = read(file, self.seal, self.authority.root, self.vin)
        except Declined as declined:
            return str(declined)
        self.generation, self.version = last.generation, last.version
        self.listed = [entry.public for entry in roster.entries]
        return "NONE"
