# SPDX-License-Identifier: Apache-2.0
"""The phone: gives commands, asks questions, and puts a command again when the car says why it may now work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import Refused
from host_tools.phone import messages, outcome
from host_tools.phone.contact import ASK_AGAIN, Contact
from host_tools.phone.session import Unverified

Answer = TypeVar("Answer")

_RESYNCS = 3  # a car that is still out of step after as many corrections will not get into step


class Exchange(Contact):
    """Signed requests to one part of a car, and their proven answers."""

    reads = False  # whether all that is asked of it changes nothing
    last_sent = b""  # the newest request, exactly as it left

    def exchange(self, payload: Message, read: Callable[[bytes], Answer | None], method: str = "gcm") -> Answer:
        """Send a signed request and wait for its proven answer, getting into step again where that helps.

        :param read: what an answer's plaintext says; None if it is not the last. What it raises besides `Refused`:
            `Unverified` for what is no answer, `outcome.Waiting` for one that asks to come again
        """
        deadline = time.monotonic() + self.timeout
        resyncs = 0
        while True:
            answer, fault = self._attempt(payload, read, method, deadline)
            if answer is not None:
                return answer
            if fault in outcome.RESYNC:
                resyncs += 1
                if resyncs > _RESYNCS:
                    raise outcome.refusal(fault)
            elif time.monotonic() + self.pause + self.timeout / 4 < deadline:  # time for an answer must be left
                time.sleep(self.pause)
            else:
                raise outcome.refusal(fault)

    def _attempt(
        self, payload: Message, read: Callable[[bytes], Answer | None], method: str, deadline: float
    ) -> tuple[Answer | None, int]:
        """Send the request once. Returns its final answer, or the fault that makes another attempt worth it."""
        message, request_hash = self.sign(payload, method)
        self.last_sent = message.SerializeToString()
        self.connection.send(self.last_sent)
        counters: set[int] = set()
        for reply in self.replies(message.uuid, message.from_destination.routing_address, deadline):
            proven = False
            try:
                plain = self.open_answer(reply, request_hash, counters)
                proven = plain is not None
                fault = outcome.fault_of(reply)
                if fault in outcome.RESYNC:
                    self.resync(message.uuid, reply)
                if fault in outcome.RESYNC or fault in outcome.PASSING:
                    return None, fault
                if fault:
                    raise outcome.refusal(fault)
                answer = None if plain is None else read(plain)
                if answer is not None:
                    return answer, 0
            except Unverified:
                self.ignored += 1
            except outcome.Waiting:
                return None, universal.MESSAGEFAULT_ERROR_BUSY
            except Refused as refused:
                refused.proven = proven
                raise
        raise self.silence("the question" if self.reads else "the command", may_have_run=not self.reads)


class Phone(Exchange):
    """What a person does with a key."""

    def unlock(self) -> None:
        """Unlock the car."""
        self.command(messages.action("unlock"))

    def lock(self) -> None:
        """Lock the car."""
        self.command(messages.action("lock"))

    def start(self) -> None:
        """Let the car be driven."""
        self.command(messages.action("start"))

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

    def read_answer(
        self, reply: universal.RoutableMessage, request_hash: bytes, counters: set[int]
    ) -> vcsec.FromVCSECMessage | None:
        """What a proven answer says; None for a bare fault. Raises Unverified."""
        plain = self.open_answer(reply, request_hash, counters)
        return None if plain is None else outcome.parse_payload(plain)
