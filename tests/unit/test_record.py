# SPDX-License-Identifier: Apache-2.0
"""One key as it lies in flash."""

from latchkey.keys import labels
from latchkey.keys.record import BARRED, IMPERMANENT, NO_SLOT, SIZE, Record, clean_label, key_id, unpack
from latchkey.store import files
from latchkey.wire.schema import Origin
from ramflash import key, public

K = b"0123456789abcdef"


def full():
    record = Record(
        public(1), K, 3, 7, Origin.OWNER_COMMAND, IMPERMANENT, "José's phone", b"sign",
        0xFFFFFFFF, 0x80000001, 3, 4, 5, 6, 0xFFFFFFFE,
    )  # fmt: skip
    record.slot = 4095
    return record


def test_every_field_comes_back():
    record = unpack(full().pack())
    assert vars_of(record) == vars_of(full())
    assert (record.seconds, record.commands, record.number) == (0xFFFFFFFF, 0x80000001, 0xFFFFFFFE)
    assert (record.slot, record.label, record.signer) == (4095, "José's phone", b"sign")


def vars_of(record):
    return {name: getattr(record, name) for name in dir(record) if name[0] != "_" and name not in ("pack", "id")}


def test_a_record_has_its_fixed_size():
    assert len(full().pack()) == SIZE == 160
    assert len(key(1, label="").pack()) == SIZE
    assert unpack(key(1, label="").pack()).slot == NO_SLOT


def test_a_record_says_its_version_and_one_of_another_is_refused_by_its_number():
    raw = full().pack()
    assert bytes(raw[:4]) == b"Lk\x01\xfe", "records that lie in cars begin so"
    assert raw[9] == IMPERMANENT == 1 and BARRED == 2, "as do the flags in them"
    raw[2:4] = b"\x02\xfd"
    try:
        unpack(raw)
    except files.UnknownVersion as error:
        assert error.version == 2
    else:
        raise AssertionError("read as version 1")


def test_a_field_of_another_size_makes_no_record():
    good = public(1)
    for public_key, shared, signer in ((good[1:], K, b"sign"), (good, K[1:], b"sign"), (good, K, b"sig")):
        try:
            Record(public_key, shared, 3, signer=signer)
        except ValueError:
            continue
        raise AssertionError((public_key, shared, signer))


def test_a_key_is_named_by_the_hash_of_its_uncompressed_point():
    published = bytes.fromhex(
        "04c7a1f47138486aa4729971494878d33b1a24e39571f748a6e16c5955b3d877d3"
        "a6aaa0e955166474af5d32c410f439a2234137ad1bb085fd4e8813c958f11d97"
    )
    assert key_id(published) == Record(published, K, 2).id == bytes.fromhex("04b5fead")


def test_any_flipped_bit_is_found():
    raw = full().pack()
    for at in range(SIZE):
        for bit in range(8):
            raw[at] ^= 1 << bit
            try:
                unpack(raw)
            except files.Damaged:
                pass
            else:
                raise AssertionError("bit %d of byte %d" % (bit, at))
            raw[at] ^= 1 << bit
    unpack(raw)


def test_a_record_of_another_length_is_damaged():
    raw = bytes(full().pack())
    for bad in (b"", raw[:1], raw[:-1], raw + b"\0"):
        try:
            unpack(bad)
        except files.Damaged:
            continue
        raise AssertionError(len(bad))


def test_another_version_is_refused_by_its_number():
    raw = full().pack()
    raw[2], raw[3] = 2, 0xFD
    try:
        unpack(raw)
    except files.UnknownVersion as error:
        assert error.version == 2
    else:
        raise AssertionError("read as version 1")


def test_fields_of_the_wrong_size_are_refused():
    for args in ((public(1)[1:], K), (public(1) + b"\0", K), (public(1), K[1:]), (public(1), K + b"\0")):
        try:
            Record(*args, role=2)
        except ValueError:
            continue
        raise AssertionError("made")


def test_a_label_is_cut_between_characters():
    assert clean_label("x" * 30) == "x" * 24
    assert clean_label("é" * 20) == "é" * 12
    assert clean_label("x" + "é" * 20) == "x" + "é" * 11
    assert unpack(key(1, label="x" + "é" * 20).pack()).label == "x" + "é" * 11


def test_a_label_that_is_not_text_leaves_the_key_readable():
    for label in (b"\xff\xfe", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"ok\xc3", b"\x1b[2J"):
        raw = full().pack()
        raw[92:116] = label + bytes(24 - len(label))
        raw[-8:] = files.digest(memoryview(raw)[:-8])
        record = unpack(raw)
        assert record.public == full().public
        assert labels.shown(record.label) == ""


def test_an_owner_lasts_without_limits_if_a_tap_or_an_owner_enrolled_it():
    assert key(1).lasting_owner
    assert key(1, origin=Origin.OWNER_COMMAND).lasting_owner
    assert not key(1, origin=Origin.ROSTER).lasting_owner
    assert not key(1, origin=Origin.GRANT).lasting_owner
    assert not key(1, role=3).lasting_owner
    assert not key(1, flags=IMPERMANENT).lasting_owner
    for limit in ("seconds", "commands", "not_before", "not_after", "powered", "uses"):
        assert not key(1, origin=Origin.CARD_TAP, **{limit: 1}).lasting_owner, limit


def test_a_record_shows_no_secret():
    shown = repr(full())
    assert K.hex() not in shown and "0123456789abcdef" not in shown and "b'" not in shown
