# SPDX-License-Identifier: Apache-2.0
"""The IPv4 address of a name, asked of the network's own server (RFC 1035): `socket.getaddrinfo` would block the loop
until it has one, for seconds."""

import asyncio
import socket

from micropython import const

from latchkey.crypto import random_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TRIES = const(3)
_ANSWER_MS = const(2000)
_LONGEST = const(512)  # bytes of an answer over UDP
_QUESTION = b"\x00\x01\x00\x01"  # the address (A) of a name in the internet


async def resolve(name: bytes, server: str, port: int = 53) -> str:
    """Raises OSError: there is no such name, or nobody says."""
    labels = name.split(b".")
    if len(labels) == 4 and all(label.isdigit() and int(label) < 256 for label in labels):
        return name.decode()  # it is one already
    if max(len(label) for label in labels) > 63:
        raise OSError("no such name")
    query = random_bytes(2) + b"\x01\x00\x00\x01" + bytes(6)  # one question, to be looked up by others too
    query += b"".join([bytes((len(label),)) + label for label in labels]) + b"\x00" + _QUESTION
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        asked.setblocking(False)
        asked.connect(socket.getaddrinfo(server, port)[0][-1])  # a number: nothing is looked up; no others are heard
        for _ in range(_TRIES):
            asked.write(query)
            try:
                return await asyncio.wait_for_ms(_answer(asked, query), _ANSWER_MS)
            except asyncio.TimeoutError:
                pass
        raise OSError("no answer about the server's name")
    finally:
        asked.close()


async def _answer(asked: Any, query: bytes) -> str:
    stream: Any = asyncio.StreamReader(asked)
    while True:
        await stream.read(0)  # until something is there: to read more would join one packet to the next
        data: bytes = asked.recv(_LONGEST)
        if len(data) < len(query) or not data[2] & 0x80:
            continue
        if data[:2] == query[:2] and data[4:6] == query[4:6] and data[12 : len(query)] == query[12:]:
            address = _address(data, len(query))
            if not address:
                raise OSError("no such name")
            return address


def _address(data: bytes, at: int) -> str:
    """The first address among the records that begin there; none: empty."""
    try:
        for _ in range(data[6] << 8 | data[7]):
            while 0 < data[at] < 0xC0:
                at += 1 + data[at]
            at += 2 if data[at] else 1
            size = data[at + 8] << 8 | data[at + 9]
            at += 10 + size
            if data[at - 10 - size : at - 6 - size] == _QUESTION and size == 4 and at <= len(data):
                return ".".join([str(number) for number in data[at - 4 : at]])
    except IndexError:
        pass
    return ""
