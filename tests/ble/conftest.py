# SPDX-License-Identifier: Apache-2.0
"""Boards on a virtual radio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ble.echo import EchoBoard


@pytest.fixture
def board() -> Iterator[EchoBoard]:
    """A board that echoes, with room for one more connection than it serves."""
    board = EchoBoard()
    yield board
    board.close()


@pytest.fixture
def full_board() -> Iterator[EchoBoard]:
    """A board whose radio has room for no more connections than it serves."""
    board = EchoBoard(connections=3)
    yield board
    board.close()
