# SPDX-License-Identifier: Apache-2.0
"""What became of a command whose answer was lost: the car is asked, so that nobody has to guess and nothing is done
twice."""

from __future__ import annotations

from dataclasses import dataclass

from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import messages, outcome
from host_tools.phone.aside import Aside
from host_tools.phone.exchange import Exchange

DONE, REFUSED, NOT_DONE, UNKNOWN = "done", "refused", "not done", "unknown"
_HASH = 8  # bytes of a request's tag by which the car knows it
_OUTCOMES = {ours.Outcome.Value("OUTCOME_DONE"): DONE, ours.Outcome.Value("OUTCOME_REFUSED"): REFUSED}


@dataclass(frozen=True)
class Receipt:
    """`number` is that of the entry in the car's log, 0: there is none."""

    outcome: str
    number: int


class Receipts(Aside):
    """A key's questions about what it sent."""

    def about(self, tag: bytes) -> Receipt:
        """What the car's log says of the request with that tag."""
        told = self._ask(ours.ToLatchkey(receipt=ours.ReceiptRequest(hash=tag[:_HASH])))
        nothing = NOT_DONE if told.oldest else UNKNOWN  # what was looked at is all that was done lately, or it is not
        return Receipt(_OUTCOMES.get(told.outcome, nothing), told.number)


def ask(phone: Exchange, sent: bytes) -> Receipt:
    """What became of the command that left as these bytes. Whatever it says is final: a command with a higher counter
    comes first, and from then on the car takes none with that one's.

    Raises NoAnswer, Refused.
    """
    phone.exchange(messages.information(vcsec.INFORMATION_REQUEST_TYPE_GET_STATUS), outcome.read_command)
    return Receipts(phone).about(tag_of(sent))


def tag_of(sent: bytes) -> bytes:
    """What the car knows a request by."""
    signature = universal.RoutableMessage.FromString(sent).signature_data
    tag: bytes = signature.AES_GCM_Personalized_data.tag or signature.HMAC_Personalized_data.tag
    return tag
