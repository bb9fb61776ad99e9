# SPDX-License-Identifier: Apache-2.0
"""The bridge: each TCP connection is one phone connection, with the very bytes of the radio's characteristics.

So any client library that speaks to a car over BLE can be pointed at a board on a USB cable. Every client has two
threads, one for each direction; either one ends both.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from typing import Protocol

from host_tools.faults import LatchkeyError, Misuse
from host_tools.phone.contact import Connection
from host_tools.radio import frames

MAX_CLIENTS = 8
_POLL = 0.5


class PhoneConnection(Connection, Protocol):
    """A phone connection that can be hung up."""

    def close(self) -> None:
        """Hang up."""


class Bridge:
    """Listens on one address and makes a phone connection for each client with `connect`."""

    def __init__(
        self,
        connect: Callable[[], PhoneConnection],
        listen: tuple[str, int],
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._connect = connect
        self._say = say
        self._clients: set[_Client] = set()
        self._lock = threading.Lock()
        self._count = 0
        self._stopped = threading.Event()
        family = socket.AF_INET6 if ":" in listen[0] else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(listen)
        except OSError as error:
            self._socket.close()
            raise Misuse(f"cannot listen on {listen[0]}:{listen[1]}: {error.strerror}", "choose another port") from None
        self._socket.listen()
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def run(self) -> None:
        """Accept clients until `close`."""
        while not self._stopped.is_set():
            try:
                client, peer = self._socket.accept()
            except OSError:
                break
            self._accept(client, f"{peer[0]}:{peer[1]}")

    def close(self) -> None:
        """Hang up on everybody, and stop listening."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.end("the bridge closes")

    def _accept(self, client: socket.socket, peer: str) -> None:
        with self._lock:
            self._count += 1
            number, full = self._count, len(self._clients) >= MAX_CLIENTS
        if full:
            self._say(f"phone {number}: {peer} turned away, {MAX_CLIENTS} phones are connected")
            client.close()
            return
        try:
            phone = self._connect()
        except LatchkeyError as error:
            self._say(f"phone {number}: {peer} turned away, {error.line()}")
            client.close()
            return
        self._say(f"phone {number}: connected from {peer}")
        served = _Client(client, phone, lambda why: self._ended(served, number, why))
        with self._lock:
            self._clients.add(served)
        served.start()

    def _ended(self, client: _Client, number: int, why: str) -> None:
        with self._lock:
            self._clients.discard(client)
        self._say(f"phone {number}: gone ({why})")


class _Client:
    """One TCP connection and its phone connection."""

    def __init__(self, client: socket.socket, phone: PhoneConnection, ended: Callable[[str], None]) -> None:
        self._socket = client
        self._phone = phone
        self._ended = ended
        self._over = threading.Lock()

    def start(self) -> None:
        """Carry messages both ways until one side has enough."""
        for target in (self._to_car, self._to_client):
            threading.Thread(target=target, name="latchkey bridge", daemon=True).start()

    def end(self, why: str) -> None:
        """Hang up on both sides, once."""
        if not self._over.acquire(blocking=False):
            return
        self._ended(why)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._phone.close()

    def _to_car(self) -> None:
        assembler = frames.Assembler()
        awaited = 0.0  # seconds: a client whose bytes lie here while the car takes its messages does not pause
        try:
            while True:
                began = time.monotonic()
                data = self._socket.recv(4096)
                awaited += time.monotonic() - began
                if not data:
                    break
                for message in assembler.feed(data, awaited):
                    self._phone.send(message)
        except frames.TooLong as error:
            self.end(str(error))
        except LatchkeyError as error:
            self.end(error.text)
        except OSError as error:
            self.end(error.strerror or "it hung up")
        finally:
            self.end("it hung up")

    def _to_client(self) -> None:
        try:
            while not self._over.locked():
                message = self._phone.receive(_POLL)
                if message is not None:
                    self._socket.sendall(frames.encode(message))
        except LatchkeyError as error:
            self.end(error.text)
        except OSError as error:
            self.end(error.strerror or "it hung up")
        finally:
            self.end("the car hung up")


def parse_listen(text: str, anywhere: bool = False) -> tuple[str, int]:
    """HOST:PORT. Only this machine may connect unless `anywhere` says otherwise."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise Misuse(f"{text!r} is not HOST:PORT", "for example 127.0.0.1:4242")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise Misuse(f"{host!r} is not an IP address", "for example 127.0.0.1:4242") from None
    if not loopback and not anywhere:
        raise Misuse(
            f"{host} can be reached from other machines",
            "--anywhere allows it: whoever connects is as close to the car as a phone beside it",
        )
    return host, int(port)
