# SPDX-License-Identifier: Apache-2.0
"""Sweeps that take long: `make test` runs a share of each, another SEED another share, and `make faults` all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

ALL = bool(os.environ.get("FAULTS"))
SEED = int(os.environ.get("SEED") or 0)


def share(cases: Sequence[T], one_in: int) -> Sequence[T]:
    """One of so many cases, beginning with another one for another SEED."""
    return cases if ALL else cases[SEED % min(one_in, len(cases)) :: one_in]
