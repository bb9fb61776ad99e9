# SPDX-License-Identifier: Apache-2.0
"""Somebody with a programmer changes what the log says: a byte, an entry, its order, its end, or all of it.

A changed byte was noticed by its checksum alone, which anybody can compute; that entries were taken off the end, or a
whole log was put back as it had been, was noticed by nobody. Entries are chained now, and a phone remembers the end.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host_tools.phone import keyfile
from host_tools.phone.client import Phone
from host_tools.phone.keyfile import Key
from host_tools.phone.pairing import pair
from host_tools.serial.bench import Bench
from host_tools.sim.board import SimulatedBoard
from tests.bench.cuts import settle
from tests.bench.flash_image import files, write_file
from tests.bench.support import VIN, tap
from tests.host.command import run

SEGMENT = "/data/log/0"
COUNT = 12  # commands that the owner gave


@dataclass
class Crime:
    """A car that is off, whose owner saw its log end, and what he then finds."""

    image: Path
    key: Key

    def log(self) -> list[bytes]:
        data = files(self.image)[SEGMENT]
        return [data[at : at + 64] for at in range(0, len(data), 64)]

    def verified(self, code: int = 1) -> list[str]:
        """What the owner is told of the log, at the car."""
        with SimulatedBoard(self.image) as board:
            with Bench.open(board.port, 30) as car:
                settle(car)  # what it has to say of its start is written
            told = run("log", "--verify", "--key", str(self.key.path), "--port", board.port, "--json")
        assert told.exit_code == code, told.output
        found: dict[str, Any] = json.loads(told.stdout)
        return [finding["name"] for finding in found["findings"]]

    def write(self, raws: list[bytes]) -> None:
        write_file(self.image, SEGMENT, b"".join(raws))

    def rewritten(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        self.write(change(self.log()))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Crime:
    """Twelve commands, a look at the log, and no power."""
    folder = tmp_path_factory.mktemp("scene")
    key = keyfile.create(folder / "owner.pem")
    with SimulatedBoard(folder / "flash.img", vin=VIN) as board:
        with Bench.open(board.port, 30) as car:
            phone = Phone(car.connect(), VIN, key)
            pair(phone, "owner", "Ann", on_wait=lambda: tap(car, phone))
            for n in range(COUNT):
                phone.unlock() if n % 2 else phone.lock()
                settle(car)
        told = run("log", "--verify", "--key", str(key.path), "--port", board.port)
        assert told.exit_code == 0, told.output
    return Crime(folder / "flash.img", key)


@pytest.fixture
def crime(seen: Crime, tmp_path: Path) -> Crime:
    for path in [seen.image, *seen.image.parent.glob("owner.pem*")]:
        shutil.copy(path, tmp_path / path.name)
    return Crime(tmp_path / seen.image.name, keyfile.load(tmp_path / "owner.pem"))


def sealed(raw: bytes) -> bytes:
    """With a checksum that fits."""
    return raw[:60] + struct.pack("<I", zlib.crc32(raw[:60]))


def chained(raws: list[bytes]) -> list[bytes]:
    """A chain that fits, too: whoever has the flash can compute it."""
    found: list[bytes] = []
    for raw in raws:
        before = found[-1][36:52] if found else bytes(16)
        found.append(sealed(raw[:36] + hashlib.sha256(before + raw[:36]).digest()[:16] + bytes(8)))
    return found


def other_key(raw: bytes) -> bytes:
    return raw[:22] + b"\xaa\xbb\xcc\xdd" + raw[26:]


def renumbered(raws: list[bytes]) -> list[bytes]:
    return [struct.pack("<I", n) + raw[4:] for n, raw in enumerate(raws, 1)]


def test_an_untouched_log_verifies_after_any_number_of_starts(crime: Crime) -> None:
    assert crime.verified(0) == crime.verified(0) == []


def test_a_byte_is_changed(crime: Crime) -> None:
    before = crime.log()
    for at in (0, 4, 20, 28, 40, 55, 61):
        changed = bytearray(before[4])
        changed[at] ^= 1
        crime.write([*before[:4], bytes(changed), *before[5:]])
        assert crime.verified() == ["MISSING"], "the car passes over what is damaged"


def test_an_entry_is_changed_and_its_checksum_too(crime: Crime) -> None:
    crime.rewritten(lambda raws: [*raws[:4], sealed(other_key(raws[4])), *raws[5:]])
    assert crime.verified() == ["ALTERED"]


def test_an_entry_is_changed_and_the_chain_made_anew_from_there_on(crime: Crime) -> None:
    crime.rewritten(lambda raws: chained([*raws[:4], other_key(raws[4]), *raws[5:]]))
    for _ in range(2):
        assert crime.verified() == ["FORKED"], "and it stays so"


def test_entries_change_places(crime: Crime) -> None:
    crime.rewritten(lambda raws: [sealed(raw) for raw in renumbered([*raws[:4], raws[5], raws[4], *raws[6:]])])
    assert set(crime.verified()) == {"ALTERED"}


def test_entries_are_taken_out_of_the_middle(crime: Crime) -> None:
    crime.rewritten(lambda raws: chained(renumbered([*raws[:4], *raws[6:]])))
    assert crime.verified() == ["TRUNCATED"]


def test_entries_are_taken_off_the_end(crime: Crime) -> None:
    crime.rewritten(lambda raws: raws[:-4])
    assert crime.verified() == ["TRUNCATED"]


def test_what_was_taken_off_is_written_over_by_what_comes_after(crime: Crime) -> None:
    crime.rewritten(lambda raws: raws[:-4])
    with SimulatedBoard(crime.image) as board:
        for _ in range(6):
            assert run("unlock", "--key", str(crime.key.path), "--port", board.port).exit_code == 0
    assert crime.verified() == ["FORKED"]


def test_the_log_is_thrown_away(crime: Crime) -> None:
    crime.rewritten(lambda _: [])
    assert crime.verified() == ["TRUNCATED"]


def test_the_newest_entry_is_damaged_so_that_the_chain_begins_anew(crime: Crime) -> None:
    crime.rewritten(lambda raws: [*raws[:-1], bytes(64)])
    assert crime.verified() == ["MISSING", "GAP"]


def test_the_log_is_taken_for_one_of_an_earlier_firmware(crime: Crime) -> None:
    """Entries of version 2 have no chain."""
    crime.rewritten(lambda raws: [sealed(raw[:27] + b"\2" + bytes(32)) for raw in raws])
    assert "FORKED" in crime.verified()
