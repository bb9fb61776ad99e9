# SPDX-License-Identifier: Apache-2.0
"""A folder that is gone, a file in its place, a number that is too high: each restarted the car for ever, keys and all.

Whatever is damaged or absent is worked around and told, and whom the car can still read it lets in.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from host_tools.faults import Refused
from host_tools.phone import keyfile, messages
from host_tools.phone.client import Phone
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.flash_image import change
from tests.bench.support import VIN, new_phone, stranger

_TOOLS = """
def gone(folder):
    for name in os.listdir(folder):
        os.remove(folder + '/' + name)
    os.rmdir(folder)
def file(path, content=b'x'):
    with open(path, 'wb') as f:
        f.write(content)
def entry(number, boot):
    import binascii, struct
    raw = bytearray(64)
    struct.pack_into('<IIIH13sB', raw, 0, number, boot, 7, 1, bytes(13), 1)
    struct.pack_into('<I', raw, 60, binascii.crc32(raw[:60]))
    return raw
def foreign():
    from hashlib import sha256
    head = bytes((0x4c, 0x6b, 9, 9 ^ 255))
    return head + sha256(head + b'x').digest()[:8] + b'x'
"""
DAMAGE = {
    "a folder of keys is gone": "gone('/data/keysOTHER')",
    "a file is in the place of a folder of keys": "gone('/data/keysOTHER')\nfile('/data/keysOTHER')",
    "a folder is in the place of a bucket": "os.remove('/data/keysOTHER/0OTHER')\nos.mkdir('/data/keysOTHER/0OTHER')",
    "the journal is a folder": "os.mkdir('/data/journal/redo')",
    "the journal's folder is a file": "os.rmdir('/data/journal')\nfile('/data/journal')",
    "the journal is random": "file('/data/journal/redo', os.urandom(200))",
    "the journal is another firmware's": "file('/data/journal/redo', foreign())",
    "the log's boot is the highest there is": "file('/data/log/0', entry(1, 0xffffffff))",
    "the log's number is the highest there is": "file('/data/log/7', entry(0xffffffff, 1))",
    "the log's folder is a file": "gone('/data/log')\nfile('/data/log')",
    "the number of starts is a folder": "os.remove('/data/boot')\nos.mkdir('/data/boot')",
    "the reserve is a folder": "os.remove('/data/reserve')\nos.mkdir('/data/reserve')",
    "a half-written file is a folder": "os.mkdir('/data/new.tmp')\nfile('/data/new.tmp/x')",
    "one copy of the identity is empty": "file('/data/identity', b'')",
    "one copy of the settings is a folder": "os.remove('/data/settings')\nos.mkdir('/data/settings')",
    "the second copies are a file": "gone('/data/twin')\nfile('/data/twin')",
}


@pytest.fixture(scope="module")
def paired(simulated: SimulatedBoard, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keyfile.Key]:
    """A car that is off, and its owner's key."""
    image = tmp_path_factory.mktemp("off") / "flash.img"
    with SimulatedBoard(image, vin=VIN) as board, Bench.open(board.port, 30) as car:
        owner = new_phone(car, "owner")
        owner.unlock()
        owner.lock()
        car.reboot()
    return image, owner.key


@pytest.mark.parametrize("name", DAMAGE)
def test_the_owner_gets_in_and_the_car_starts_once(paired: tuple[Path, keyfile.Key], tmp_path: Path, name: str) -> None:
    image, key = paired
    shutil.copy(image, tmp_path / "flash.img")
    others = (int(key.id[:2], 16) % 8 + 1) % 8  # a folder that has not the owner's key
    change(tmp_path / "flash.img", _TOOLS + DAMAGE[name].replace("OTHER", str(others)))
    with SimulatedBoard(tmp_path / "flash.img") as board, Bench.open(board.port, 20) as car:
        owner = stranger(car, key)
        owner.unlock()
        assert new_driver_or_refusal(car, owner)
        assert board.boots == 1
        boot = car.boot
        board.power_cycle()
        car.wait_boot(boot)
        stranger(car, key).lock()
        assert board.boots == 2 and car.log()


def new_driver_or_refusal(car: Bench, owner: Phone) -> bool:
    """A change works, or is refused with nothing changed."""
    before = {entry["key"] for entry in car.request("keys")["keys"]}
    guest = stranger(car)
    try:
        owner.change_keys(messages.add_key(guest.key.public, "driver", "Bo"))
    except Refused:
        return {entry["key"] for entry in car.request("keys")["keys"]} == before
    return {entry["key"] for entry in car.request("keys")["keys"]} == before | {guest.key.id}
