# SPDX-License-Identifier: Apache-2.0
"""The story of the loan does what it says, and ends at the first step that does not."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone.revocations import Revocations

pytestmark = pytest.mark.skipif("config.getoption('--port')", reason="it brings its own simulated board")


def test_a_car_is_lent_and_taken_back_with_nobody_online() -> None:
    result = CliRunner().invoke(cli.app, ["loan", "--json"])
    assert result.exit_code == 0, result.stderr
    story = json.loads(result.stdout)
    assert len(story["steps"]) == 10
    seen = " ".join(line for step in story["steps"] for line in step["seen"])
    for words in ("1 public-key operation", "GRANT_FAULT_SPENT", "INACTIVE_KEY", "UNKNOWN_KEY_ID", "ALTERED"):
        assert words in seen
    assert sum(entry.get("did") == "start" for entry in story["log"]) == 2


def test_the_story_stops_at_the_first_step_that_did_not_do_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Revocations, "keep", lambda *_: False)
    result = CliRunner().invoke(cli.app, ["loan", "--json"])
    assert result.exit_code == 1
    assert "expected the refusal of Cy to be 'UNKNOWN_KEY_ID', saw 'DONE'" in result.stderr
    assert len(json.loads(result.stdout)["steps"]) == 8
