# SPDX-License-Identifier: Apache-2.0
"""The access log's chain: what is whole, and by what name each thing is called that is not."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from host_tools.phone import chain
from host_tools.phone.chain import Head
from host_tools.phone.heads import BadHeads, Heads
from tests.host.logging_car import GAP, LoggingCar, an_entry, link_of

NOTHING = bytes(16)


def a_log(count: int, gap_at: int = 0, earlier: int = 0) -> list[bytes]:
    """So many entries; the first few of an earlier firmware, and one that says that the chain begins anew."""
    raws: list[bytes] = []
    for n in range(1, count + 1):
        begins = n == gap_at or n == 1
        before = NOTHING if begins else link_of(raws[-1])
        raws.append(
            an_entry(n, before, GAP if n == gap_at else 2, tag=bytes([n & 0xFF]) * 8, version=2 if n <= earlier else 3)
        )
    return raws


def end(raws: list[bytes]) -> Head:
    return Head(chain.number(raws[-1]), link_of(raws[-1])) if raws else Head(0, NOTHING)


def said(raws: list[bytes], head: Head | None = None, seen: Head | None = None) -> list[tuple[str, int, int]]:
    return [(it.name, it.first, it.last) for it in chain.check(raws, head or end(raws), seen)]


def resealed(raw: bytes, at: int, to: int) -> bytes:
    """An entry with another byte, and a checksum that fits."""
    changed = bytearray(raw)
    changed[at] ^= to
    changed[60:] = zlib.crc32(bytes(changed[:60])).to_bytes(4, "little")
    return bytes(changed)


@pytest.mark.parametrize("count", [0, 1, 2, 64, 100])
def test_a_whole_log_has_nothing_said_of_it(count: int) -> None:
    raws = a_log(count)
    assert said(raws) == []
    for n in (0, 1, count // 2, count):
        if n <= count:
            assert said(raws, seen=Head(n, link_of(raws[n - 1]) if n else NOTHING)) == []


def test_a_ring_that_has_gone_round_is_whole_from_its_oldest_entry_on() -> None:
    raws = a_log(700)
    assert chain.oldest(700) == 193
    assert said(raws[192:]) == []
    assert said(raws[193:]) == [("MISSING", 193, 193)]
    assert [chain.oldest(n) for n in (0, 1, 512, 513, 576, 577)] == [1, 1, 1, 65, 65, 129]


def test_h7_every_byte_of_an_entry_is_noticed_also_where_its_checksum_was_made_to_fit() -> None:
    raws = a_log(5)
    head = end(raws)
    for at in range(60):
        changed = [*raws[:2], resealed(raws[2], at, 0x40), *raws[3:]]
        assert said(changed, head), f"byte {at}"
        torn = bytearray(raws[2])
        torn[at] ^= 1
        assert ("ALTERED", 3, 3) in said([*raws[:2], bytes(torn), *raws[3:]], head), at


def test_a_changed_entry_is_named() -> None:
    raws = a_log(5)
    assert said([*raws[:2], resealed(raws[2], 23, 1), *raws[3:]], end(raws)) == [("ALTERED", 3, 3)]


def test_h11_what_was_changed_and_chained_anew_does_not_end_where_the_car_says() -> None:
    raws = a_log(5)
    forged = [*raws[:3], an_entry(4, link_of(raws[2]), tag=b"forged..")]
    forged.append(an_entry(5, link_of(forged[3])))
    assert said(forged, end(raws)) == [("HEAD", 5, 5)]


def test_h8_what_is_missing_is_named_wherever_it_was() -> None:
    raws = a_log(9)
    head = end(raws)
    assert said(raws[1:], head) == [("MISSING", 1, 1)]
    assert said([*raws[:3], *raws[5:]], head) == [("MISSING", 4, 5)]
    assert said(raws[:-2], head) == [("MISSING", 8, 9)]
    assert said([], head) == [("MISSING", 1, 9)]


def test_h9_an_order_that_is_not_that_of_the_numbers_is_named() -> None:
    raws = a_log(5)
    assert ("ORDER", 2, 2) in said([raws[0], raws[2], raws[1], *raws[3:]], end(raws))
    assert said([raws[0], raws[1], raws[1], *raws[2:]], end(raws)) == [("ORDER", 2, 2)]


def test_entries_that_changed_places_and_numbers_do_not_link() -> None:
    raws = a_log(5)
    swapped = [raws[0], resealed(raws[2], 0, 3 ^ 2), resealed(raws[1], 0, 3 ^ 2), *raws[3:]]
    assert [name for name, _, _ in said(swapped, end(raws))] == ["ALTERED"] * 3


def test_h12_a_log_that_ends_before_where_it_was_seen_to_end_is_truncated() -> None:
    raws = a_log(9)
    assert said(raws[:6], seen=end(raws)) == [("TRUNCATED", 7, 9)]
    assert said([], seen=end(raws)) == [("TRUNCATED", 1, 9)]


def test_h13_one_that_went_another_way_is_forked() -> None:
    raws = a_log(6)
    other = [*raws[:4], an_entry(5, link_of(raws[3]), tag=b"another.")]
    other += [an_entry(6, link_of(other[4]))]
    assert said(other, seen=end(raws)) == [("FORKED", 6, 6)]
    assert said(other, seen=end(raws[:4])) == []


def test_h14_what_was_seen_and_is_overwritten_says_no_more() -> None:
    raws = a_log(700)
    assert said(raws[192:], seen=end(raws[:192])) == [("MOVED_ON", 192, 192)]
    assert said(raws[192:], seen=end(raws[:193])) == []


def test_h10_behind_an_earlier_firmware_a_chain_begins_and_that_is_only_said() -> None:
    raws = a_log(9, gap_at=5, earlier=4)
    assert said(raws) == [("EARLIER", 5, 5)] and chain.EARLIER in chain.NOTES
    assert said(a_log(4, earlier=4)) == []
    assert ("ALTERED", 5, 5) in said([*a_log(4, earlier=4), *a_log(9)[4:]], end(a_log(9)))
    assert ("ALTERED", 5, 5) in said([*a_log(4), an_entry(5, NOTHING, version=2)])


def test_h10_damage_that_the_car_found_itself_is_a_gap() -> None:
    raws = a_log(9, gap_at=5)
    assert said(raws) == [("GAP", 5, 5)]
    assert said([*raws[:3], *raws[4:]]) == [("MISSING", 4, 4), ("GAP", 5, 5)]
    assert said(a_log(9, gap_at=1)) == []
    raws = a_log(700, gap_at=193)
    assert said(raws[192:]) == [], "it is the oldest that there is"


def test_bytes_that_are_no_entry_are_no_crash() -> None:
    raws = a_log(2)
    for junk in (b"", b"x", bytes(63), bytes(64), bytes(65), b"\xff" * 64):
        assert ("ALTERED", 3, 3) in said([*raws, junk], Head(3, NOTHING))


def test_a_signature_is_of_one_car_one_vin_and_one_head() -> None:
    car = LoggingCar()
    car.write()
    told = car.head(True)
    head = Head(told.number, told.chain, told.signature)
    assert chain.is_signed(car.public, car.vin, head)
    assert not chain.is_signed(LoggingCar().public, car.vin, head)
    assert not chain.is_signed(car.public, car.vin[:-1] + "0", head)
    for other in (
        Head(2, head.chain, head.signature),
        Head(1, NOTHING, head.signature),
        Head(1, head.chain, bytes(64)),
        Head(1, head.chain),
        Head(1, head.chain, b"\xff" * 64),
    ):
        assert not chain.is_signed(car.public, car.vin, other)
    assert not chain.is_signed(b"\x04" + bytes(64), car.vin, head)


def test_h14_where_a_log_was_seen_to_end_is_kept_by_vin_and_car(tmp_path: Path) -> None:
    key = tmp_path / "owner.pem"
    key.touch()
    heads = Heads(key)
    assert heads.seen("V1", b"a") is None
    heads.keep("V1", b"a", Head(7, b"c" * 16))
    heads.keep("V2", b"a", Head(0, NOTHING))
    assert Heads(key).seen("V1", b"a") == Head(7, b"c" * 16)
    assert Heads(key).seen("V1", b"b") is None, "a board that was provisioned anew is another car"
    assert heads.path.stat().st_mode & 0o777 == 0o600 and heads.path.name == "owner.pem.heads.json"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 2, "heads": {}}', '{"version": 1}', '{"version": 1, "heads": {"a": 5}}',
     '{"version": 1, "heads": {"a": {"number": "1", "chain": ""}}}',
     '{"version": 1, "heads": {"a": {"number": -1, "chain": "00000000000000000000000000000000"}}}'],
)  # fmt: skip
def test_a_file_that_cannot_be_relied_on_is_not_taken_for_empty(tmp_path: Path, text: str) -> None:
    key = tmp_path / "owner.pem"
    key.touch()
    heads = Heads(key)
    heads.path.write_text(text)
    with pytest.raises(BadHeads):
        heads.seen("V", b"a")
    with pytest.raises(BadHeads):
        heads.keep("V", b"a", Head(1, NOTHING))
    assert heads.path.read_text() == text
