# SPDX-License-Identifier: Apache-2.0
"""What an authority makes for a car: one encoding, read back whole, and refused when a bit of it is another."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_tools.authority import parcels
from host_tools.authority.parcels import Entry, Roster, Seal
from host_tools.phone import latchkey_pb2 as ours
from host_tools.phone import parcelfile
from host_tools.phone.parcelfile import BadParcels
from tests.host import authority_vectors
from tests.host.parcel_reader import Declined, canonical, read
from tests.host.rosters import NEXT_SIGNER, ROOT, SEAL, SIGNER, VIN, delegations, entries, public, roster, roster_file

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
POINTS = [public(number) for number in range(1, 41)]
LABELS = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=24).map(str.encode)
ENTRIES = st.builds(
    Entry,
    st.sampled_from(POINTS),
    st.sampled_from([2, 3, 4, 5, 6, 8]),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    LABELS,
)
NUMBERS = st.integers(1, 2**32 - 1)


@settings(deadline=None, max_examples=60)
@given(st.lists(ENTRIES, max_size=40, unique_by=lambda entry: entry.public), NUMBERS, NUMBERS, NUMBERS)
def test_what_was_made_is_read_back(keys: list[Entry], version: int, issued: int, expires: int) -> None:
    made = roster(keys, version, 1, issued=issued, expires=expires, interval=3600)
    file = parcels.roster_file(SEAL, delegations(), made, SIGNER)
    in_order = sorted(keys, key=lambda entry: entry.public)
    assert read(file, SEAL, public(101), VIN) == Roster(VIN, 1, version, issued, expires, in_order, 3600)
    assert file == parcels.roster_file(SEAL, delegations(), made, SIGNER)  # whenever it is made


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_changed_bit_is_refused(data: st.DataObject) -> None:
    file = bytearray(roster_file(entries(9)))
    bit = data.draw(st.integers(0, 8 * len(file) - 1))
    file[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Declined, BadParcels)):
        read(bytes(file), SEAL, public(101), VIN)


@pytest.mark.parametrize("generation", [1, 2, 3, 7])
def test_a_car_that_was_away_learns_of_a_new_root_from_the_one_it_knows(generation: int) -> None:
    file = roster_file(entries(3), version=5, generation=generation)
    assert len(read(file, SEAL, public(101), VIN).entries) == 3


def test_a_signer_that_was_given_up_is_refused() -> None:
    file = parcels.roster_file(SEAL, delegations(2), roster(entries(1), 9, 2), SIGNER)
    with pytest.raises(Declined, match="SIGNATURE"):
        read(file, SEAL, public(101), VIN)


def test_another_of_the_signers_may_sign() -> None:
    delegation = parcels.delegation(1, [public(201), public(202)], ROOT)
    file = parcels.roster_file(SEAL, [(1, delegation)], roster(entries(1)), NEXT_SIGNER, signer=1)
    assert read(file, SEAL, public(101), VIN).version == 1


def test_one_cars_file_is_nothing_to_another() -> None:
    with pytest.raises(Declined, match="ADDRESS"):
        read(roster_file(entries(1)), Seal(bytes(16)), public(101), VIN)


def test_a_key_twice_is_nobodys_roster() -> None:
    with pytest.raises(ValueError, match="twice"):
        parcels.parts([Entry(public(1), 2), Entry(public(1), 3)])


def test_the_one_encoding_is_read() -> None:
    assert canonical(ours.Head, bytes.fromhex("0a01411001")).generation == 1


@pytest.mark.parametrize(
    "bytes_",
    [
        pytest.param("10010a0141", id="fields in another order"),
        pytest.param("0a01411000", id="a zero"),
        pytest.param("0a01414200", id="an empty field"),
        pytest.param("0a0141108100", id="a number in more bytes than it needs"),
        pytest.param("0a01410a0142", id="a field twice"),
        pytest.param("0a01417801", id="an unknown field"),
        pytest.param("0a0141108080808010", id="a number of more than 32 bits"),
    ],
)
def test_another_encoding_is_refused(bytes_: str) -> None:
    with pytest.raises(Declined, match="ENCODING"):
        canonical(ours.Head, bytes.fromhex(bytes_))


def test_every_parcel_of_a_full_roster_fits() -> None:
    largest = [Entry(point, 8, 255, 2**32 - 1, b"x" * 24) for point in POINTS]
    made = Roster("W" * 17, 2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, largest, 2**32 - 1)
    four = parcels.delegation(2**32 - 1, POINTS[:4], ROOT, SIGNER)
    for parcel in parcelfile.split(parcels.roster_file(SEAL, [(2**32 - 1, four)], made, SIGNER, 3)):
        assert len(parcels.encoded(parcel)) <= parcelfile.LARGEST_PARCEL


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_what_is_no_file_is_told_so(data: bytes) -> None:
    with pytest.raises(BadParcels):
        parcelfile.split(data)


def test_a_file_that_ends_early_or_holds_two_cars_is_no_file() -> None:
    file = roster_file(entries(1))
    other = roster_file(entries(1), seal=Seal(bytes(16)))
    for bad in (file[:-1], file + other, file + b"\0", b""):
        with pytest.raises(BadParcels):
            parcelfile.split(bad)


def test_a_seal_is_shown_by_its_address_only() -> None:
    assert SEAL.secret.hex() not in repr(SEAL)
    assert repr(SEAL.secret) not in repr(SEAL)


def test_the_cars_tests_have_these_vectors() -> None:
    assert authority_vectors.FILE.read_text("utf-8") == authority_vectors.text()


def test_the_page_prints_them() -> None:
    page = "".join(PAGE.read_text("utf-8").split())
    for name, value in authority_vectors.vectors().items():
        assert value in page or name.startswith("NEXT"), name


def test_the_vectors_are_read() -> None:
    assert read(roster_file(authority_vectors.KEYS), SEAL, public(101), VIN).entries == authority_vectors.KEYS
