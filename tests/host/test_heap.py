# SPDX-License-Identifier: Apache-2.0
"""What a booted car leaves of a board's heap (design: at least 64 KB of an ESP32's 134, radio and bench off)."""

from collections.abc import Callable

import pytest

from host_tools.build.staging import SOURCES
from host_tools.sim import heap
from host_tools.sim.heap import Heap, measure
from host_tools.sim.interpreter import WIDER, find_micropython

AGENT = SOURCES / "latchkey"
FREE = 64 * 1024
# What most lives of a car never need: loaded by the first who does.
RARE = {
    "assemble", "bench.meter", "bench.operations", "config", "infotainment", "provisioning", "start", "unprovisioned",
    "crypto.ecdsa", "crypto.field", "crypto.p256", "crypto.points", "crypto.points_plain", "crypto.publickey",
    "keys.answers", "keys.card", "keys.changes", "keys.enrolment", "keys.labels", "keys.loading", "keys.report",
    "keys.whitelist", "link.ble", "link.frames", "link.radio", "link.requests", "session.barereply", "store.boots",
    "store.files", "store.identity", "store.journal", "store.logreader", "store.reserve", "sync", "sync.dns",
    "sync.http", "sync.poll", "sync.polling", "sync.status", "sync.task", "sync.wifi", "view",
    "courier", "grants", "keys.asked", "keys.granted", "keys.makerinfo", "keys.makers", "keys.revoking", "keys.spent",
    "proof", "roster.contact", "roster.install", "roster.intake", "roster.kept",
    "roster.lookup", "roster.parcels",
    "wire.authoritymessages", "wire.carmessages", "wire.grantmessages", "wire.keymessages", "wire.viewmessages",
}  # fmt: skip


@pytest.fixture(scope="module")
def stages() -> dict[str, Heap]:
    return measure()


@pytest.fixture(scope="module")
def booted(stages: dict[str, Heap]) -> Heap:
    return stages["booted"]


def test_a_booted_car_leaves_a_board_64_kb(booted: Heap, record_property: Callable[[str, object], None]) -> None:
    scaled = f"{booted.on_board:,} on 32" if booted.bits == 64 else "measured"
    record_property("note", f"{booted.used:,} bytes of heap in use on {booted.bits} bits, {scaled} bits")
    record_property("note", f"{booted.board_free:,} bytes of a board's {heap.BOARD:,} are free")
    for part, size in booted.parts().items():
        record_property("note", f"{size:7,} bytes {part}")
    assert booted.board_free >= FREE


def test_one_that_fetches_its_rosters_leaves_as_much(record_property: Callable[[str, object], None]) -> None:
    synced = measure(sync=True)["booted"]
    record_property("note", f"{synced.board_free:,} bytes of a board's {heap.BOARD:,} are free with sync configured")
    loaded = {name.removeprefix("latchkey.") for name in synced.modules}
    assert {"roster.held", "sync"} <= loaded
    assert not loaded & (RARE - {"sync"})
    assert synced.board_free >= FREE


def test_what_is_rare_is_not_loaded(booted: Heap) -> None:
    loaded = {name.removeprefix("latchkey.") for name in booted.modules}
    assert {"router", "session.verify", "vehicle.state", "store.accesslog"} <= loaded
    assert not loaded & RARE
    there = {
        ".".join(path.relative_to(AGENT).with_suffix("").parts).removesuffix(".__init__")
        for path in AGENT.rglob("*.py")
    }
    assert there >= RARE, "a name that nothing has any more says nothing"


def test_what_a_key_operation_loads_is_dropped_but_for_its_native_code_and_its_names(stages: dict[str, Heap]) -> None:
    booted, during, after = (set(stages[stage].modules) for stage in ("booted", "key operation", "after it"))
    assert "latchkey.keys.enrolment" in during
    assert {name for name in after - booted if name.startswith("latchkey.keys")} == set()
    assert "latchkey.crypto.field" in after
    assert stages["booted"].used < stages["after it"].used < stages["key operation"].used


def test_a_radio_and_a_bench_are_counted_where_they_are_on_and_hold_nothing_that_was_dropped(booted: Heap) -> None:
    both = measure(bench=True, radio=True)
    loaded = set(both["booted"].modules)
    assert {"latchkey.bench.operations", "latchkey.link.ble"} <= loaded - set(booted.modules)
    assert not {name for name in loaded if name.endswith("bluetooth")}, "a board has that in C"
    at_rest, during, after = (both[stage].used for stage in ("booted", "key operation", "after it"))
    assert after - at_rest < (during - at_rest) / 2


def test_an_interpreter_says_whether_the_firmware_is_in_it() -> None:
    assert not heap.frozen(find_micropython())


def test_the_parts_add_up(booted: Heap) -> None:
    assert sum(booted.parts().values()) == booted.used
    assert min(booted.parts().values()) > 0


def test_64_bits_are_scaled_to_a_board_and_32_are_not() -> None:
    assert Heap(64, 147_000, {}, 0, 0).on_board == round(147_000 / WIDER)
    assert Heap(32, 70_000, {}, 0, 0).board_free == 134 * 1024 - 70_000
