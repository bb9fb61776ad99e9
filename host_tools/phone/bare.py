# SPDX-License-Identifier: Apache-2.0
"""Questions of our own that anybody may put to a car, without a key. Nothing in their answers is proven."""

from __future__ import annotations

import os
import time

from google.protobuf.message import DecodeError

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import messages, outcome
from host_tools.phone.contact import ASK_AGAIN, Connection

_DOMAIN = ours.Domain.Value("DOMAIN_LATCHKEY")


class Passing(Exception):
    """The car has no time for it just now."""


def ask(connection: Connection, request: ours.ToLatchkey, deadline: float) -> ours.FromLatchkey | None:
    """Put it once. The answer to this very request, or None when there was none in a while or at the deadline.

    Raises Refused, Passing.
    """
    uuid, address = os.urandom(16), os.urandom(16)
    connection.send(messages.routable(request, address, uuid, _DOMAIN).SerializeToString())
    until = min(deadline, time.monotonic() + ASK_AGAIN)
    while (left := until - time.monotonic()) > 0:
        data = connection.receive(left)
        reply = None if data is None else outcome.parse_reply(data)
        if (
            reply is None
            or reply.to_destination.routing_address != address
            or reply.request_uuid not in (b"", uuid)
        ):  # fmt: skip
            continue
        fault = outcome.fault_of(reply)
        if fault in outcome.PASSING:
            raise Passing
        if fault:
            raise outcome.refusal(fault)
        try:
            answer = ours.FromLatchkey.FromString(reply.protobuf_message_as_bytes)
        except DecodeError:
            continue
        if answer.WhichOneof("answer") == request.WhichOneof("request"):
            return answer
    return None
