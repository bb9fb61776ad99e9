# SPDX-License-Identifier: Apache-2.0
"""A web server that says what it is told to, whatever is asked; and a server that is there for a while, then gone."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from io import BufferedIOBase

OK = b"HTTP/1.1 200 OK\r\n\r\n"


class Liar(socketserver.ThreadingTCPServer):
    """Listens on that port of this computer; each who asks gets a `lie`. Raises OSError."""

    allow_reuse_address = True
    daemon_threads = True
    lie: Callable[[BufferedIOBase], object]

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Lie)


class _Lie(socketserver.StreamRequestHandler):
    server: Liar

    def handle(self) -> None:
        while self.rfile.readline(1000).strip():
            pass
        with contextlib.suppress(OSError):  # the car has hung up
            self.server.lie(self.wfile)


@contextlib.contextmanager
def serving(listening: socketserver.TCPServer) -> Iterator[int]:
    """Serve, and then be gone. Gives the port."""
    thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()


def trickle(stream: BufferedIOBase) -> None:
    """A parcel that begins, a byte at a time."""
    stream.write(OK + b"\x03\xc0")
    while True:
        stream.write(b"\x00")
        time.sleep(0.02)  # how slow it is, and nothing that is waited for
