# SPDX-License-Identifier: Apache-2.0
"""The `network` module of the simulated board: a Wi-Fi that the bench plugs in or pulls. What goes through it are the
computer's own sockets."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STA_IF = 0
_NO_AP_FOUND = 201
_GOT_IP = 1010


class WLAN:
    """All objects are the one station. It is connected at once, with any password, or not at all."""

    up = True
    _active = _joined = False

    def __init__(self, interface: int) -> None:
        if interface != STA_IF:
            raise ValueError("a station is all there is")

    def active(self, on: bool | None = None) -> bool:
        if on is not None:
            WLAN._active = on
            WLAN._joined = on and WLAN._joined
        return WLAN._active

    def config(self, **settings: "Any") -> None:
        pass  # how often it tries again makes no difference here

    def connect(self, ssid: str, key: str) -> None:
        if not WLAN._active:
            raise OSError("Wifi Not Started")
        WLAN._joined = True

    def isconnected(self) -> bool:
        return WLAN._joined and WLAN.up

    def status(self) -> int:
        return _GOT_IP if self.isconnected() else _NO_AP_FOUND

    def ifconfig(self) -> tuple[str, str, str, str]:
        """Address, mask, gateway, name server: the computer's."""
        server = "0.0.0.0"
        try:
            with open("/etc/resolv.conf") as f:
                for line in f:
                    words = line.split()
                    if len(words) > 1 and words[0] == "nameserver" and "." in words[1]:
                        server = words[1]
                        break
        except OSError:
            pass  # a computer without one
        return "127.0.0.1", "255.0.0.0", "127.0.0.1", server
