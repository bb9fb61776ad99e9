# SPDX-License-Identifier: Apache-2.0
"""Metadata against the published strings."""

from latchkey.session import metadata
from support import VIN


def test_a_commands_metadata_is_that_of_the_published_vector():
    meta = metadata.Metadata()
    meta.start(metadata.AES_GCM_PERSONALIZED)
    meta.byte(metadata.DOMAIN, 3)
    meta.item(metadata.PERSONALIZATION, VIN)
    meta.item(metadata.EPOCH, bytes.fromhex("4c463f9cc0d3d26906e982ed224adde6"))
    meta.uint(metadata.EXPIRES_AT, 2655)
    meta.uint(metadata.COUNTER, 7)
    assert bytes(meta.view()).hex() == (
        "000105010103021135594a333031323334353637383941424303104c463f9cc0d3d26906e982ed224adde6040400000a5f"
        "050400000007ff"
    )


def test_integers_of_32_bits_are_big_endian():
    meta = metadata.Metadata()
    meta.start(9)
    meta.uint(metadata.COUNTER, 0xFEDCBA98)
    assert bytes(meta.view()).hex() == "0001090504fedcba98ff"


def test_a_new_start_forgets_the_old_string():
    meta = metadata.Metadata()
    meta.start(5)
    meta.item(metadata.EPOCH, bytes(16))
    meta.start(6)
    assert bytes(meta.view()).hex() == "000106ff"
