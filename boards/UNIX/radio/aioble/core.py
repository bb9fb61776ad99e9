# SPDX-License-Identifier: Apache-2.0
"""The one radio, and who is told of its interrupts."""

from . import bluetooth as bluetooth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_handlers: list[Callable[[int, tuple[Any, ...]], Any]] = []
_shutdown: list[Callable[[], None]] = []


class GattError(Exception):
    """A GATT operation failed, with its status."""


def ensure_active() -> None:
    if not ble.active():
        ble.active(True)


def config(*args: str, **kwargs: Any) -> Any:
    ensure_active()
    return ble.config(*args, **kwargs)


def register_irq_handler(
    irq: Callable[[int, tuple[Any, ...]], Any] | None, shutdown: Callable[[], None] | None
) -> None:
    if irq:
        _handlers.append(irq)
    if shutdown:
        _shutdown.append(shutdown)


def stop() -> None:
    ble.active(False)
    for handler in _shutdown:
        handler()


def _irq(event: int, data: tuple[Any, ...]) -> Any:
    """The first handler that answers ends it."""
    for handler in _handlers:
        answer = handler(event, data)
        if answer is not None:
            return answer
    return None


ble = bluetooth.BLE()
ble.irq(_irq)
