# SPDX-License-Identifier: Apache-2.0
"""Attacks that once worked, one file each: the story in its first line, and what the car does about it now.

They use the cars of tests/bench.
"""

from tests.bench.conftest import board, car, owner, pytest_runtest_makereport, resting, simulated, station

__all__ = ["board", "car", "owner", "pytest_runtest_makereport", "resting", "simulated", "station"]
