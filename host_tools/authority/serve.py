# SPDX-License-Identifier: Apache-2.0
"""A plain file server for the bench: what is published, with an ETag, and nothing else. Any web server does as well."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_NAME = re.compile(r"/([0-9a-f]{2})/(\1[0-9a-f]{30})")
_PATIENCE = 30  # seconds for a client that says nothing


def server(folder: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server of that folder's files, listening already. Port 0: any that is free. Raises OSError."""
    return ThreadingHTTPServer((host, port), partial(_Handler, folder))


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD of a car's file."""

    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def __init__(self, folder: Path, *arguments: object) -> None:
        self._folder = folder
        super().__init__(*arguments)  # type: ignore[arg-type] # of the server

    def do_GET(self) -> None:
        """The file, or that it is the one that was fetched before."""
        found = _NAME.fullmatch(self.path.partition("?")[0])
        try:
            data = (self._folder / found[1] / found[2]).read_bytes() if found else None
        except OSError:
            data = None
        if data is None:
            self._answer(HTTPStatus.NOT_FOUND, b"")
            return
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        known = self.headers.get("If-None-Match", "")
        if tag in (it.strip().removeprefix("W/") for it in known.split(",")):
            self._answer(HTTPStatus.NOT_MODIFIED, b"", tag)
        else:
            self._answer(HTTPStatus.OK, data, tag)

    do_HEAD = do_GET

    def _answer(self, status: HTTPStatus, data: bytes, tag: str = "") -> None:
        self.send_response(status)
        if tag:
            self.send_header("ETag", tag)
        if status is not HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
