# SPDX-License-Identifier: Apache-2.0
"""The harness as a library: a car on a serial port, and a hand that can touch it.

For example::

    with Bench.open("/dev/ttyUSB0") as car:
        phone = car.connect()
        car.tap()
        print(car.state()["locked"])
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Self

from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.phone.inbox import Inbox
from host_tools.serial import shape
from host_tools.serial.attachment import Attachment, Channel, Listener
from host_tools.serial.port import PortBusy
from host_tools.serial.share import Server, SharedAttachment

_LOG_LINES = 2000
_EVENTS = 2000
_KEYS, _ENTRIES = 8, 16  # in one answer
_SHORT_PAGES = 16  # answers with less than was asked for, before the end: keys and entries may go meanwhile
_MOST_KEYS, _MOST_ENTRIES = 8192, 32768  # more than any board has room for
_LONGEST_ERROR = 500
_LOOK = 0.05  # seconds between looks at whether a key waits for the card
_SAME_TAP = 4.0  # seconds after which a tap is another one

Witness = Callable[[int, str, bytes], None]
"""Called with a phone connection's number, "sent" or "received", and the message."""


class BenchError(LatchkeyError):
    """The car's bench channel said no."""

    name = "BENCH"


class VehicleConnection:
    """One phone's connection: whole messages, exactly what the radio would carry."""

    def __init__(self, channel: Channel, timeout: float, witness: Witness | None = None) -> None:
        self._channel = channel
        self._timeout = timeout
        self._witness = witness
        self._inbox = Inbox()
        self.number = channel.open(self._take)

    def send(self, message: bytes) -> None:
        """Deliver one message to the car."""
        if self._witness:
            self._witness(self.number, "sent", message)
        self._channel.send(self.number, message, self._timeout)

    def receive(self, timeout: float = 5.0) -> bytes | None:
        """The next message from the car, or None when none came in time."""
        return self._inbox.receive(timeout)

    def close(self) -> None:
        """Hang up."""
        if not self._inbox.ended:
            self._inbox.end()
            self._channel.close_connection(self.number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, message: bytes | None) -> None:
        if self._witness and message is not None:
            self._witness(self.number, "received", message)
        self._inbox.put(message)


