# SPDX-License-Identifier: Apache-2.0
"""The host's reader of the bench lines: whatever comes, whole frames come out whole, and every other byte is text."""

from __future__ import annotations

import zlib
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from host_tools.serial.lines import LINE, MAX_MESSAGE, PIECE, Frame, Joiner, LineDecoder, Numbers, decode_frame, split

DOCUMENT = Path(__file__).parents[2] / "docs" / "bench.md"
KINDS = "VBSACvbesac"
frames = st.builds(
    Frame,
    st.sampled_from(KINDS),
    st.integers(0, 255),
    st.integers(0, 255),
    st.sampled_from(".<+>"),
    st.binary(max_size=PIECE),
)
messages = st.binary(max_size=MAX_MESSAGE)
# Garbage of every sort, and often of the sort that resembles a frame.
garbage = st.one_of(
    st.binary(max_size=300),
    st.text("@VBS0123456789abcdef.<+>=\r\n", max_size=200).map(str.encode),
    frames.map(lambda frame: frame.encode()[:-1]),
)


def read(stream: bytes, cuts: list[int] | None = None) -> list[Frame | bytes]:
    """What the decoder makes of a stream that comes in pieces."""
    decoder = LineDecoder()
    ends = sorted({min(cut, len(stream)) for cut in cuts or []} | {len(stream)})
    found: list[Frame | bytes] = []
    start = 0
    for end in ends:
        found += decoder.feed(stream[start:end])
        start = end
    held = decoder.flush()
    return [*found, held] if held else found


def only_frames(items: list[Frame | bytes]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def as_bytes(items: list[Frame | bytes]) -> bytes:
    return b"".join(item.encode() if isinstance(item, Frame) else item for item in items)


def test_the_example_of_the_document_is_a_conversation() -> None:
    example = [line.split() for line in DOCUMENT.read_text().splitlines() if line.startswith(("> @", "< @"))]
    assert len(example) > 10
    for direction, line in example:
        frame = decode_frame(line.encode())
        assert frame is not None, line
        assert frame.kind.isupper() == (direction == ">"), line
    for sender in "><":
        joiner = Joiner()
        spoken = [decode_frame(line.encode()) for direction, line in example if direction == sender]
        for frame in spoken:
            if frame and frame.kind != "a":
                joiner.add(frame)
        assert joiner.lost == 0


def test_the_lines_of_the_document_are_read_and_written() -> None:
    for line, frame in (
        (b"@S0700.b85b766c\n", Frame("S", 7, 0, ".", b"")),
        (b"@V0108.aGVsbG8=012c7114\n", Frame("V", 1, 8, ".", b"hello")),
    ):
        assert decode_frame(line[:-1]) == frame
        assert frame.encode() == line


@given(frames)
def test_a_frame_survives_its_line(frame: Frame) -> None:
    line = frame.encode()
    assert len(line) <= LINE
    assert decode_frame(line[:-1]) == frame


@given(frames)
def test_a_line_is_printable_and_holds_one_at_sign(frame: Frame) -> None:
    line = frame.encode()
    assert line.endswith(b"\n") and all(0x20 < byte < 0x7F for byte in line[:-1])
    assert line.count(b"@") == 1 and line.startswith(b"@")


@given(st.lists(st.one_of(garbage, frames.map(Frame.encode))), st.lists(st.integers(0, 2000)))
def test_how_a_stream_is_cut_makes_no_difference(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    whole, cut = read(stream), read(stream, cuts)
    assert only_frames(cut) == only_frames(whole)
    assert as_bytes(cut) == as_bytes(whole)


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000)))
def test_no_byte_is_lost(stream: bytes, cuts: list[int]) -> None:
    assert as_bytes(read(stream, cuts)) == stream


@given(st.lists(st.tuples(garbage, frames)), garbage)
def test_every_frame_is_found_between_any_garbage(pairs: list[tuple[bytes, Frame]], end: bytes) -> None:
    # Garbage that holds a whole frame of its own is no garbage.
    assume(not any(only_frames(read(noise)) for noise, _ in pairs) and not only_frames(read(end)))
    stream = b"".join(noise + frame.encode() for noise, frame in pairs) + end
    assert only_frames(read(stream)) == [frame for _, frame in pairs]


