# SPDX-License-Identifier: Apache-2.0
"""What a request on the bench channel does (docs/bench.md, "Operations"): one method for each."""

import asyncio
import gc
import sys
import time

from micropython import const

from latchkey import VERSION, config, forget, load
from latchkey.bench.meter import Meter
from latchkey.bench.stretches import Stretches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from latchkey.car import Car
    from latchkey.parts import Parts

_PAGE = const(16)  # keys or log entries in one answer
_ROW = const(64)  # free slots that are passed over in one stretch
_FREE = const(0xFF)
_RESET_MS = const(200)  # time for an answer to leave before a reset
_PROVISIONING = (  # what it takes, each after what it needs
    "latchkey.crypto.publickey",
    "latchkey.store.files",
    "latchkey.store.journal",
    "latchkey.store.reserve",
    "latchkey.store.identity",
    "latchkey.keys.changes",
    "latchkey.provisioning",
)

_LIMITS = (
    "commands",
    "not_before",
    "not_after",
    "uses",
    "used",
    "powered_left",
    "number",
)  # limits.told

# In the order of vcsec.proto, ClosureStatuses.
CLOSURES = (
    "front_driver_door",
    "front_passenger_door",
    "rear_driver_door",
    "rear_passenger_door",
    "rear_trunk",
    "front_trunk",
    "charge_port",
    "tonneau",
)


class BenchError(Exception):
    """The harness asked for what cannot be done; the message says why."""


