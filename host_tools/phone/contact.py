# SPDX-License-Identifier: Apache-2.0
"""A key in contact with one car: handshakes, sessions that stay in step, signed requests and the answers to them."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from google.protobuf.message import DecodeError, Message
from tesla_protocol.command import signatures_pb2 as sig
from tesla_protocol.command import universal_message_pb2 as universal
from tesla_protocol.command import vcsec_pb2 as vcsec

from host_tools.faults import LatchkeyError, NoAnswer, Refused
from host_tools.phone import messages, outcome, session
from host_tools.phone.cache import Saved, SessionCache
from host_tools.phone.keyfile import Key
from host_tools.phone.session import Session, Unverified

ASK_AGAIN = 2.0  # seconds before a question that changes nothing is repeated
_OTHERS = 16  # answers kept for requests that are not being waited for just now


class Connection(Protocol):
    """Anything that carries whole messages both ways."""

    def send(self, message: bytes) -> None:
        """Send one message."""

    def receive(self, timeout: float) -> bytes | None:
        """The next message, or None when none came in time."""


class CarChanged(LatchkeyError):
    """The car answers with another identity than the one this key was enrolled with."""

    name = "CAR_KEY_CHANGED"

    def __init__(self, vin: str) -> None:
        super().__init__(
            f"car {vin} has another key than when this phone was paired",
            "if it was provisioned anew, pair again; if not, it is another car",
        )


class Contact:
    """The session of one key with one part of a car over one connection."""

    domain: int = universal.DOMAIN_VEHICLE_SECURITY

    def __init__(
        self,
        connection: Connection,
        vin: str,
        key: Key,
        cache: SessionCache | None = None,
        *,
        timeout: float = 10.0,
        lifetime: float = 5.0,
        pause: float = 0.5,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connection = connection
        self.vin = vin
        self.key = key
        self.cache = cache if cache is not None else SessionCache(key.path)
        self.timeout = timeout
        self.lifetime = lifetime
        self.pause = pause
        self.on_broadcast: Callable[[vcsec.FromVCSECMessage], None] | None = None
        self.resyncs = 0  # how often the car had to put this phone into step again
        self.ignored = 0  # answers that proved nothing
        self._clock = clock
        self._others: deque[universal.RoutableMessage] = deque(maxlen=_OTHERS)
        self.known = self.cache.load(vin)  # of this car, which has to have the key that it had
        self.session = None if self.known is None else self._restore(self.known)
        if self.session is None:
            self.known = None  # what was kept is no car's

    def handshake(self, timeout: float | None = None) -> Session:
        """Get into step with the car. Refused with UNKNOWN_KEY_ID when the car does not know this key."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while time.monotonic() < deadline:
            uuid, address = os.urandom(16), os.urandom(16)
            request = messages.session_info_request(self.key.public, address, uuid, self.domain)
            self.connection.send(request.SerializeToString())
            for reply in self.replies(uuid, address, min(deadline, time.monotonic() + ASK_AGAIN)):
                if outcome.fault_of(reply) in outcome.PASSING:
                    time.sleep(self.pause)
                    break
                try:
                    return self._begin(uuid, reply)
                except Unverified:
                    self.ignored += 1
        raise self.silence("the handshake")

    def forget(self) -> None:
        """Drop everything known about the car: the next handshake takes it as it is."""
        self.session = self.known = None
        self.cache.forget(self.vin)

    def sign(self, payload: Message, method: str = "gcm") -> tuple[universal.RoutableMessage, bytes]:
        """A signed command with a counter of its own, and its request hash. Nothing is sent."""
        current = self.session
        if current is None or current.counter >= session.COUNTER_LIMIT:
            current = self.handshake()
        self.cache.next_counter(current)
        message = messages.routable(payload, os.urandom(16), os.urandom(16), self.domain)
        message.flags = messages.FLAG_ENCRYPT_RESPONSE
        signer = session.sign_hmac if method == "hmac" else session.sign_gcm
        expires_at = current.expires_at(self._clock(), self.lifetime)
        return message, signer(current, self.key.public, message, expires_at)

    def replies(self, uuid: bytes, address: bytes, deadline: float) -> Iterator[universal.RoutableMessage]:
        """Every answer to one request until the deadline. Answers to others are kept for those that wait for them."""
        while (left := deadline - time.monotonic()) > 0:
            message = self._kept(address) or self._next(left)
            if message is None:
                continue
            if message.to_destination.routing_address != address:
                self._others.append(message)
                continue
            ours = message.request_uuid in (b"", uuid)
            if ours and message.from_destination.domain == self.domain:
                yield message

    def _kept(self, address: bytes) -> universal.RoutableMessage | None:
        """An answer that came while another was awaited."""
        for message in self._others:
            if message.to_destination.routing_address == address:
                self._others.remove(message)
                return message
        return None

    def _next(self, timeout: float) -> universal.RoutableMessage | None:
        """The next envelope to arrive. Broadcasts go to `on_broadcast`, anything else is skipped."""
        data = self.connection.receive(timeout)
        if data is None:
            return None
        broadcast = outcome.parse_broadcast(data)
        if broadcast is not None:
            if self.on_broadcast is not None:
                self.on_broadcast(broadcast)
            return None
        return outcome.parse_reply(data)

    def open_answer(self, reply: universal.RoutableMessage, request_hash: bytes, counters: set[int]) -> bytes | None:
        """The decrypted answer; None for a bare fault. A success in the clear is no proof of anything."""
        if not reply.signature_data.HasField("AES_GCM_Response_data"):
            if outcome.fault_of(reply):
                return None
            raise Unverified("a success in the clear")
        if self.session is None:
            raise Unverified("no session")
        plain, counter = session.open_reply(self.session, reply, request_hash)
        if counter in counters:
            raise Unverified("an answer seen before")
        counters.add(counter)
        return plain

    def resync(self, challenge: bytes, reply: universal.RoutableMessage) -> None:
        """Take over the session info of a fault; without proven info the next command starts with a handshake."""
        try:
            self._adopt(challenge, reply, _session_info(reply))
            self.resyncs += 1
        except Unverified:
            self.session = None

    def silence(self, what: str, may_have_run: bool = False) -> NoAnswer:
        """The exception for a car that did not answer."""
        text = f"no car answered {what} in time"
        if self.ignored:
            text += f" ({self.ignored} answers proved nothing and were ignored)"
        if may_have_run:
            return NoAnswer(text, "it may have run all the same: look with `latchkey status`")
        return NoAnswer(text)

    def _begin(self, challenge: bytes, reply: universal.RoutableMessage) -> Session:
        """Make or renew the session from the answer to a handshake."""
        fault = outcome.fault_of(reply)
        if fault:
            raise outcome.refusal(fault)
        info = _session_info(reply)
        if info.status == sig.SESSION_INFO_STATUS_KEY_NOT_ON_WHITELIST:
            raise Refused("UNKNOWN_KEY_ID")
        known = self.known
        if known is not None and known.car_public != info.publicKey.hex():
            self._verify(session.shared_key(self.key.private, info.publicKey), challenge, reply)
            raise CarChanged(self.vin)
        return self._adopt(challenge, reply, info)

    def _adopt(self, challenge: bytes, reply: universal.RoutableMessage, info: sig.SessionInfo) -> Session:
        current = self.session
        same_car = current is not None and current.car_public == info.publicKey
        key = current.key if current and same_car else session.shared_key(self.key.private, info.publicKey)
        self._verify(key, challenge, reply)
        if len(info.epoch) != 16:
            raise Unverified("the session info has no epoch")
        if current is not None:
            current.update(info, self._clock())
        else:
            zero = self._clock() - info.clock_time
            current = Session(self.vin, info.publicKey, key, info.epoch, info.counter, zero, info.clock_time)
        self.session = current
        self.cache.save(current)
        self.known = Saved.of(current)
        return current

    def _verify(self, key: bytes, challenge: bytes, reply: universal.RoutableMessage) -> None:
        tag = reply.signature_data.session_info_tag.tag
        session.verify_session_info(key, self.vin, challenge, reply.session_info, tag)

    def _restore(self, saved: Saved) -> Session | None:
        public, epoch = bytes.fromhex(saved.car_public), bytes.fromhex(saved.epoch)
        try:
            key = session.shared_key(self.key.private, public)
        except Unverified:
            return None
        return Session(self.vin, public, key, epoch, saved.counter, saved.clock_zero, saved.clock_seen)


def _session_info(reply: universal.RoutableMessage) -> sig.SessionInfo:
    if not reply.HasField("session_info"):
        raise Unverified("no session info")
    try:
        return sig.SessionInfo.FromString(reply.session_info)
    except DecodeError:
        raise Unverified("the session info cannot be read") from None
