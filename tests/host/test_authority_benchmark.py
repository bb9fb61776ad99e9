# SPDX-License-Identifier: Apache-2.0
"""`make publish` measures what it says: each row has written all of its cars, and 1 % of them again."""

from __future__ import annotations

import json

import pytest

from tests.publishing.__main__ import main


def test_it_measures_a_folder_and_an_s3_server(capfd: pytest.CaptureFixture[str]) -> None:
    main(["--cars", "200", "--json"])
    rows = json.loads(capfd.readouterr().out)
    assert [(row["store"], row["cars"], row["first"]["written"], row["changed"]["written"]) for row in rows] == [
        ("folder", 200, 200, 2),
        ("s3", 200, 200, 2),
    ]
    assert all(row["memory"] > 0 and row["first"]["bytes"] > 200 * 600 for row in rows)
