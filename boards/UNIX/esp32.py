# SPDX-License-Identifier: Apache-2.0
"""The `esp32` module of the simulated board: NVS, which is a file beside the flash image (in RAM, without an image)."""

import json
import os

_NOT_FOUND = -0x1102  # ESP_ERR_NVS_NOT_FOUND
ram: dict[str, int | str] = {}


class NVS:
    """Whole numbers, and bytes, by name. What is set is kept from `commit` on."""

    def __init__(self, namespace: str) -> None:
        image = os.getenv("LATCHKEY_IMAGE")
        self._path = image + ".nvs" if image else None
        self._namespace = namespace + "."
        self._set: dict[str, int | str] = {}

    def get_i32(self, key: str) -> int:
        name = self._namespace + key
        kept = self._read()
        value = kept.get(name)
        if not isinstance(value, int):
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        return value

    def set_i32(self, key: str, value: int) -> None:
        self._set[self._namespace + key] = value

    def get_blob(self, key: str, buffer: bytearray) -> int:
        kept = self._read().get(self._namespace + key)
        if not isinstance(kept, str):
            raise OSError(_NOT_FOUND, "ESP_ERR_NVS_NOT_FOUND")
        raw = bytes.fromhex(kept)
        if len(raw) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(raw)] = raw
        return len(raw)

    def set_blob(self, key: str, value: "bytes | bytearray | memoryview") -> None:
        self._set[self._namespace + key] = bytes(value).hex()

    def commit(self) -> None:
        kept = self._read()
        kept.update(self._set)
        self._write(kept)

    def _read(self) -> dict[str, int | str]:
        if not self._path:
            return dict(ram)
        try:
            with open(self._path) as f:
                kept = json.load(f)
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict):
            return {}  # what is no NVS holds nothing
        return {name: kept[name] for name in kept if isinstance(kept[name], (int, str))}

    def _write(self, kept: dict[str, int | str]) -> None:
        if not self._path:
            ram.clear()
            ram.update(kept)
            return
        with open(self._path + ".new", "w") as f:
            json.dump(kept, f)
        os.rename(self._path + ".new", self._path)
