# SPDX-License-Identifier: Apache-2.0
"""The vectors of receipts and the log are those in docs/protocol.md, and the phone takes them."""

from __future__ import annotations

import re
from pathlib import Path

from host_tools.phone import chain
from tests.host import log_vectors
from tests.host.view_vectors import VIN

DOCS = Path(__file__).parents[2] / "docs" / "protocol.md"
TESTS = Path(__file__).parents[1]


def test_the_cars_tests_have_the_vectors_that_are_made_now() -> None:
    assert log_vectors.FILE.read_text("utf-8") == log_vectors.text()


def test_the_documentation_has_them() -> None:
    told = "".join(DOCS.read_text("utf-8").split())
    for name, value in log_vectors.vectors().items():
        assert value in told, name


def test_each_rule_has_a_test_that_names_it() -> None:
    rules = re.findall(r"^\| ([PH]\d+) ", DOCS.read_text("utf-8"), re.MULTILINE)
    assert rules == [f"P{n}" for n in range(1, 13)] + [f"H{n}" for n in range(1, 16)]
    tests = "".join(file.read_text("utf-8") for file in TESTS.rglob("test_*.py"))
    assert [rule for rule in rules if f"def test_{rule.lower()}_" not in tests] == []


def test_the_phone_takes_them() -> None:
    raws, head = log_vectors.entries(), log_vectors.head()
    assert chain.check(raws, head) == []
    assert chain.is_signed(bytes.fromhex(log_vectors.vectors()["CAR_PUBLIC"]), VIN, head)
