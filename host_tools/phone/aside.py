# SPDX-License-Identifier: Apache-2.0
"""What a key asks of its car in messages of our own."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone.cache import SessionCache
from host_tools.phone.contact import Contact
from host_tools.phone.exchange import Exchange
from host_tools.phone.session import Unverified


class Aside(Exchange):
    """It is asked beside the phone whose connection it shares. Its session is remembered no longer than itself."""

    domain = ours.Domain.Value("DOMAIN_LATCHKEY")
    reads = True

    def __init__(self, phone: Contact) -> None:
        super().__init__(
            phone.connection,
            phone.vin,
            phone.key,
            SessionCache(),
            timeout=phone.timeout,
            lifetime=phone.lifetime,
            pause=phone.pause,
        )
        self.known = phone.known

    def _ask(self, request: Any) -> Any:
        """The answer to that request."""
        return self.exchange(request, lambda plain: self.answer_to(request, plain))

    @staticmethod
    def answer_to(request: Any, plain: bytes) -> Any:
        """What a proven answer's plaintext says to that request. Raises Unverified."""
        kind = request.WhichOneof("request")
        try:
            answer = ours.FromLatchkey.FromString(plain)
        except DecodeError:
            raise Unverified("the answer cannot be read") from None
        if not answer.HasField(kind):
            raise Unverified("the answer is to another request")
        return getattr(answer, kind)
