# SPDX-License-Identifier: Apache-2.0
"""Grants for a test's car: made by its owner's phone from what the car told it, brought over the bench's line."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import Refused
from host_tools.phone import grants, keyfile, messages
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.client import Phone
from host_tools.phone.view import View
from host_tools.serial.bench import Bench
from tests.bench.support import VIN, stranger

DOMAIN = ours.Domain.Value("DOMAIN_LATCHKEY")
GUEST, DRIVER = messages.ROLES["guest"], messages.ROLES["driver"]
_PATIENCE = 20.0


class Maker:
    """An owner's phone that makes grants alone: of the car it needs nothing any more."""

    def __init__(self, owner: Phone) -> None:
        self.told = told(owner)
        self.shared = (owner.session or owner.handshake()).key
        self.public = owner.key.public
        self.number = self.told.next - 1

    @property
    def enrolment(self) -> bytes:
        return grants.enrolment(self.public, self.told.salt)

    def grant(self, number: int = 0, **limits: Any) -> ours.Grant:
        """The next one, without a key: a link."""
        if not number:
            self.number += 1
        key = grants.grant_key(self.shared, self.told.salt)
        return grants.make(key, self.told.handle, number or self.number, ours.Limits(**{"role": GUEST, **limits}))

    def revocation(self, *numbers: int, below: int = 0, of: Maker | None = None) -> ours.Revocation:
        key = grants.revoke_key(self.shared, self.told.salt)
        whose = (of.told.handle, of.enrolment) if of else (0, b"")
        return grants.revocation(key, self.told.handle, numbers, below, *whose)


def told(owner: Phone, handle: int = 0) -> ours.Maker:
    """What the car tells an owner who is to make grants."""
    request = ours.ToLatchkey(maker=ours.MakerRequest(handle=handle))
    return View(owner).exchange(request, lambda plain: ours.FromLatchkey.FromString(plain).maker)


def present(phone: Phone, grant: ours.Grant) -> str:
    """Bind it to this phone's key and present it."""
    return bring(phone, ours.ToLatchkey(grant=grants.bind(grant, phone.key.public)))


def accepted(car: Bench, grant: ours.Grant, key: keyfile.Key | None = None) -> Phone:
    """A phone that has presented it."""
    phone = stranger(car, key)
    assert present(phone, grant) == "NONE"
    return phone


def revoke(phone: Phone, revocation: ours.Revocation) -> str:
    """Bring it, as any phone may."""
    return bring(phone, ours.ToLatchkey(revoke=revocation))


def sign_revocation(owner: Phone, numbers: Iterable[int] = (), below: int = 0, maker: int = 0) -> str:
    """Have the owner say so at the car."""
    listed = b"".join(number.to_bytes(4, "big") for number in numbers)
    request = ours.ToLatchkey(revoke=ours.Revocation(maker=maker, numbers=listed, below=below))
    answer = View(owner).exchange(request, lambda plain: ours.FromLatchkey.FromString(plain).revoke)
    return ours.GrantFault.Name(answer.fault).removeprefix("GRANT_FAULT_")


@contextlib.contextmanager
def visitor(car: Bench, key: keyfile.Key | None = None) -> Iterator[Phone]:
    """A phone that stays no longer than that: a car has so many connections."""
    with contextlib.closing(car.connect()) as connection:
        yield Phone(connection, VIN, key or keyfile.generate())


def takes(car: Bench, grant: ours.Grant, key: keyfile.Key | None = None) -> str:
    """The GrantFault that a phone hears which presents it."""
    with visitor(car, key) as phone:
        return present(phone, grant)


def carried(car: Bench, revocation: ours.Revocation) -> str:
    """The GrantFault that a phone hears which brings it."""
    with visitor(car) as phone:
        return revoke(phone, revocation)


def drives(car: Bench, key: keyfile.Key) -> bool:
    """Whether the phone with that key, which comes anew, can unlock."""
    with visitor(car, key) as phone:
        return obeyed(phone)


def obeyed(phone: Phone) -> bool:
    """Whether its unlock is done."""
    try:
        phone.unlock()
    except Refused:
        return False
    return True


def bring(phone: Phone, request: Any) -> str:
    """The name of the GrantFault that the car answers with. A car that is busy is asked again. Raises Refused for
    another fault."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        answer = brought(phone, request)
        if isinstance(answer, int):
            if answer != universal.MESSAGEFAULT_ERROR_BUSY or time.monotonic() > deadline:
                raise Refused(universal.MessageFault_E.Name(answer), "", "")
            time.sleep(0.1)
            continue
        fault = getattr(answer, request.WhichOneof("request")).fault
        return ours.GrantFault.Name(fault).removeprefix("GRANT_FAULT_")


def brought(phone: Phone, request: Any) -> Any:
    """What the car answers to it, once: a FromLatchkey, or the number of a fault."""
    uuid, address = os.urandom(16), os.urandom(16)
    message = messages.routable(request, address, uuid, DOMAIN)
    phone.connection.send(message.SerializeToString())
    reply = next(View(phone).replies(uuid, address, time.monotonic() + _PATIENCE))
    fault = reply.signedMessageStatus.signed_message_fault
    return int(fault) or ours.FromLatchkey.FromString(reply.protobuf_message_as_bytes)
