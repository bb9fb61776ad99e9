# SPDX-License-Identifier: Apache-2.0
"""What an answer from vehicle security means: done, not yet, or refused by name."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Refused
from host_tools.phone.refusals import keychain_fault, message_fault, nominal_error
from host_tools.phone.session import Unverified

# Faults that come from a session out of step: the car sends what is needed to get into step again.
RESYNC = frozenset({
    universal.MESSAGEFAULT_ERROR_INCORRECT_EPOCH,
    universal.MESSAGEFAULT_ERROR_INVALID_TOKEN_OR_COUNTER,
    universal.MESSAGEFAULT_ERROR_INVALID_SIGNATURE,
    universal.MESSAGEFAULT_ERROR_TIME_EXPIRED,
    universal.MESSAGEFAULT_ERROR_TIME_TO_LIVE_TOO_LONG,
})
# Faults that pass by themselves.
PASSING = frozenset({
    universal.MESSAGEFAULT_ERROR_BUSY,
    universal.MESSAGEFAULT_ERROR_TIMEOUT,
    universal.MESSAGEFAULT_ERROR_INTERNAL,
})


class Waiting(Exception):
    """The car is busy with something else: the command has to come again."""


def parse_reply(data: bytes) -> universal.RoutableMessage | None:
    """An envelope, or None for anything else that a car may send (a bare message, say)."""
    try:
        message = universal.RoutableMessage.FromString(data)
    except DecodeError:
        return None
    return message if message.HasField("from_destination") else None


def is_broadcast(message: universal.RoutableMessage) -> bool:
    """Whether an envelope goes to whoever listens."""
    to = message.to_destination
    return bool(to.WhichOneof("sub_destination") == "domain" and to.domain == universal.DOMAIN_BROADCAST)


def parse_broadcast(data: bytes) -> vcsec.FromVCSECMessage | None:
    """What vehicle security tells whoever listens, in an envelope or bare; None for anything else."""
    envelope = parse_reply(data)
    if envelope is not None and not is_broadcast(envelope):
        return None
    try:
        message = vcsec.FromVCSECMessage.FromString(envelope.protobuf_message_as_bytes if envelope else data)
    except DecodeError:
        return None
    return message if message.WhichOneof("sub_message") else None


def parse_payload(payload: bytes) -> vcsec.FromVCSECMessage:
    """The payload of an answer."""
    try:
        return vcsec.FromVCSECMessage.FromString(payload)
    except DecodeError:
        raise Unverified("the answer's payload cannot be read") from None


def fault_of(message: universal.RoutableMessage) -> int:
    """The answer's fault, 0 for none."""
    return int(message.signedMessageStatus.signed_message_fault)


def refusal(fault: int) -> Refused:
    """The exception for a fault."""
    return Refused(message_fault(fault))


def command_done(answer: vcsec.FromVCSECMessage) -> bool:
    """Whether this answer to a command is final. Raises Refused when it is an error."""
    _check(answer)
    return not answer.HasField("commandStatus")


def key_change_done(answer: vcsec.FromVCSECMessage) -> bool:
    """Whether this answer to a key operation is final. Raises Refused when it is an error."""
    _check(answer)
    return answer.commandStatus.HasField("whitelistOperationStatus")


def read_command(plain: bytes) -> vcsec.FromVCSECMessage | None:
    """The final answer to a command, None for another. Raises Refused when it is an error, Waiting, Unverified."""
    answer = parse_payload(plain)
    if command_done(answer):
        return answer
    if is_waiting(answer):
        raise Waiting
    return None


def read_key_change(plain: bytes) -> vcsec.FromVCSECMessage | None:
    """The same for a key operation, whose answer may come after the car has said that it waits."""
    answer = parse_payload(plain)
    return answer if key_change_done(answer) else None


def asks_to_wait(reply: universal.RoutableMessage) -> bool:
    """Whether an envelope says by itself that the answer comes later."""
    return bool(reply.signedMessageStatus.operation_status == universal.OPERATIONSTATUS_WAIT)


def is_waiting(answer: vcsec.FromVCSECMessage) -> bool:
    """Whether the car says that it waits: for a card, or for itself."""
    return bool(answer.commandStatus.operationStatus == vcsec.OPERATIONSTATUS_WAIT)


def _check(answer: vcsec.FromVCSECMessage) -> None:
    if answer.HasField("nominalError"):
        raise Refused(nominal_error(answer.nominalError.genericError))
    status = answer.commandStatus.whitelistOperationStatus
    if status.whitelistOperationInformation:
        raise Refused(keychain_fault(status.whitelistOperationInformation))
    if status.operationStatus == vcsec.OPERATIONSTATUS_ERROR:
        raise Refused("UNDOCUMENTED_ERROR")
