# SPDX-License-Identifier: Apache-2.0
"""One port for several programs: who holds it long serves the others through a socket of this user's.

Both ways go lines of JSON. The client asks `{"ask": n, "do": "request" | "open" | "send" | "close", …}` and gets
`{"ask": n, "value": …}` or `{"ask": n, "error": text}`; unasked it gets `hello`, `message`, `ended`, `event`, `text`.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import queue
import socket
import threading
import time
from typing import Any, Self

from host_tools.faults import LatchkeyError, NoAnswer
from host_tools.serial.attachment import Attachment, Listener, Receiver
from host_tools.serial.port import runtime_path
from host_tools.serial.wire import Restarted

_LINE_LIMIT = 1 << 20
_QUIET, _LINGER = 0.5, 2.0  # seconds without a question after which guests may be left alone; at most so long


class Server:
    """Serves an attachment to other programs until it is closed."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._path = runtime_path(attachment.path, "sock")
        self._path.unlink(missing_ok=True)  # the port is ours, so whoever served it has ended
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._path))
        self._socket.listen()
        self._clients: set[_Client] = set()
        threading.Thread(target=self._accept, name="latchkey share", daemon=True).start()

    def close(self) -> None:
        """Stop. Who is just being served is served to the end: a card tap ends the pairing that shares the port."""
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        until = time.monotonic() + _LINGER
        while any(client.busy() for client in list(self._clients)) and time.monotonic() < until:
            time.sleep(0.02)
        for client in list(self._clients):
            client.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                client = _Client(connection, self._attachment)
                self._clients.add(client)
                threading.Thread(target=self._serve, args=(client,), name="latchkey client", daemon=True).start()

    def _serve(self, client: _Client) -> None:
        try:
            client.serve()
        finally:
            self._clients.discard(client)


class _Client:
    """The server's end of one client."""

    def __init__(self, connection: socket.socket, attachment: Attachment) -> None:
        self._socket = connection
        self._attachment = attachment
        self._out: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._open: set[int] = set()
        self._asking: set[threading.Thread] = set()
        self._active = time.monotonic()

    def busy(self) -> bool:
        """Whether it waits for an answer, or had one so lately that it will go on."""
        return bool(self._asking) or not self._out.empty() or time.monotonic() - self._active < _QUIET

    def serve(self) -> None:
        put = self._out.put
        listener = Listener(
            lambda event: put({"event": event}), lambda text: put({"text": text}), lambda hello: put({"hello": hello})
        )
        put({"hello": self._attachment.hello})
        writer = threading.Thread(target=self._write, daemon=True)
        writer.start()
        self._attachment.listeners.append(listener)
        try:
            with self._socket.makefile("rb") as lines, contextlib.suppress(OSError):
                while isinstance(asked := _parse(lines.readline(_LINE_LIMIT)), dict):
                    # Each in a thread of its own: a slow request does not hold up the next.
                    thread = threading.Thread(target=self._answer, args=(asked,), daemon=True)
                    self._asking.add(thread)
                    thread.start()
        finally:
            self._attachment.listeners.remove(listener)
            for conn in list(self._open):
                self._attachment.close_connection(conn)
            put(None)
            writer.join()
            self._socket.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (item := self._out.get()) is not None:
                self._socket.sendall(json.dumps(item).encode() + b"\n")

    def _answer(self, asked: dict[str, Any]) -> None:
        try:
            answer: dict[str, Any] = {"value": self._do(asked)}
        except LatchkeyError as error:
            kinds = (Restarted, NoAnswer, LatchkeyError)
            kind = next(kind.name for kind in kinds if isinstance(error, kind))
            answer = {"error": error.text, "hint": error.hint, "kind": kind}
        except (KeyError, TypeError, ValueError) as error:
            answer = {"error": f"not understood: {error}", "hint": "", "kind": LatchkeyError.name}
        self._out.put({"ask": asked.get("ask"), **answer})
        self._active = time.monotonic()
        self._asking.discard(threading.current_thread())

    def _do(self, asked: dict[str, Any]) -> Any:
        attachment = self._attachment
        match asked["do"]:
            case "request":
                return attachment.request(asked["request"], asked["timeout"])
            case "open":
                numbers: list[int] = []  # nothing arrives before the client has sent something
                numbers.append(attachment.open(lambda message: self._arrived(numbers[0], message)))
                self._open.add(numbers[0])
                return numbers[0]
            case "send":
                return attachment.send(asked["conn"], base64.b64decode(asked["data"]), asked["timeout"])
            case "close":
                self._open.discard(asked["conn"])
                return attachment.close_connection(asked["conn"])
            case other:
                raise ValueError(other)

    def _arrived(self, conn: int, message: bytes | None) -> None:
        self._active = time.monotonic()
        if message is None:
            self._open.discard(conn)
            self._out.put({"ended": conn})
        else:
            self._out.put({"message": conn, "data": base64.b64encode(message).decode()})


