# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C for the processes that tests start, whoever started the tests."""

from __future__ import annotations

import signal


def obeyed() -> None:
    """As `preexec_fn`: the process obeys Ctrl-C. What a script runs in the background, and a CI, ignores it, and all
    that it starts inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ignored() -> None:
    """As `preexec_fn`: the process is started as a job that runs in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
