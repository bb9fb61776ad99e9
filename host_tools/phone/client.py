# SPDX-License-Identifier: Apache-2.0
"""The phone: gives commands and asks questions."""

from __future__ import annotations

import os
import time

from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.phone import messages, outcome, receipt
from host_tools.phone.contact import ASK_AGAIN
from host_tools.phone.exchange import Exchange
from host_tools.phone.session import Unverified


class Phone(Exchange):
    """What a person does with a key."""

    def unlock(self) -> None:
        """Unlock the car."""
        self.command(messages.action("unlock"))

    def lock(self) -> None:
        """Lock the car."""
        self.command(messages.action("lock"))

    def start(self) -> None:
        """Let the car be driven. One that may have come through is not sent again: the car is asked whether it did."""
        self.exchange(messages.action("start"), outcome.read_command, again=self._started)

    def wake(self) -> None:
        """Wake the car."""
        self.command(messages.action("wake"))

    def secure(self) -> None:
        """Close what can be closed, and lock."""
        self.command(messages.action("secure"))

    def move(self, closure: str, movement: str) -> None:
        """Open or close one closure."""
        self.command(messages.move({closure: movement}))

    def change_keys(self, operation: vcsec.UnsignedMessage, method: str = "gcm") -> None:
        """Add, update or remove keys, as a key that may."""
        self.command(operation, method, key_change=True)

    def status(self) -> vcsec.VehicleStatus:
        """The car's state, as it tells anybody."""
        return self.ask(messages.information(vcsec.INFORMATION_REQUEST_TYPE_GET_STATUS)).vehicleStatus

    def keychain(self) -> vcsec.WhitelistInfo:
        """How many keys there are, and which slots are in use: as anybody is told it, and anybody can tell it."""
        return self.ask(messages.information(vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_INFO)).whitelistInfo

    def entry(self, slot: int | None = None, key_id: bytes | None = None) -> vcsec.WhitelistEntryInfo:
        """One key of the keychain, as anybody can tell it: sign nothing that was found here (see `lookup`)."""
        kind = vcsec.INFORMATION_REQUEST_TYPE_GET_WHITELIST_ENTRY_INFO
        return self.ask(messages.information(kind, slot, key_id)).whitelistEntryInfo

    def ask(self, request: vcsec.UnsignedMessage) -> vcsec.FromVCSECMessage:
        """Put a question that needs no key. The answer proves nothing about who gave it."""
        deadline = time.monotonic() + self.timeout
        while time.monotonic() < deadline:
            uuid, address = os.urandom(16), os.urandom(16)
            self.connection.send(messages.routable(request, address, uuid).SerializeToString())
            for reply in self.replies(uuid, address, min(deadline, time.monotonic() + ASK_AGAIN)):
                fault = outcome.fault_of(reply)
                if fault in outcome.PASSING:
                    time.sleep(self.pause)
                    break
                if fault:
                    raise outcome.refusal(fault)
                try:
                    answer = outcome.parse_payload(reply.protobuf_message_as_bytes)
                except Unverified:
                    self.ignored += 1
                    continue
                if outcome.command_done(answer):
                    return answer
        raise self.silence("the question")

    def command(
        self, payload: vcsec.UnsignedMessage, method: str = "gcm", *, key_change: bool = False
    ) -> vcsec.FromVCSECMessage:
        """Give a signed command, and return its proven answer."""
        return self.exchange(payload, outcome.read_key_change if key_change else outcome.read_command, method)

    def _started(self, sent: bytes) -> vcsec.FromVCSECMessage | None:
        """An answer, if that start has run; None: it has not, and never will. Raises NoAnswer where nobody knows."""
        told = receipt.ask(self, sent).outcome
        if told == receipt.UNKNOWN:
            raise self.silence("the command", may_have_run=True)
        return vcsec.FromVCSECMessage() if told == receipt.DONE else None

    def read_answer(
        self, reply: universal.RoutableMessage, request_hash: bytes, counters: set[int]
    ) -> vcsec.FromVCSECMessage | None:
        """What a proven answer says; None for a bare fault. Raises Unverified."""
        plain = self.open_answer(reply, request_hash, counters)
        return None if plain is None else outcome.parse_payload(plain)
