# SPDX-License-Identifier: Apache-2.0
"""Commands that wait for a person leave the port to what the person does meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from host_tools import cli
from host_tools.phone import keyfile
from host_tools.serial.bench import Bench
from tests import interrupts
from tests.bench.support import AnyBoard


def ran(port: str, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli.app, [*arguments, "--port", port, "--json"])
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


@contextmanager
def pairing(port: str, key: Path) -> Iterator[subprocess.Popen[str]]:
    """`latchkey pair` in a process of its own, once it waits for the card."""
    code = "from host_tools.cli import main; main()"
    command = [sys.executable, "-u", "-c", code, "pair", "--key", str(key), "--port", port]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=interrupts.obeyed
    ) as process:
        try:
            assert process.stdout
            assert any(line.startswith("Tap the card") for line in process.stdout)
            yield process
        finally:
            process.kill()


@pytest.fixture
def port(board: AnyBoard, car: Bench) -> Iterator[str]:
    """The port of the car, with nobody on it."""
    car.close()
    yield board.port


def test_a_card_is_tapped_with_a_command_while_another_waits_for_just_that(port: str, tmp_path: Path) -> None:
    key = tmp_path / "phone.pem"
    with pairing(port, key) as process:
        assert ran(port, "status")["pending"]["key"] == keyfile.load(key).id
        ran(port, "door", "driver-door", "open")
        assert ran(port, "tap")["approved"] == keyfile.load(key).id
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert f"Key {keyfile.load(key).id} is enrolled" in out
    ran(port, "door", "driver-door", "close")
    assert [known["key"] for known in ran(port, "keys")["keys"]] == [keyfile.load(key).id]
