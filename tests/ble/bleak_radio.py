# SPDX-License-Identifier: Apache-2.0
"""Points every library that uses bleak at a virtual radio: what bleak takes for the system's adapter is ours."""

from __future__ import annotations

import pytest

from host_tools.radio.adapter import Adapter


def point_bleak_at(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on `BleakScanner()` and `BleakClient(device)` use this adapter, whoever calls them."""
    monkeypatch.setattr("bleak.get_platform_scanner_backend_type", lambda: (adapter.scanner, "bumble"))
    monkeypatch.setattr("bleak.get_platform_client_backend_type", lambda: (adapter.client, "bumble"))