class Bench:
    """handle(request) is given to the serial link. Each op is a method, or a coroutine, named op_<op>: it takes the
    request."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._meter = Meter(parts)
        self._stretches = Stretches(parts.tasks)
        self.watch = self._meter.watch
        self.emit = self._meter.emit

    async def handle(self, request: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"id": request.get("id"), "ok": True}
        op = getattr(self, "op_%s" % request.get("op"), None)
        try:
            if op is None:
                raise BenchError("unknown op %s" % request.get("op"))
            result = op(request)
            answer["result"] = await result if hasattr(result, "send") else result
        except (BenchError, config.ConfigError, ValueError, KeyError, TypeError) as error:
            answer["ok"] = False
            answer["error"] = str(error) or repr(error)
        return answer

    # Any board

    def op_info(self, request: dict[str, Any]) -> dict[str, Any]:
        parts = self._parts
        vin = parts.settings.vin
        told = "off"
        if parts.sync:
            from latchkey.sync import status

            told = status.text(parts.sync)
            forget("latchkey.sync.status")
        return {
            "version": VERSION,
            "vin": vin,
            "provisioned": vin is not None,
            "board": parts.board.NAME,
            "boot": parts.boot,
            "uptime": parts.clock.now(),
            "radio": (parts.radio.trouble or "on") if parts.radio else "off",
            "sync": told,
            "build": "development" if "latchkey.prompt" in sys.modules else "production",
            "micropython": ".".join(str(part) for part in sys.implementation.version[:3]),
        }

    async def op_provision(self, request: dict[str, Any]) -> dict[str, str]:
        """New identity and settings, keys wiped: all or nothing, then a reset."""
        import json

        await load(*_PROVISIONING)
        from latchkey import provisioning
        from latchkey.crypto import publickey

        root, vin = self._parts.root, self._parts.settings.vin
        if vin is not None and not request.get("force"):
            raise BenchError("this board is %s already; provision with force to wipe its keys" % vin)
        if not request.get("force") and provisioning.has_keys(root):
            raise BenchError("a car's keys are here, and its settings are lost: put its config.json back, or use force")
        settings = dict(request.get("settings") or {})
        settings["vin"] = request.get("vin")
        text = json.dumps(settings).encode()
        config.parse(text, self._parts.board)
        private = await publickey.generate_private()
        public = await publickey.public_key(private)
        await provisioning.provision(root, text, private, public)
        self._restart()
        return {"public_key": public.hex()}

    def op_reboot(self, request: dict[str, Any]) -> None:
        self._restart()

    def op_hang(self, request: dict[str, Any]) -> None:
        """Block the loop, as a bug would: the watchdog has to notice."""
        time.sleep_ms(request["ms"])

    async def op_heap(self, request: dict[str, Any]) -> dict[str, int]:
        gc.collect()
        found = {"free": gc.mem_free(), "alloc": gc.mem_alloc()}
        await asyncio.sleep_ms(0)
        found["largest"] = await _largest_block()
        found.update(_outside())
        return found

    def op_stretch(self, request: dict[str, Any]) -> dict[str, Any]:
        longest = self._stretches
        told = {"us": longest.us, "who": longest.who}
        longest.us = 0
        return told

    def op_flash_ops(self, request: dict[str, Any]) -> dict[str, int]:
        return {"count": self._hook(getattr(self._parts.board, "flash_operations", None))()}

    def op_power_cut(self, request: dict[str, Any]) -> None:
        self._hook(getattr(self._parts.board, "power_cut", None))(request["after"])

    def op_flash_error(self, request: dict[str, Any]) -> None:
        more = request.get("forever", False), request.get("reads", False)
        self._hook(getattr(self._parts.board, "flash_error", None))(request["after"], request.get("error", 5), *more)

    def op_clock(self, request: dict[str, Any]) -> dict[str, int]:
        return {"now": self._parts.clock.advance(request["advance"])}

    def op_network(self, request: dict[str, Any]) -> None:
        self._hook(getattr(self._parts.board, "network", None))(bool(request["up"]))

    def op_pins(self, request: dict[str, Any]) -> dict[str, int | None]:
        return self._parts.pins.levels()

    # A car

    def op_state(self, request: dict[str, Any]) -> dict[str, Any]:
        car = self._car()
        vehicle = car.vehicle
        enrolment = car.desk.enrolment
        pending = enrolment.pending if enrolment else None
        closures = vehicle.closures
        told = {
            "locked": vehicle.locked,
            "start_enabled": vehicle.start_enabled,
            "start_left": vehicle.start_left(),
            "asleep": vehicle.asleep,
            "user_present": vehicle.user_present,
            "brake": vehicle.brake_pressed,
            "closures": {name: "open" if closures[i] else "closed" for i, name in enumerate(CLOSURES)},
            "pending": None,
            "collision": (enrolment.collision if enrolment else 0) or None,
        }
        if pending:
            change = pending.change
            left = pending.deadline - self._parts.clock.now()
            told["pending"] = {"key": change.key_id and change.key_id.hex(), "role": change.role, "left": left}
        return told

    def op_tap(self, request: dict[str, Any]) -> dict[str, str | None]:
        approved = self._car().tap()
        return {"approved": approved.hex() if approved else None}

    def op_brake(self, request: dict[str, Any]) -> None:
        self._car().vehicle.brake(bool(request["pressed"]))

    def op_door(self, request: dict[str, Any]) -> None:
        if request["name"] not in CLOSURES:
            raise BenchError("no door %s: one of %s" % (request["name"], ", ".join(CLOSURES)))
        self._car().vehicle.door(CLOSURES.index(request["name"]), bool(request["open"]))

    def op_evict(self, request: dict[str, Any]) -> None:
        self._car().desk.sessions.drop()

    def op_reply(self, request: dict[str, Any]) -> None:
        """The next replies are dropped (drop: n), or the next `count` are late (delay_ms)."""
        self._car()
        meter = self._meter
        meter.drop = request.get("drop", 0)
        meter.delay_ms = request.get("delay_ms", 0)
        meter.late = request.get("count", 1) if meter.delay_ms else 0

    def op_stats(self, request: dict[str, Any]) -> dict[str, Any]:
        self._car()
        meter = self._meter
        publickey = sys.modules.get("latchkey.crypto.publickey")  # not loaded for being asked about
        return {
            "p256": publickey.operations() if publickey else 0,
            "verified": meter.verified,
            "refused": meter.refused,
            "handshakes": meter.handshakes,
            "last_us": meter.last_us,
            "relay_us": meter.relay_us,
            "phones": [link.phones for link in self._parts.links],
        }

    async def op_keys(self, request: dict[str, Any]) -> dict[str, Any]:
        await load("latchkey.keys.labels", "latchkey.keys.limits")
        from latchkey.keys import labels, limits

        keychain = self._car().desk.keychain
        left = min(request.get("limit", _PAGE), _PAGE)
        keys = []
        for slot in range(request.get("start", 0), keychain.CAPACITY):
            if left <= 0:
                break
            if not slot % _ROW:
                await asyncio.sleep_ms(0)
            record = keychain.find_slot(slot, True) if keychain.slots[slot] != _FREE else None
            if record:
                left -= 1
                entry: dict[str, Any] = {
                    "slot": slot,
                    "key": record.id.hex(),
                    "public": record.public.hex(),
                    "role": record.role,
                    "form": record.form,
                    "origin": record.origin,
                    "label": labels.shown(record.label),
                    "impermanent": record.impermanent,
                    "seconds": record.seconds,
                }
                told = limits.told(record, keychain)
                if any(told):
                    entry["limits"] = dict(zip(_LIMITS, told), signer=record.signer.hex() if any(record.signer) else "")
                keys.append(entry)
                await asyncio.sleep_ms(0)
        return {"count": keychain.count, "keys": keys}

    async def op_log(self, request: dict[str, Any]) -> dict[str, Any]:
        await load("latchkey.store.logreader")
        from latchkey.store import logreader

        log = self._car().log
        limit = min(request.get("limit", _PAGE), _PAGE)
        return {"entries": list(logreader.entries(log, request.get("since", 0), limit)), "last": log.last}

    def _restart(self) -> None:
        self._task = asyncio.create_task(self._reset())

    async def _reset(self) -> None:
        """Answers leave, and the log is written first."""
        await asyncio.sleep_ms(_RESET_MS)
        if self._parts.car:
            await self._parts.car.log.flush()
        self._parts.tasks.reset()

    def _car(self) -> Car:
        car = self._parts.car
        if car is None:
            raise BenchError("this board is not provisioned: latchkey provision gives it an identity")
        return car

    def _hook(self, hook: Any) -> Any:
        if hook is None:
            raise BenchError("not on this board")
        return hook


def _outside() -> dict[str, int]:
    """The memory that Python's heap grows into, and the radio's stack and Wi-Fi live in, where the chip tells."""
    try:
        from esp32 import HEAP_DATA, idf_heap_info

        regions = idf_heap_info(HEAP_DATA)
    except ImportError:
        return {}
    free = sum(free for _, free, _, _ in regions)
    return {"system_free": free, "system_largest": max(largest for _, _, largest, _ in regions)}


async def _largest_block() -> int:
    """Bytes of the largest single allocation that succeeds now, to 1 KB. Each try collects the heap, and gives way."""
    low, high = 0, gc.mem_free() // 1024
    while low < high:
        middle = (low + high + 1) // 2
        try:
            bytearray(middle * 1024)
            low = middle
            gc.collect()
        except MemoryError:
            high = middle - 1
        await asyncio.sleep_ms(0)
    return low * 1024
