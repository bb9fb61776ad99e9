# SPDX-License-Identifier: Apache-2.0
"""The bench channel's manners: one request at a time, and the last answer again for a host that asks again."""

import asyncio
import json
import sys

_NO_MEMORY = {"ok": False, "error": "out of memory"}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Requests:
    """`handle(request)` gives the answer, or a coroutine that does; `send(bytes)` takes it to the host."""

    def __init__(self, handle: Any, send: Callable[[bytes], None]) -> None:
        self._handle = handle
        self._send = send
        self.forget()

    def forget(self) -> None:
        """Another host has come: its numbers mean nothing to this one."""
        self._asked: int | None = None
        self._answer = b""

    def take(self, message: memoryview | bytes) -> None:
        """One request, a JSON object with a number `id`: answered now or later, and a wrong one with an error."""
        try:
            request = json.loads(bytes(message))
        except ValueError:
            request = None
        number = request.get("id") if isinstance(request, dict) else None
        if not isinstance(number, int):
            self._reply(None, {"ok": False, "error": "a request is a JSON object with a number `id`"})
        elif number == self._asked:
            if self._answer:
                self._send(self._answer)
        elif self._asked is not None and not self._answer:
            self._reply(number, {"ok": False, "error": "busy with another request"})
        else:
            asyncio.create_task(self._serve(number, request))
            self._asked = number
            self._answer = b""

    async def _serve(self, number: int, request: dict[str, Any]) -> None:
        try:
            answer = self._handle(request)
            if hasattr(answer, "send"):
                answer = await answer
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked is told, and the car goes on
            sys.print_exception(error)
            answer = {"ok": False, "error": "failed inside: " + type(error).__name__}
        for told in (answer or {"ok": True, "result": None}, _NO_MEMORY):
            if self._asked == number:
                try:
                    self._answer = self._reply(number, told)
                    return
                except MemoryError:
                    self._answer = b"{}"  # done, if nobody can be told: not busy with it for ever

    def _reply(self, number: int | None, answer: dict[str, Any]) -> bytes:
        answer["id"] = number
        message = json.dumps(answer).encode()
        self._send(message)
        return message