@given(frames, st.data())
def test_a_corrupted_line_is_text_and_the_next_one_is_read(frame: Frame, data: st.DataObject) -> None:
    line = bytearray(frame.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    assume(bytes(line) != frame.encode())
    following = Frame("v", 1, 2, ".", b"next")
    assert only_frames(read(bytes(line) + following.encode())) == [following]


@given(frames, st.data())
def test_a_line_that_lost_bytes_is_text_and_the_next_one_is_read(frame: Frame, data: st.DataObject) -> None:
    line = frame.encode()
    start = data.draw(st.integers(0, len(line) - 1))
    end = data.draw(st.integers(start + 1, len(line)))
    following = Frame("v", 1, 2, ".", b"next")
    assert only_frames(read(line[:start] + line[end:] + following.encode())) == [following]


def test_a_good_checksum_does_not_excuse_bad_fields() -> None:
    for text in (b"@V-108.", b"@V0A08.", b"@V0108!", b"@V0108.a", b"@V0108.aGVsbG8", b"@10108.", b"@V0108.=", b"@"):
        assert decode_frame(text + b"%08x" % zlib.crc32(text)) is None, text
    too_long = b"@V0108." + b"AAAA" * 40
    assert decode_frame(too_long + b"%08x" % zlib.crc32(too_long)) is None


def test_text_comes_line_by_line_without_waiting_for_a_frame() -> None:
    decoder = LineDecoder()
    assert list(decoder.feed(b"one\ntwo\nthr")) == [b"one\n", b"two\n"]
    assert list(decoder.feed(b"ee\n")) == [b"three\n"]


def test_text_without_a_newline_is_not_held_for_ever() -> None:
    decoder = LineDecoder()
    out = b"".join(item for _ in range(100) for item in decoder.feed(b"x" * 100) if isinstance(item, bytes))
    assert len(out) + len(decoder.flush()) == 10_000
    assert len(out) > 4000


def lines_of(numbers: Numbers, kind: str, conn: int, message: bytes) -> list[Frame]:
    return [Frame(kind, conn, numbers.next(), part, body) for part, body in split(message)]


@given(st.lists(st.tuples(st.sampled_from("vbes"), st.integers(0, 255), messages)), st.integers(0, 255))
def test_messages_come_back_from_their_lines(sent: list[tuple[str, int, bytes]], start: int) -> None:
    numbers, joiner = Numbers(start), Joiner()
    got = [joiner.add(frame) for kind, conn, data in sent for frame in lines_of(numbers, kind, conn, data)]
    assert [message for message in got if message is not None] == sent
    assert joiner.lost == 0


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from("vbe"), st.integers(0, 3), st.binary(max_size=400)), max_size=8),
    st.sets(st.integers(0, 40)),
)
def test_a_missing_line_loses_its_message_and_no_other(sent: list[tuple[str, int, bytes]], missing: set[int]) -> None:
    numbers, joiner = Numbers(), Joiner()
    joiner.add(Frame("s", 0, numbers.next(), ".", b""))  # so that a missing first line is noticed too
    expected, got, count = [], [], 0
    for message in sent:
        whole = True
        for frame in lines_of(numbers, *message):
            if count in missing:
                whole = False
            elif (complete := joiner.add(frame)) is not None:
                got.append(complete)
            count += 1
        if whole:
            expected.append(message)
    assert got == expected


@given(messages, st.integers(0, 9))
def test_who_attaches_in_the_middle_of_a_message_gets_the_next_one(message: bytes, skip: int) -> None:
    numbers, joiner = Numbers(), Joiner()
    tail = lines_of(numbers, "v", 1, message)[1 + skip :]
    assert [joiner.add(frame) for frame in tail] == [None] * len(tail)
    assert [joiner.add(frame) for frame in lines_of(numbers, "v", 1, b"next")] == [("v", 1, b"next")]


def test_lines_that_never_came_are_counted() -> None:
    joiner = Joiner()
    for seq in (250, 251, 254, 3):
        joiner.add(Frame("e", 0, seq, ".", b"{}"))
    assert joiner.lost == 2 + 4


@given(messages)
def test_the_parts_of_a_message_are_in_order(message: bytes) -> None:
    parts = "".join(part for part, _ in split(message))
    assert parts == "." or (parts[0] == "<" and parts[-1] == ">" and set(parts[1:-1]) <= {"+"})
    assert b"".join(body for _, body in split(message)) == message
