# SPDX-License-Identifier: Apache-2.0
"""Signed requests and their proven answers; and a request put again when the car says why it may now work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message
from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.faults import Refused
from host_tools.phone import outcome
from host_tools.phone.contact import Contact
from host_tools.phone.session import Unverified

Answer = TypeVar("Answer")

_RESYNCS = 3  # a car that is still out of step after as many corrections will not get into step


class Exchange(Contact):
    """Signed requests to one part of a car, and their proven answers."""

    reads = False  # whether all that is asked of it changes nothing
    last_sent = b""  # the newest request, exactly as it left

    def exchange(
        self,
        payload: Message,
        read: Callable[[bytes], Answer | None],
        method: str = "gcm",
        again: Callable[[bytes], Answer | None] | None = None,
    ) -> Answer:
        """Send a signed request and wait for its proven answer, getting into step again where that helps.

        :param read: what an answer's plaintext says; None if it is not the last. What it raises besides `Refused`:
            `Unverified` for what is no answer, `outcome.Waiting` for one that asks to come again
        :param again: asked before a request that may have come through is put again: the answer, if it has; None: it
            has not, and never will. Anybody on the air can say no in the clear
        """
        deadline = time.monotonic() + self.timeout
        resyncs = 0
        while True:
            answer, fault, sure = self._attempt(payload, read, method, deadline)
            if answer is None and again and not sure:
                answer = self._whether(again)
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

    def _whether(self, again: Callable[[bytes], Answer | None]) -> Answer | None:
        """What became of the newest request, which it stays, whatever is asked meanwhile."""
        sent = self.last_sent
        try:
            return again(sent)
        finally:
            self.last_sent = sent

    def _attempt(
        self, payload: Message, read: Callable[[bytes], Answer | None], method: str, deadline: float
    ) -> tuple[Answer | None, int, bool]:
        """Send the request once. Returns its final answer, or the fault that makes another attempt worth it, and
        whether it is sure that the car has not done it."""
        message, request_hash = self.sign(payload, method)
        epoch = self.session and self.session.epoch
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
                    proven |= self.session is not None and self.session.epoch != epoch
                if fault in outcome.RESYNC or fault in outcome.PASSING:
                    return None, fault, proven
                if fault:
                    raise outcome.refusal(fault)
                answer = None if plain is None else read(plain)
                if answer is not None:
                    return answer, 0, True
            except Unverified:
                self.ignored += 1
            except outcome.Waiting:
                return None, universal.MESSAGEFAULT_ERROR_BUSY, True
            except Refused as refused:
                refused.proven = proven
                raise
        raise self.silence("the question" if self.reads else "the command", may_have_run=not self.reads)
