# SPDX-License-Identifier: Apache-2.0
"""The simulated board: its pins, and the power switch that only a simulated flash has."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flash import Flash

NAME = "UNIX"
PINS = {
    "start": 26,
    "lock": 27,
    "led": 2,
    "card": 32,
    "brake": 33,
    "door": 25,
}
# GPIOs that a wire may be on: those of a bare ESP32 chip, with its strapping pins, on which nothing hangs here.
# 0, 2, 4, 5, 12 to 19, 21 to 23, 25 to 27, 32, 33
OUTPUTS = b"\x00\x02\x04\x05\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x15\x16\x17\x19\x1a\x1b\x20\x21"
INPUTS = b""

_flash: "Flash | None" = None


def attach(flash: "Flash") -> None:
    """The flash that this board runs on."""
    global _flash
    _flash = flash


def flash_operations() -> int:
    """Erases and programs since boot."""
    return _flash.operations if _flash else 0


def flash_error(after: int, error: int, forever: bool, reads: bool) -> None:
    """The `after`th flash operation (or read) from now fails with this error; `forever`: all after it, too. 0: none."""
    if _flash:
        _flash.fail_after(after, error, forever, reads)


def network(up: bool) -> None:
    """Whether the car's Wi-Fi is in reach."""
    from network import WLAN

    WLAN.up = up


def power_cut(after: int) -> None:
    """Cut the power in the middle of the `after`th flash operation from now; 0 calls it off."""
    if _flash:
        _flash.cut_after(after)
