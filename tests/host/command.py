# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, with a stand-in for the car at its port."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pytest
from typer.testing import CliRunner, Result

from host_tools import cli
from host_tools.serial.bench import Bench
from tests.host.fake_bench import FakeBench

Fake = TypeVar("Fake", bound=FakeBench)


def run(*arguments: str | Path, typed: str | None = None) -> Result:
    """What became of a command. What ends it other than an exit code is raised."""
    result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def at_port(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> Fake:
    """Whoever opens a port has this car."""
    monkeypatch.setattr(Bench, "open", fake.open)
    monkeypatch.setenv("LATCHKEY_PORT", "PORT")
    monkeypatch.delenv("LATCHKEY_KEY", raising=False)
    return fake
