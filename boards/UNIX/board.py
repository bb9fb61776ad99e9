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

_flash: "Flash | None" = None


def attach(flash: "Flash") -> None:
    """The flash that this board runs on."""
    global _flash
    _flash = flash


def flash_operations() -> int:
    """Erases and programs since boot."""
    return _flash.operations if _flash else 0


def power_cut(after: int) -> None:
    """Cut the power in the middle of the `after`th flash operation from now; 0 calls it off."""
    if _flash:
        _flash.cut_after(after)
