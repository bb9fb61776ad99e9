# SPDX-License-Identifier: Apache-2.0
"""How long things take, measured for the report: nothing here fails for being slow, only for not being done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from tests.bench.support import Property, new_phone, reboot

pytestmark = pytest.mark.usefixtures("resting")

TIMES = 30


def timed(do: Callable[[], object], times: int = TIMES) -> list[float]:
    """Milliseconds of each."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        do()
        found.append(round(1000 * (time.perf_counter() - began), 2))
    return found


@pytest.mark.parametrize("name", ["unlock", "start", "lock"])
def test_a_command(car: Bench, owner: Phone, name: str, record_property: Property) -> None:
    owner.wake()
    command, inside = messages.action(name), []
    outside = timed(lambda: owner.command(command))
    for _ in range(10):
        owner.command(command)
        inside.append(car.stats()["last_us"] / 1000)
    record_property("measure", {"name": f"{name}: from the phone and back", "unit": "ms", "values": outside})
    record_property("measure", {"name": f"{name}: inside the car", "unit": "ms", "values": inside})
    assert owner.resyncs == 0


def test_start_to_relay(car: Bench, owner: Phone, record_property: Property) -> None:
    values = []
    for _ in range(10):
        owner.start()
        values.append(car.stats()["relay_us"] / 1000)
        owner.lock()
    assert min(values) > 0
    record_property("measure", {"name": "start: last byte in to relay edge", "unit": "ms", "values": values})


def test_handshakes(car: Bench, owner: Phone, record_property: Property) -> None:
    values = timed(owner.handshake)
    record_property("measure", {"name": "handshake of a known key", "unit": "ms", "values": values})


def test_a_key_is_added_and_others_are_served_meanwhile(car: Bench, owner: Phone, record_property: Property) -> None:
    driver = new_phone(car, "driver", by=owner)
    driver.wake()
    waits: list[float] = []
    done = threading.Event()

    def drive() -> None:
        while not done.is_set():
            waits.extend(timed(driver.wake, 1))

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        added = timed(lambda: owner.change_keys(messages.add_key(keyfile.generate().public, "guest")), 5)
    finally:
        done.set()
        thread.join()
    assert len(waits) >= len(added)  # somebody was served while each was made
    record_property("measure", {"name": "a key is added", "unit": "ms", "values": added})
    record_property("measure", {"name": "another phone's command meanwhile", "unit": "ms", "values": waits})


def test_restarts(car: Bench, owner: Phone, record_property: Property) -> None:
    boots = timed(car.reboot, 3)
    reboot(car, owner)
    began = time.perf_counter()
    owner.unlock()
    first = 1000 * (time.perf_counter() - began)
    record_property("measure", {"name": "restart to the first answer", "unit": "ms", "values": boots})
    record_property("measure", {"name": "first unlock after a restart", "unit": "ms", "values": [round(first, 2)]})
    heap = car.heap()
    record_property("note", f"heap after boot: {heap['free']} bytes free, largest block {heap['largest']}")
    if "system_free" in heap:  # a chip's, which the radio lives in
        record_property("note", f"outside of it: {heap['system_free']}, largest block {heap['system_largest']}")
    assert heap["free"] > 0
