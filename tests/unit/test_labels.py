# SPDX-License-Identifier: Apache-2.0
"""Labels: text that is only text."""

from latchkey.keys import labels

STEERING = (
    list(range(0x20)) + list(range(0x7F, 0xA0)) + [0x61C, 0x200E, 0x200F, 0x2028, 0x2029]
    + list(range(0x202A, 0x202F)) + list(range(0x2066, 0x206A))
)  # fmt: skip


def refused(raw):
    try:
        labels.text(raw)
    except ValueError:
        return True
    return False


def encoded(code, size=0):
    """The bytes of a code point: in so many, if they are more than it takes."""
    size = size or (1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4)
    if size == 1:
        return bytes((code,))
    out = []
    for _ in range(size - 1):
        out.insert(0, 0x80 | code & 0x3F)
        code >>= 6
    out.insert(0, 0xFF00 >> size & 0xFF | code)
    return bytes(out)


def test_what_people_write_is_text():
    for text in ("", "Ann's phone", "José", "Łódź", "שלום", "電話", "🔑 Bo", "x" * 1000, "~ ¡߿ࠀ￿𐀀"):
        assert labels.text(text.encode()) == text
        assert labels.text(memoryview(text.encode())) == text


def test_every_code_point_is_read_in_its_shortest_form_only():
    for codes in (range(0x3000), range(0xD700, 0xE100), range(0xFF00, 0x10100), (0x10FFFF,)):
        for code in codes:
            bad = code in STEERING or 0xD800 <= code < 0xE000
            assert refused(encoded(code)) == bad, hex(code)
            for size in range(len(encoded(code)) + 1, 5):
                assert refused(encoded(code, size)), "%x in %d bytes" % (code, size)
    for code in (0x110000, 0x1FFFFF):
        assert refused(encoded(code, 4))


def test_broken_sequences_are_no_text():
    broken = (b"\x80", b"\xbf", b"a\xc3", b"\xe2\x82", b"\xf0\x9f\x94", b"\xc3(", b"\xe2(\xa1", b"\xff", b"\xfe")
    for raw in broken + (b"\xf8\x88\x80\x80\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xed\xa0\x80"):
        assert refused(raw), raw
        assert refused(b"Bo " + raw), raw


def test_no_two_bytes_are_read_that_are_not_utf_8():
    """MicroPython's own decoder takes some; whoever reads its JSON does not."""
    taken = 0
    for first in range(256):
        for second in range(256):
            if not refused(bytes((first, second))):
                taken += 1
    printable = 0x5F
    assert taken == printable * printable + (0x800 - 0x80) - sum(0x80 <= code < 0x800 for code in STEERING)


def test_what_was_taken_unlooked_at_is_not_shown():
    assert labels.shown("Bo") == "Bo"
    assert labels.shown("B\x1bo") == labels.shown("B\u202eo") == ""