class Bench:
    """A car, through its serial port."""

    witness: Witness | None = None
    """Told of every message of every phone connection that is made from here: for whoever keeps a record."""

    restarts: ClassVar[list[float]] = []
    """Seconds of each restart that was waited for."""

    restart_timeout = 120.0
    """Seconds that a restart may take: the slowest boards need one minute."""

    def __init__(self, port: str, timeout: float = 10.0, share: bool = False) -> None:
        self.port = port
        self.timeout = timeout
        self.events: list[dict[str, Any]] = []
        """What the car did and why it refused, oldest first."""
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._news = threading.Condition()
        self._server: Server | None = None
        listener = Listener(self._event, self._log.append, self._booted)
        deadline = time.monotonic() + timeout
        self._channel: Channel
        while True:
            try:
                own = Attachment(port, listener, timeout)
            except PortBusy:
                shared = SharedAttachment.find(port, listener, timeout)
                if shared is not None:
                    self._channel = shared
                    break
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)  # a short command has it: it will be done in a moment
            else:
                self._channel = own
                if share:
                    self._server = Server(own)
                break

    @classmethod
    def open(cls, port: str, timeout: float = 10.0, share: bool = False) -> Self:
        """Reach the car on `port`, waiting for it to boot if it has to.

        With `share`, other programs can use the port through this one while it has it open.
        """
        return cls(port, timeout, share)

    @property
    def hello(self) -> dict[str, Any]:
        """What the car said of itself: version, vin, boot and more."""
        return dict(self._channel.hello)

    @property
    def vin(self) -> str | None:
        """Which car it is; None while it is none."""
        return self._channel.hello.get("vin")

    @property
    def boot(self) -> str:
        """The id of this boot: another after each restart."""
        return str(self._channel.hello["boot"])

    @property
    def log_text(self) -> str:
        """What the car printed."""
        return "".join(self._log)

    # The bench's hand

    def request(self, op: str, *, timeout: float | None = None, **arguments: Any) -> Any:
        """One request on the bench channel, and its result."""
        if self._channel.hello.get("bench") is False:
            raise BenchError(
                "this car runs without the bench channel: a production build, or its settings say so",
                "with an enrolled key it answers all the same: --key FILE; for a bench see boards/README.md",
            )
        answer = self._channel.request({"op": op, **arguments}, self.timeout if timeout is None else timeout)
        if answer.get("ok") is not True:
            raise BenchError(f"{op}: {str(answer.get('error', 'refused'))[:_LONGEST_ERROR]}")
        return answer.get("result")

    def info(self) -> dict[str, Any]:
        """Version, VIN, board, boot id, uptime."""
        return self._dict("info")

    def status(self) -> dict[str, Any]:
        """What it is, and what the car is doing, if it is one."""
        info = self.info()
        return {**info, **self.state()} if info.get("provisioned") else info

    def provision(self, vin: str, settings: dict[str, Any] | None = None, force: bool = False) -> dict[str, Any]:
        """Give the car its identity, and wait until it is up again with it."""
        boot = self.boot
        result = self._dict("provision", vin=vin, settings=settings or {}, force=force, timeout=60)
        self.wait_boot(boot)
        return result

    def state(self) -> dict[str, Any]:
        """Locked, started, asleep, closures, who is pending."""
        return self._dict("state")

    def pins(self) -> dict[str, Any]:
        """The levels of the pins."""
        return self._dict("pins")

    def tap(self) -> dict[str, Any]:
        """Tap the card."""
        return self._dict("tap")

    def tap_for(self, key: str | None = None, patience: float = 15.0) -> str | None:
        """Tap the card once a key waits for it, or that one, by its id. The id that was approved; None: none came.

        Taps that follow each other closely are one to the car: after one that meant nobody this pauses.
        """
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            pending = self.state()["pending"]
            if pending is None or key not in (None, pending["key"]):
                time.sleep(_LOOK)
            elif approved := self.tap()["approved"]:
                return str(approved)
            else:
                time.sleep(_SAME_TAP)
                deadline += _SAME_TAP
        return None

    def brake(self, pressed: bool) -> None:
        """Press or let go of the brake."""
        self.request("brake", pressed=pressed)

    def door(self, name: str, is_open: bool) -> None:
        """Open or shut a closure by hand."""
        self.request("door", name=name, open=is_open)

    def clock(self, seconds: int) -> int:
        """Let time pass in the car; its clock afterwards."""
        return int(self._dict("clock", advance=seconds)["now"])

    def network(self, up: bool) -> None:
        """Plug the network in or pull it."""
        self.request("network", up=up)

    def heap(self) -> dict[str, Any]:
        """Bytes of heap free and in use, after a collection."""
        return self._dict("heap")

    def stretch(self, timeout: float | None = None) -> dict[str, Any]:
        """The longest time in microseconds for which its loop did not give way, and who held it, since last asked."""
        return self._dict("stretch", timeout=timeout)

    def stats(self) -> dict[str, Any]:
        """Counters: public-key operations, commands verified and refused, handshakes."""
        return self._dict("stats")

    def keys(self) -> list[dict[str, Any]]:
        """The whole keychain."""
        found: list[dict[str, Any]] = []
        short = 0
        while True:
            start = found[-1]["slot"] + 1 if found else 0
            answer = self._dict("keys", start=start, limit=_KEYS)
            page = answer["keys"]
            _check_page("keys", [key["slot"] for key in page], start, _KEYS)
            found += page
            if len(found) >= answer["count"] or not page:
                return found
            short += len(page) < _KEYS
            if short > _SHORT_PAGES or len(found) > _MOST_KEYS:
                raise shape.BadAnswer("the car's list of keys does not end")

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The access log, oldest first."""
        found: list[dict[str, Any]] = []
        short = 0
        while True:
            answer = self._dict("log", since=since, limit=_ENTRIES)
            page = answer["entries"]
            _check_page("log", [entry["seq"] for entry in page], since + 1, _ENTRIES)
            found += page
            if not page or found[-1]["seq"] >= answer["last"]:
                return found
            since = found[-1]["seq"]
            short += len(page) < _ENTRIES
            if short > _SHORT_PAGES or len(found) > _MOST_ENTRIES:
                raise shape.BadAnswer("the car's log does not end")

    def reboot(self, timeout: float = 0.0) -> None:
        """Restart the car, and wait until it is up again: `restart_timeout` seconds, or so many if that is more."""
        boot = self.boot
        with contextlib.suppress(NoAnswer):  # it may be gone before its answer has left
            self.request("reboot", timeout=5)
        self.wait_boot(boot, max(timeout, self.restart_timeout))

    def wait_boot(self, boot: str, timeout: float | None = None) -> None:
        """Wait until the car is up with another boot id than `boot`, `restart_timeout` seconds if nothing is said."""
        timeout = self.restart_timeout if timeout is None else timeout
        began = time.monotonic()
        with self._news:
            if not self._news.wait_for(lambda: self._channel.hello.get("boot") != boot, timeout):
                raise NoAnswer(
                    f"the car did not come back within {timeout:g} s", "see what it printed: `latchkey monitor`"
                )
        self.restarts.append(time.monotonic() - began)

    def wait_event(self, event: str, timeout: float = 5.0, since: int = 0, **fields: Any) -> dict[str, Any]:
        """The first event of that name with those fields, from the `since`th on, waiting for it if need be."""

        def find() -> dict[str, Any] | None:
            for candidate in self.events[since:]:
                if candidate.get("event") == event and fields.items() <= candidate.items():
                    return candidate
            return None

        with self._news:
            found = self._news.wait_for(find, timeout)
        if not found:
            raise NoAnswer(f"no event {event!r} {fields or ''} in time; there were {self.events[since:]}")
        return found

    # Phones

    def connect(self) -> VehicleConnection:
        """A new phone connection."""
        return VehicleConnection(self._channel, self.timeout, self.witness)

    def close(self) -> None:
        """Let go of the car."""
        if self._server is not None:
            self._server.close()
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _dict(self, op: str, *, timeout: float | None = None, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.request(op, timeout=timeout, **arguments)
        shape.check_answer(op, result)
        return result

    def _event(self, event: dict[str, Any]) -> None:
        if not shape.fits(event, shape.EVENT):
            event = {"event": "unreadable", "got": json.dumps(event)[:_LONGEST_ERROR]}
        with self._news:
            if len(self.events) >= _EVENTS:
                del self.events[: _EVENTS // 2]
            self.events.append(event)
            self._news.notify_all()

    def _booted(self, hello: dict[str, Any]) -> None:
        with self._news:
            self._news.notify_all()


def _check_page(what: str, numbers: list[int], start: int, limit: int) -> None:
    """A page goes on where the one before it ended, and is no longer than was asked for."""
    if len(numbers) > limit or any(after <= before for before, after in itertools.pairwise([start - 1, *numbers])):
        raise shape.BadAnswer(f"the car's {what} do not go on from {start}, but with {numbers[:limit]}")
