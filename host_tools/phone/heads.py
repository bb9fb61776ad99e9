# SPDX-License-Identifier: Apache-2.0
"""Where this phone saw the logs of its cars end, beside its key: what is compared the next time a log is verified.

By VIN and the car's own key, since a board that was provisioned anew is another car.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from host_tools.faults import LatchkeyError
from host_tools.phone import beside
from host_tools.phone.chain import Head

_VERSION = 1
_LARGEST = 1 << 20


class BadHeads(LatchkeyError):
    """The file cannot be relied on: to take it for empty would forget what was seen."""

    name = "HEADS_FILE"


class Heads:
    """The file of one key."""

    def __init__(self, key_path: Path) -> None:
        self._key_path = key_path
        self.path = beside.beside(key_path, "heads")

    def seen(self, vin: str, car_public: bytes) -> Head | None:
        """Where that car's log was seen to end, if it was. Raises BadHeads."""
        return self._read().get(_name(vin, car_public))

    def keep(self, vin: str, car_public: bytes, head: Head) -> None:
        """That it ends there now. Raises BadHeads."""
        try:
            with beside.locked(self._key_path):
                heads = {**self._read(), _name(vin, car_public): head}
                told = {name: {"number": it.number, "chain": it.chain.hex()} for name, it in heads.items()}
                beside.replace(self.path, json.dumps({"version": _VERSION, "heads": told}))
        except OSError as error:
            raise BadHeads(f"{self.path} cannot be written: {error.strerror}") from error

    def _read(self) -> dict[str, Head]:
        try:
            found = beside.document(self.path, _LARGEST)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BadHeads(f"{self.path} cannot be read: {error.strerror}") from error
        if found is None or found.get("version") != _VERSION:
            raise BadHeads(f"{self.path} is damaged, or of another version", "move it away to begin anew")
        try:
            return {str(name): _head(it) for name, it in found["heads"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise BadHeads(f"{self.path} is damaged", "move it away to begin anew") from None


def _name(vin: str, car_public: bytes) -> str:
    return f"{vin} {car_public.hex()}"


def _head(value: Any) -> Head:
    head = Head(value["number"], bytes.fromhex(value["chain"]))
    if type(head.number) is not int or not 0 <= head.number < 1 << 32 or len(head.chain) != 16:
        raise ValueError("no head")
    return head
