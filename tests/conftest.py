# SPDX-License-Identifier: Apache-2.0
"""What all tests share: the collector of the folders that run under MicroPython, and its options.

And which share of the long sweeps this run has, so that it can be had again.
"""

import pytest

from tests import shares

pytest_plugins = ["tests.micropython_plugin", "host_tools.report.recorder"]


def pytest_report_header(config: pytest.Config) -> str:
    return "sweeps: all of each" if shares.ALL else f"sweeps: a share of each, that of SEED={shares.SEED}"
