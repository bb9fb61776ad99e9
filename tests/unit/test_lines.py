# SPDX-License-Identifier: Apache-2.0
"""A frame is found wherever it starts, and nothing but a whole and correct one is taken for a frame."""

import os

from latchkey.link.lines import Reader, Writer

# docs/bench.md, "Lines": the marks of a line's place in its message, and the sizes.
WHOLE, FIRST, MIDDLE, LAST = b".<+>"
PIECE = 108
LINE = 160

# Written by hand from docs/bench.md, so that both ends are held against the document.
SYNC = b"@S0700.b85b766c\n"
HELLO = b"@V0108.aGVsbG8=012c7114\n"


def _feed(reader, data):
    found = []
    for byte in data:
        if reader.feed(byte):
            found.append((chr(reader.kind), reader.conn, reader.seq, reader.first, reader.last, reader.body))
    return found


def _line(*frame):
    return bytes(Writer().line(*frame))


def test_the_lines_of_the_document_are_read():
    assert _feed(Reader(), SYNC) == [("S", 7, 0, True, True, b"")]
    assert _feed(Reader(), HELLO) == [("V", 1, 8, True, True, b"hello")]


def test_the_lines_of_the_document_are_written():
    assert _line(ord("S"), 7, 0, WHOLE, b"") == SYNC
    assert _line(ord("V"), 1, 8, WHOLE, b"hello") == HELLO


def test_every_part_says_whether_it_is_the_first_and_the_last():
    for part, first, last in ((WHOLE, True, True), (FIRST, True, False), (MIDDLE, False, False), (LAST, False, True)):
        line = _line(ord("V"), 255, 255, part, b"x")
        assert _feed(Reader(), line) == [("V", 255, 255, first, last, b"x")]


def test_the_longest_line_fits_a_board_that_is_busy():
    line = _line(ord("V"), 1, 2, WHOLE, b"\xff" * PIECE)
    assert len(line) == LINE
    assert _feed(Reader(), line)[0][5] == b"\xff" * PIECE


def test_every_length_of_a_piece_comes_back():
    for size in range(PIECE + 1):
        piece = os.urandom(size)
        assert _feed(Reader(), _line(ord("B"), 0, size, WHOLE, piece))[0][5] == piece


def test_nothing_in_a_line_is_a_control_byte_or_starts_another():
    for size in range(PIECE + 1):
        line = _line(ord("V"), 200, size, MIDDLE, os.urandom(size))
        assert line[0] == 0x40 and line[-1] == 0x0A
        assert all(0x20 < byte < 0x7F and byte != 0x40 for byte in line[1:-1])


def test_a_frame_starts_in_the_middle_of_anything():
    for before in (b"", b"log text ", b"\x00\xff\n", b"@", b"@V01", HELLO[:-1], b"x" * 500, b"@" + b"y" * 500):
        assert _feed(Reader(), before + HELLO) == [("V", 1, 8, True, True, b"hello")], before


def test_a_carriage_return_before_the_newline_is_no_matter():
    assert len(_feed(Reader(), HELLO[:-1] + b"\r\n")) == 1


def test_no_change_of_one_byte_gives_a_frame():
    for at in range(len(HELLO)):
        for value in range(256):
            if value != HELLO[at]:
                changed = HELLO[:at] + bytes((value,)) + HELLO[at + 1 :]
                assert _feed(Reader(), changed) == [], changed


def test_a_missing_or_doubled_byte_gives_no_frame():
    for at in range(1, len(HELLO) - 1):
        assert _feed(Reader(), HELLO[:at] + HELLO[at + 1 :]) == []
        if HELLO[at] != HELLO[at - 1]:
            assert _feed(Reader(), HELLO[:at] + HELLO[at : at + 1] + HELLO[at:]) == []


def _sealed(text):
    import binascii

    return text + b"%08x\n" % binascii.crc32(text)


def test_a_good_checksum_does_not_excuse_bad_fields():
    assert len(_feed(Reader(), _sealed(b"@V0108.aGVsbG8="))) == 1
    for text in (
        b"@V-108.",  # signs, spaces and capitals are no hex digits here
        b"@V 108.",
        b"@V01 8.",
        b"@V0A08.",
        b"@V010-.",
        b"@V0108!",
        b"@V0108.a",  # not base64
        b"@V0108.aGVsbG8",
        b"@V",
        b"@",
    ):
        assert _feed(Reader(), _sealed(text)) == [], text


def test_too_long_a_line_gives_no_frame_and_the_next_one_does():
    reader = Reader()
    assert _feed(reader, _sealed(b"@V0108." + b"AAAA" * 40)) == []
    assert len(_feed(reader, HELLO)) == 1


def test_a_longest_line_with_more_behind_it_is_none():
    line = _line(ord("V"), 1, 2, WHOLE, b"x" * PIECE)
    assert len(_feed(Reader(), line[:-1] + b"\r\n")) == 1
    assert _feed(Reader(), line[:-1] + b"\rx\n") == []


def test_a_line_is_a_frame_once():
    assert len(_feed(Reader(), HELLO + b"\n\n\r\n" + HELLO)) == 2


def test_what_starts_with_anything_else_is_no_frame():
    for before in (b"", b"x", b"\n", HELLO):
        reader = Reader()
        _feed(reader, before)
        assert _feed(reader, _sealed(b"#V0108.aGVsbG8=")) == [], before


def test_garbage_never_gives_a_frame_nor_stops_the_next():
    reader = Reader()
    for _ in range(50):
        assert _feed(reader, os.urandom(300)) == []
        assert len(_feed(reader, HELLO)) == 1
