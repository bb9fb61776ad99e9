# SPDX-License-Identifier: Apache-2.0
"""Services and characteristics, as aioble declares them."""

from . import bluetooth
from .core import ble, ensure_active

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_READ = 0x0002
_WRITE_NO_RESPONSE = 0x0004
_WRITE = 0x0008
_NOTIFY = 0x0010
_INDICATE = 0x0020


class Service:
    """A group of characteristics."""

    def __init__(self, uuid: bluetooth.UUID) -> None:
        self.uuid = uuid
        self.characteristics: list[Characteristic] = []


class Characteristic:
    """A value that phones read, write or are told of."""

    def __init__(
        self,
        service: Service,
        uuid: bluetooth.UUID,
        read: bool = False,
        write: bool = False,
        write_no_response: bool = False,
        notify: bool = False,
        indicate: bool = False,
        initial: bytes | None = None,
        capture: bool = False,
    ) -> None:
        service.characteristics.append(self)
        self.uuid = uuid
        self.flags = (
            (_READ if read else 0)
            | (_WRITE if write else 0)
            | (_WRITE_NO_RESPONSE if write_no_response else 0)
            | (_NOTIFY if notify else 0)
            | (_INDICATE if indicate else 0)
        )
        self._value_handle: Any = None  # a number, once registered
        self._initial = initial

    def _register(self, value_handle: int) -> None:
        self._value_handle = value_handle
        if self._initial is not None:
            self.write(self._initial)

    def read(self) -> bytes:
        return ble.gatts_read(self._value_handle)

    def write(self, data: bytes, send_update: bool = False) -> None:
        ble.gatts_write(self._value_handle, data, send_update)


class BufferedCharacteristic(Characteristic):
    """A characteristic that takes writes of more than 20 bytes."""

    def __init__(self, *args: Any, max_len: int = 20, append: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_len = max_len
        self._append = append

    def _register(self, value_handle: int) -> None:
        super()._register(value_handle)
        ble.gatts_set_buffer(value_handle, self._max_len, self._append)


def register_services(*services: Service) -> None:
    ensure_active()
    handles = ble.gatts_register_services(
        tuple((s.uuid, tuple((c.uuid, c.flags) for c in s.characteristics)) for s in services)
    )
    for service, numbers in zip(services, handles):
        for characteristic, number in zip(service.characteristics, numbers):
            characteristic._register(number)
