# SPDX-License-Identifier: Apache-2.0
"""The bench channel's manners: each host hears the answer to its own request, and hears it again when it asks again."""

import asyncio
import json

from latchkey.link.requests import Requests


class Asked:
    """Requests that are answered when the test says so."""

    def __init__(self):
        self.done = asyncio.Event()
        self.count = 0
        self.sent = []
        self.requests = Requests(self.handle, self.sent.append)

    async def handle(self, request):
        self.count += 1
        await self.done.wait()
        return {"ok": True, "result": request["op"]}

    async def ask(self, number, op):
        self.requests.take(json.dumps({"id": number, "op": op}).encode())
        await asyncio.sleep_ms(0)

    async def answer(self):
        self.done.set()
        await asyncio.sleep_ms(0)
        self.done.clear()
        return self.told()

    def told(self):
        """The id and the result of each answer since the last look."""
        answers = [json.loads(message) for message in self.sent]
        del self.sent[:]
        return [(answer["id"], answer.get("result")) for answer in answers]


async def test_who_asks_again_hears_the_same_and_nothing_is_done_twice():
    asked = Asked()
    await asked.ask(1, "a")
    await asked.ask(1, "a")
    assert asked.told() == [], "the first is still being worked on"
    assert await asked.answer() == [(1, "a")]
    await asked.ask(1, "a")
    assert asked.told() == [(1, "a")] and asked.count == 1


async def test_who_asks_again_hears_no_answer_of_before():
    asked = Asked()
    await asked.ask(1, "a")
    await asked.answer()
    await asked.ask(2, "b")
    await asked.ask(2, "b")
    assert asked.told() == []
    assert await asked.answer() == [(2, "b")]


async def test_the_answer_that_a_host_did_not_wait_for_is_not_told_to_the_next():
    asked = Asked()
    await asked.ask(1, "a")
    asked.requests.forget()
    assert await asked.answer() == []
    await asked.ask(1, "b")
    assert await asked.answer() == [(1, "b")], "its own first request"
    asked.requests.forget()
    await asked.ask(1, "c")
    await asked.ask(1, "c")
    assert asked.told() == []
    assert await asked.answer() == [(1, "c")]
