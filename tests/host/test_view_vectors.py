# SPDX-License-Identifier: Apache-2.0
"""The owner's view in vectors: what the phone signs, the car answers (tests/unit/test_view.py), and the page prints."""

from __future__ import annotations

from pathlib import Path

from tesla_protocol.command import universal_message_pb2 as universal

from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import session
from tests.host import view_vectors

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_cars_tests_have_these() -> None:
    assert view_vectors.FILE.read_text("utf-8") == view_vectors.text()


def test_the_page_prints_them() -> None:
    page = "".join(PAGE.read_text("utf-8").split())
    for name, value in view_vectors.vectors().items():
        assert value in page, name


def test_a_phone_opens_the_answer_and_reads_it() -> None:
    _, _, request_hash = view_vectors.request()
    answer = universal.RoutableMessage.FromString(bytes.fromhex(view_vectors.vectors()["ANSWER"]))
    plain, counter = session.open_reply(view_vectors.a_session(), answer, request_hash)
    assert counter == 1
    [entry] = ours.FromLatchkey.FromString(plain).log.entries
    assert (entry.number, entry.kind, entry.link, entry.command) == (3, 2, 2, 2)
