# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the car at the command line's port, and its owner's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from host_tools.phone import keyfile
from host_tools.phone.keyfile import Key
from tests.host.command import at_port
from tests.host.fake_bench import FakeBench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    return at_port(monkeypatch, FakeBench())


@pytest.fixture
def owner(bench: FakeBench, tmp_path: Path) -> Key:
    key = keyfile.create(tmp_path / "owner.pem")
    bench.car.enrol(key.public, label="Ann")
    return key
