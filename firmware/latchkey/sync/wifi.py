# SPDX-License-Identifier: Apache-2.0
"""The car's Wi-Fi, up for a poll; and whether there is memory for it (docs/sync.md has where the figures come from)."""

import asyncio

import network
from micropython import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIFI = const(60)  # KB in one piece: a station takes 45, and its connections some more
_TLS = const(40)  # KB more: buffers of 16 and 4, and a handshake
_INTERNAL = const(2048)  # MALLOC_CAP_INTERNAL: a radio has no use of PSRAM
_LOOK_MS = const(100)
_LOOKS = const(150)


def missing(tls: bool) -> str:
    """What there is too little of, in words; empty: there is room, or nothing that says how much."""
    try:
        from esp32 import HEAP_DATA, idf_heap_info
    except ImportError:
        return ""
    need = _WIFI + _TLS if tls else _WIFI
    free = max(region[2] for region in idf_heap_info(HEAP_DATA | _INTERNAL)) // 1024
    return "%d KB free, Wi-Fi needs %d" % (free, need) if free < need else ""


def _station() -> Any:
    return network.WLAN(network.STA_IF)


async def up(ssid: str, password: str) -> str:
    """Join that network. The address of its name server, empty: it could not be joined. Raises OSError."""
    station = _station()
    station.active(True)
    station.connect(ssid, password)
    for _ in range(_LOOKS):
        if station.isconnected():
            return station.ifconfig()[3]  # type: ignore[no-any-return]
        await asyncio.sleep_ms(_LOOK_MS)
    return ""


def down() -> None:
    """Off. Its memory stays taken: MicroPython gives it back at a restart."""
    _station().active(False)