class SharedAttachment:
    """The other end: an attachment that somebody else holds."""

    def __init__(self, connection: socket.socket, listener: Listener, timeout: float) -> None:
        self.hello: dict[str, Any] = {}
        self._socket = connection
        self._listener = listener
        self._writing = threading.Lock()
        self._asks = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._receivers: dict[int, Receiver] = {}
        self._greeted = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="latchkey shared port", daemon=True)
        self._thread.start()
        if not self._greeted.wait(timeout):
            self.close()
            raise NoAnswer("the program that holds the port does not answer", "end it, or wait")
        if not self.hello:
            self.close()
            raise ConnectionResetError

    @classmethod
    def find(cls, port: str, listener: Listener, timeout: float) -> Self | None:
        """The attachment of the program that holds `port`, if it shares it."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(runtime_path(port, "sock")))
            return cls(connection, listener, timeout)
        except OSError:  # nobody shares it, or whoever did is just ending
            connection.close()
            return None

    def request(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask(timeout, do="request", request=request, timeout=timeout)
        return answer

    def open(self, receiver: Receiver) -> int:
        conn = int(self._ask(5, do="open"))
        self._receivers[conn] = receiver
        return conn

    def send(self, conn: int, message: bytes, timeout: float) -> None:
        self._ask(timeout, do="send", conn=conn, data=base64.b64encode(message).decode(), timeout=timeout)

    def close_connection(self, conn: int) -> None:
        self._receivers.pop(conn, None)
        with contextlib.suppress(LatchkeyError):
            self._ask(2, do="close", conn=conn)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _ask(self, wait: float, **asked: Any) -> Any:
        number = next(self._asks)
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._waiting[number] = answers
        try:
            if self._ended:
                raise _gone()
            with self._writing:
                self._socket.sendall(json.dumps({"ask": number, **asked}).encode() + b"\n")
            answer = answers.get(timeout=wait + 2)
        except queue.Empty:
            raise NoAnswer from None
        except OSError as error:
            raise _gone() from error
        finally:
            del self._waiting[number]
        if "error" in answer:
            if answer["kind"] == Restarted.name:
                raise Restarted
            raise (NoAnswer if answer["kind"] == NoAnswer.name else LatchkeyError)(answer["error"], answer["hint"])
        return answer["value"]

    def _read(self) -> None:
        try:
            with self._socket.makefile("rb") as lines:
                while isinstance(item := _parse(lines.readline(_LINE_LIMIT)), dict):
                    self._take(item)
        except OSError:
            pass
        self._ended = True
        self._greeted.set()
        for waiting in list(self._waiting.values()):
            waiting.put({"error": _gone().text, "hint": _gone().hint, "kind": NoAnswer.name})
        for receiver in list(self._receivers.values()):
            receiver(None)

    def _take(self, item: dict[str, Any]) -> None:
        match item:
            case {"ask": int(number)}:
                if waiting := self._waiting.get(number):
                    waiting.put(item)
            case {"message": int(conn), "data": str(data)}:
                if receiver := self._receivers.get(conn):
                    receiver(base64.b64decode(data))
            case {"ended": int(conn)}:
                if receiver := self._receivers.pop(conn, None):
                    receiver(None)
            case {"event": dict(event)}:
                self._listener.event(event)
            case {"text": str(text)}:
                self._listener.text(text)
            case {"hello": dict(hello)}:
                self.hello = hello
                self._greeted.set()
                self._listener.hello(hello)


def _parse(line: bytes) -> Any:
    """The value of a line; None at the end, and for what is no JSON: whoever sends that is not talked to."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def _gone() -> NoAnswer:
    return NoAnswer("the program that held the port has ended", "try again")
