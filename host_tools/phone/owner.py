# SPDX-License-Identifier: Apache-2.0
"""What an owner asks of a car in messages of our own that change something: how it makes grants, to take some back, and
what time it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from host_tools.faults import Refused
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import outcome
from host_tools.phone.client import Phone
from host_tools.phone.given import Account, GivenFile
from host_tools.phone.refusals import grant_fault, keychain_fault
from host_tools.phone.view import View

_BUSY = ours.GrantFault.Value("GRANT_FAULT_BUSY")


class Owner(View):
    """An owner's key. What it asks for may have been done though no answer came."""

    reads = False

    def about(self) -> ours.Maker:
        """What the car says of this key as a maker of grants. Raises Refused when it is none."""
        said: ours.Maker = self._ask(ours.ToLatchkey(maker=ours.MakerRequest()))
        return said

    def revoke(self, numbers: Iterable[int], below: int = 0, maker: int = 0) -> None:
        """Take these grants back, and all with numbers below that: one's own, or those of the key with that handle."""
        listed = b"".join(number.to_bytes(4, "big") for number in numbers)
        request = ours.ToLatchkey(revoke=ours.Revocation(maker=maker, numbers=listed, below=below))

        def read(plain: bytes) -> Any:
            answer = self.answer_to(request, plain)
            if answer.fault == _BUSY:
                raise outcome.Waiting
            if answer.fault:
                raise Refused(grant_fault(answer.fault))
            return answer

        self.exchange(request, read)

    def tell_time(
        self, seconds: int, anyway: bool = False, on_wait: Callable[[], object] = lambda: None
    ) -> ours.TimeAnswer:
        """Say what time it is; the car's answer is what it goes by. Raises Refused."""
        token = ours.TimeToken(seconds=seconds, anyway=anyway)
        told: ours.TimeAnswer = self.say(ours.ToLatchkey(time=token), on_wait)
        return told

    def say(self, request: ours.ToLatchkey, on_wait: Callable[[], object]) -> Any:
        """What may have to wait for the card: `on_wait` is called once, when the car does. Raises Refused."""
        waited = False

        def read(plain: bytes) -> Any:
            nonlocal waited
            answer = self.answer_to(request, plain)
            if answer.information:
                raise Refused(keychain_fault(answer.information))
            if not answer.waiting:
                return answer
            if not waited:
                waited = True
                on_wait()
            return None

        return self.exchange(request, read)


def learn(phone: Phone, file: GivenFile) -> tuple[Account, dict[int, dict[str, Any]]]:
    """Ask the car what it knows of this owner and his grants, and keep it; and the keys that are there by them, by the
    grants' numbers. Raises Refused, BadGiven."""
    owner = Owner(phone)
    said = owner.about()
    if owner.session is None:
        raise Refused("UNKNOWN_KEY_ID")
    account = file.heard(phone.vin, owner.session.car_public, said)
    if not account.given:
        return account, {}
    enrolled = owner.keys()
    mine = [it for it in enrolled if it.get("limits", {}).get("signer") == phone.key.id]
    entries = {int(it["limits"]["number"]): it for it in mine}
    ids = {number: str(it["key"]) for number, it in entries.items()}
    return file.change(phone.vin, lambda known: (known or account).seen(said, ids)), entries


def revoke_unheard(phone: Phone, file: GivenFile) -> None:
    """Tell the car what was taken back and it does not know yet. Raises Refused, BadGiven."""
    account = file.cars().get(phone.vin)
    if account is None or not account.unheard():
        return
    owner = Owner(phone)
    for numbers, below in account.unheard():
        owner.revoke(numbers, below)
    told = account.unheard()
    file.change(phone.vin, lambda known: (known or account).heard(told))
