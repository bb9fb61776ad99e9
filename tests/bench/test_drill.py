# SPDX-License-Identifier: Apache-2.0
"""The outage drill does what it says, and ends at the first step that does not."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone.client import Phone

pytestmark = pytest.mark.skipif("config.getoption('--port')", reason="it brings its own simulated board")


def test_whatever_an_authority_does_the_owner_starts() -> None:
    result = CliRunner().invoke(cli.app, ["drill", "--json"])
    assert result.exit_code == 0, result.stderr
    story = json.loads(result.stdout)
    assert len(story["steps"]) == 17
    seen = " ".join(line for step in story["steps"] for line in step["seen"])
    for words in ("ECONNREFUSED", "no roster", "TimeoutError", "generation 2, version 11", "UNKNOWN_KEY_ID"):
        assert words in seen
    assert {"roster", "declined", "wish"} <= {entry["kind"] for entry in story["log"]}


def test_the_drill_stops_at_the_first_step_that_did_not_do_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Phone, "start", Phone.wake)
    result = CliRunner().invoke(cli.app, ["drill", "--json"])
    assert result.exit_code == 1
    assert "expected the start relay to be 1, saw 0" in result.stderr
    assert len(json.loads(result.stdout)["steps"]) == 3
