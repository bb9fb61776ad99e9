# SPDX-License-Identifier: Apache-2.0
"""A bench without a board: the harness's hand on the model of a car, for tests of the command line."""

from __future__ import annotations

import hashlib
from typing import Any, Self

from host_tools.serial.bench import BenchError
from tests.host.car_model import CarModel, ModelConnection

CLOSURES = [
    "front_driver_door",
    "front_passenger_door",
    "rear_driver_door",
    "rear_passenger_door",
    "rear_trunk",
    "front_trunk",
    "charge_port",
    "tonneau",
]


class FakeBench:
    """What host_tools.serial.bench.Bench is to a real car."""

    def __init__(self) -> None:
        self.car = CarModel()
        self.hello: dict[str, Any] = {"vin": self.car.vin, "boot": "b00700", "version": "1", "board": "MODEL"}
        self.connections: list[ModelConnection] = []
        self.opened: list[tuple[str, float, bool]] = []
        self.calls: list[tuple[Any, ...]] = []
        self.entries: list[dict[str, Any]] = []
        self.opens: dict[str, bool] = {}
        self.fail: Exception | None = None

    def open(self, port: str, timeout: float = 10.0, share: bool = False) -> Self:
        self.opened.append((port, timeout, share))
        if self.fail:
            raise self.fail
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append(("closed",))

    @property
    def vin(self) -> str | None:
        return self.hello.get("vin")

    def status(self) -> dict[str, Any]:
        info = self.info()
        return {**info, **self.state()} if info["provisioned"] else info

    @property
    def boot(self) -> str:
        return str(self.hello["boot"])

    def connect(self) -> ModelConnection:
        self.connections.append(ModelConnection(self.car))
        return self.connections[-1]

    def info(self) -> dict[str, Any]:
        provisioned = self.hello["vin"] is not None
        return {**self.hello, "provisioned": provisioned, "uptime": 5, "micropython": "1.28.0"}

    def provision(self, vin: str, settings: dict[str, Any] | None = None, force: bool = False) -> dict[str, Any]:
        for name in settings or {}:
            if name not in ("radio", "bench"):
                raise BenchError(f"provision: {name}: unknown setting")
        self.calls.append(("provision", vin, settings, force))
        self.hello["vin"] = vin
        return {"public_key": self.car.public.hex()}

    def state(self) -> dict[str, Any]:
        pending = None
        if self.car.pending:
            pending = {"key": hashlib.sha1(self.car.pending_key).hexdigest()[:8], "role": 2, "left": 29}
        return {
            "locked": self.car.locked,
            "start_enabled": self.car.start_enabled,
            "start_left": 120 if self.car.start_enabled else 0,
            "asleep": False,
            "user_present": False,
            "brake": False,
            "closures": {name: "open" if self.opens.get(name) else "closed" for name in CLOSURES},
            "pending": pending,
        }

    def tap(self) -> dict[str, Any]:
        approved = hashlib.sha1(self.car.pending_key).hexdigest()[:8] if self.car.pending else None
        answers = self.car.tap()
        if self.connections:
            self.connections[-1].inbox.extend(answers)
        return {"approved": approved}

    def tap_for(self, key: str | None = None, patience: float = 0) -> str | None:
        approved: str | None = self.tap()["approved"]
        return approved

    def brake(self, pressed: bool) -> None:
        self.calls.append(("brake", pressed))

    def door(self, name: str, is_open: bool) -> None:
        if name not in CLOSURES:
            raise BenchError(f"door: no door {name}")
        self.opens[name] = is_open

    def clock(self, seconds: int) -> int:
        self.car.ahead += seconds
        return self.car.clock()

    def reboot(self, timeout: float = 30.0) -> None:
        self.car.reboot()
        self.hello["boot"] = "b00701"

    def keys(self) -> list[dict[str, Any]]:
        return [
            {
                "slot": key.slot,
                "key": hashlib.sha1(key.public).hexdigest()[:8],
                "public": key.public.hex(),
                "role": key.role,
                "form": 9,
                "origin": 1,
                "label": key.label,
                "impermanent": False,
            }
            for key in self.car.keys.values()
        ]

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["seq"] > since]
