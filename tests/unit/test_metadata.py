# SPDX-License-Identifier: Apache-2.0
"""Metadata against the published strings."""

from latchkey.session import metadata
from support import VIN

EPOCH = bytes.fromhex("4c463f9cc0d3d26906e982ed224adde6")
VEHICLE = "021135594a3330313233343536373839414243"  # the item that names the car


def test_a_commands_metadata_is_that_of_the_published_vector():
    assert bytes(metadata.command(5, 3, VIN, EPOCH, 2655, 7, 0)).hex() == (
        "000105010103" + VEHICLE + "03104c463f9cc0d3d26906e982ed224adde6040400000a5f050400000007ff"
    )


def test_flags_follow_when_there_are_any():
    assert bytes(metadata.command(8, 2, VIN, EPOCH, 1, 2, 3)).hex().endswith("050400000002" + "070400000003" + "ff")


def test_integers_of_32_bits_are_big_endian():
    assert bytes(metadata.response(2, VIN, 0xFEDCBA98, b"", 25)).hex() == (
        "000109010102" + VEHICLE + "0504fedcba98" + "070400000000" + "0800" + "090400000019" + "ff"
    )


def test_a_shorter_string_after_a_longer_one_has_nothing_of_it():
    metadata.command(5, 3, VIN, EPOCH, 2655, 7, 1)
    assert bytes(metadata.session_info(VIN, b"")).hex() == "000106" + VEHICLE + "ff"
    assert bytes(metadata.session_info(VIN, EPOCH)).hex() == "000106" + VEHICLE + "0610" + EPOCH.hex() + "ff"


def test_the_longest_fits():
    assert len(metadata.command(5, 2, VIN, EPOCH, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)) == 62
