# SPDX-License-Identifier: Apache-2.0
"""Pairing: a phone asks to be enrolled, a person taps a card, and the handshake proves that it happened."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Misuse, NoAnswer, Refused
from host_tools.phone import messages, outcome
from host_tools.phone.client import Phone
from host_tools.phone.session import Unverified

FORMS = ("envelope", "present-key")
TAP_WINDOW = 30.0  # seconds the car waits for a card
_POLL = 1.0
_SLACK = 5.0


def pair(
    phone: Phone,
    role: str = "owner",
    label: str = "",
    form: str = "envelope",
    on_wait: Callable[[], object] = lambda: None,
    window: float | None = None,
) -> bool:
    """Enrol this phone's key. `on_wait` is called once, when the car waits for the card.

    Returns False when the car knew the key already. The proof is a handshake with the new key: the answers to the
    request itself come in the clear.
    """
    if form not in FORMS:
        raise Misuse(f"there is no pairing form {form!r}", f"forms are {', '.join(FORMS)}")
    window = TAP_WINDOW if window is None else window
    request = messages.add_key(phone.key.public, role, label)
    phone.forget()
    if _enrolled(phone, phone.timeout):
        return False
    if form == "envelope":
        _ask_in_envelope(phone, request, on_wait, window)
    else:
        _ask_bare(phone, request, on_wait, window)
    phone.handshake()
    return True


def _enrolled(phone: Phone, timeout: float) -> bool:
    """Whether a handshake with this key works."""
    try:
        phone.handshake(timeout)
    except Refused as refused:
        if refused.name == "UNKNOWN_KEY_ID":
            return False
        raise
    return True


def _ask_in_envelope(
    phone: Phone, request: vcsec.UnsignedMessage, on_wait: Callable[[], object], window: float
) -> None:
    """The unsigned request in an envelope: the car says that it waits, and later how it went."""
    uuid, address = os.urandom(16), os.urandom(16)
    phone.connection.send(messages.routable(request, address, uuid).SerializeToString())
    deadline = time.monotonic() + window + _SLACK
    heard = waited = False
    patience = time.monotonic() + phone.timeout
    while time.monotonic() < deadline and (heard or time.monotonic() < patience):
        for reply in phone.replies(uuid, address, min(deadline, time.monotonic() + _POLL)):
            heard = True
            fault = outcome.fault_of(reply)
            if fault:
                raise outcome.refusal(fault)
            try:
                answer = outcome.parse_payload(reply.protobuf_message_as_bytes)
            except Unverified:
                continue
            if outcome.key_change_done(answer):
                return
            if not waited and (outcome.is_waiting(answer) or outcome.asks_to_wait(reply)):
                waited = True
                on_wait()
        if waited and _enrolled(phone, _POLL * 2):
            return
    if not heard:
        raise NoAnswer("no car answered the pairing request in time")
    raise Refused("LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP")


def _ask_bare(phone: Phone, request: vcsec.UnsignedMessage, on_wait: Callable[[], object], window: float) -> None:
    """The present-key form: nobody answers, so the new key tries the handshake until it works."""
    refusals: list[Refused] = []
    previous = phone.on_broadcast

    def listen(message: vcsec.FromVCSECMessage) -> None:
        try:
            outcome.key_change_done(message)
        except Refused as refused:
            refusals.append(refused)
        if previous is not None:
            previous(message)

    phone.on_broadcast = listen
    try:
        phone.connection.send(messages.present_key(request).SerializeToString())
        on_wait()
        deadline = time.monotonic() + window + _SLACK
        while time.monotonic() < deadline:
            if _enrolled(phone, phone.timeout):
                return
            if refusals:
                raise refusals[0]
            time.sleep(_POLL)
    finally:
        phone.on_broadcast = previous
    raise Refused("LOCAL_ENTITY_AUTH_FAILED_TIMED_OUT_WAITING_FOR_TAP")
